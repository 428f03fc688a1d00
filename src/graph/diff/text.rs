//! A diff for people: in a terminal, or as Markdown in a pull request.

use super::fates::{Fates, Lineage};
use super::{Change, ChangeKind, Diff, Measure};
use crate::graph::page::{Page, grouped, share};
use crate::graph::weight::{Key, Weight};
use mtmd_schema::transfer::Fate;
use mtmd_schema::{Choice as _, key};
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) fn page(diff: &Diff) -> Page {
    let [old, new] = &diff.models;
    let [old_hash, new_hash] = &diff.spec_hashes;
    let mut page = Page::new(match old == new {
        true => new.clone(),
        false => format!("{old} → {new}"),
    });
    if diff.changes.is_empty() {
        page.text(format!("The models are the same: spec `{new_hash}`."));
        return page;
    }
    page.text(format!("Spec `{old_hash}` → `{new_hash}`"));
    page.heading("Changes");
    page.points(diff.changes.iter().map(words).collect());
    page.heading("Costs");
    let rows = diff.costs.iter().map(cost).collect();
    page.table(&["", "before", "after", "change"], rows);
    page.heading("Weights");
    let rows = sums(&diff.fates);
    page.table(&["fate", "weights", "parameters", ""], rows);
    let groups = groups(&diff.fates);
    if !groups.is_empty() {
        page.heading("Weights that change");
        page.table(&["fate", "of", "how", "nodes"], groups);
    }
    page
}

fn words(change: &Change) -> String {
    let place = code(&change.place);
    let value = |value: &Option<String>| match value {
        Some(value) => code(value),
        None => "not given".to_owned(),
    };
    match &change.kind {
        ChangeKind::Added { settings } => {
            let settings = settings
                .iter()
                .map(|(setting, value)| format!("{setting} {value}"));
            let settings: Vec<String> = settings.collect();
            match &*settings.join(", ") {
                "" => format!("new: {place}"),
                settings => format!("new: {place}, {}", code(settings)),
            }
        }
        ChangeKind::Removed => format!("removed: {place}"),
        ChangeKind::Renamed { from } => format!("{place} was called {}", code(from)),
        ChangeKind::Set {
            setting,
            before,
            after,
        } => format!("{place}: {setting} {} → {}", value(before), value(after)),
    }
}

fn cost(cost: &Measure) -> Vec<String> {
    let number = |number: Option<u128>| number.map_or("–".to_owned(), grouped);
    let change = match (cost.before, cost.after) {
        (Some(before), Some(after)) if before == after => String::new(),
        (Some(before), Some(after)) => difference(before, after),
        _ => String::new(),
    };
    vec![
        cost.name.clone(),
        number(cost.before),
        number(cost.after),
        change,
    ]
}

fn difference(before: u128, after: u128) -> String {
    let sign = if after > before { '+' } else { '−' };
    let size = grouped(after.abs_diff(before));
    match before {
        0 => format!("{sign}{size}"),
        _ => format!(
            "{sign}{size} ({sign}{})",
            share(after.abs_diff(before), before)
        ),
    }
}

/// What becomes of a weight of either model, in the order of reports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum WeightOutcome {
    /// One of the new model.
    Planned(Fate),
    /// One of the old model that no new one continues.
    Dropped,
}

impl WeightOutcome {
    fn name(self) -> &'static str {
        match self {
            Self::Planned(fate) => fate.word(),
            Self::Dropped => "dropped",
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Planned(Fate::Kept) => "copied as they are",
            Self::Planned(Fate::Renamed) => "copied under another key",
            Self::Planned(Fate::Grown) => {
                "copied whole; what is added starts fresh, as an input at 0"
            }
            Self::Planned(Fate::Narrowed) => "copied in part",
            Self::Planned(Fate::Refitted) => {
                "copied in part; the rest starts fresh, as an input at 0"
            }
            Self::Planned(Fate::Seeded) => "copied from the domain that theirs is like",
            Self::Planned(Fate::New) => "start as in a new model",
            Self::Dropped => "the new model has no place for them",
        }
    }
}

/// Every weight with its outcome, and what is to be said of it.
struct Line<'a> {
    outcome: WeightOutcome,
    weight: &'a Weight,
    /// The old weight that it is.
    continues: Option<&'a Key>,
    how: String,
}

fn lines(fates: &Fates) -> impl Iterator<Item = Line<'_>> {
    let planned = fates.weights.iter().map(|planned| {
        let fate = planned.lineage.fate();
        let (continues, how) = match &planned.lineage {
            Lineage::Fresh { note } => (None, note.clone()),
            Lineage::Copied { from, note, .. } => {
                let continues = (fate != Fate::Seeded).then_some(from);
                (continues, how(fate, from.holder(), note))
            }
        };
        Line {
            outcome: WeightOutcome::Planned(fate),
            weight: &planned.weight,
            continues,
            how,
        }
    });
    let dropped = fates.dropped.iter().map(|weight| Line {
        outcome: WeightOutcome::Dropped,
        weight,
        continues: None,
        how: String::new(),
    });
    planned.chain(dropped)
}

/// What is to be said of a weight that comes from an old holder.
fn how(fate: Fate, holder: &str, note: &str) -> String {
    match fate {
        // Said of no one, and most weights are kept.
        Fate::Kept => String::new(),
        Fate::Renamed => format!("from {holder}"),
        Fate::Seeded if note.is_empty() => format!("from {holder}"),
        Fate::Seeded => format!("from {holder}; {note}"),
        Fate::Grown | Fate::Narrowed | Fate::Refitted | Fate::New => note.to_owned(),
    }
}

/// How many weights have each outcome.
fn sums(fates: &Fates) -> Vec<Vec<String>> {
    let mut sums: BTreeMap<WeightOutcome, (usize, u128)> = BTreeMap::new();
    for line in lines(fates) {
        let (count, size) = sums.entry(line.outcome).or_default();
        *count += 1;
        *size += parameters(line.weight);
    }
    let rows = sums.into_iter().map(|(outcome, (count, parameters))| {
        vec![
            outcome.name().to_owned(),
            grouped(count as u128),
            grouped(parameters),
            outcome.meaning().to_owned(),
        ]
    });
    rows.collect()
}

fn parameters(weight: &Weight) -> u128 {
    if weight.trained { weight.size() } else { 0 }
}

/// Weights that are not kept, by node: nodes of one holder of which the same is to be said stand
/// together, and so do the holders.
fn groups(fates: &Fates) -> Vec<Vec<String>> {
    // Weights of each holder and of each of its nodes (a holder's own node is empty), in the new
    // model and in the old one.
    let mut sizes: HashMap<(bool, &str, &str), usize> = HashMap::new();
    let mut nodes: BTreeMap<(WeightOutcome, &str, &str), (usize, BTreeSet<String>)> =
        BTreeMap::new();
    for line in lines(fates) {
        for (old, key) in counted(&line) {
            for node in ["", key.node()] {
                *sizes.entry((old, key.holder(), node)).or_default() += 1;
            }
        }
        if line.outcome != WeightOutcome::Planned(Fate::Kept) {
            let key = &line.weight.key;
            let key = (line.outcome, key.holder(), key.node());
            let (count, notes) = nodes.entry(key).or_default();
            *count += 1;
            notes.extend(line.how.split("; ").map(str::to_owned));
        }
    }
    let mut held: BTreeMap<(WeightOutcome, String, &str), (usize, Vec<String>)> = BTreeMap::new();
    for ((outcome, holder, node), (count, notes)) in nodes {
        let size = sizes.get(&(outcome == WeightOutcome::Dropped, holder, node));
        let node = match size == Some(&count) {
            true => code(node),
            false => format!("part of {}", code(node)),
        };
        let notes: Vec<String> = notes.into_iter().filter(|note| !note.is_empty()).collect();
        let key = (outcome, notes.join("; "), holder);
        let (sum, names) = held.entry(key).or_default();
        *sum += count;
        names.push(node);
    }
    let mut folded: BTreeMap<(WeightOutcome, String, String), Vec<&str>> = BTreeMap::new();
    for ((outcome, how, holder), (count, nodes)) in held {
        let all = sizes.get(&(outcome == WeightOutcome::Dropped, holder, "")) == Some(&count);
        let by_name = [key::TABLES, key::HEADS].contains(&holder);
        let what = match all && !by_name {
            true => "all".to_owned(),
            false => listed(&nodes),
        };
        folded.entry((outcome, how, what)).or_default().push(holder);
    }
    let rows = folded.into_iter();
    rows.map(|((outcome, how, what), holders)| {
        vec![outcome.name().to_owned(), names(&holders), how, what]
    })
    .collect()
}

/// The keys that a line tells of, and whether they are those of the old model.
fn counted<'a>(line: &Line<'a>) -> impl Iterator<Item = (bool, &'a Key)> {
    let own = (line.outcome == WeightOutcome::Dropped, &line.weight.key);
    let source = line.continues.map(|source| (true, source));
    std::iter::once(own).chain(source)
}

fn names(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| code(name)).collect();
    listed(&names)
}

/// Most names that one reads in a list; the JSON has all.
const LISTED: usize = 12;

fn listed(names: &[String]) -> String {
    match names.split_at_checked(LISTED) {
        Some((first, more)) if more.len() > 1 => {
            format!("{} and {} more", first.join(", "), more.len())
        }
        _ => names.join(", "),
    }
}

fn code(text: &str) -> String {
    format!("`{text}`")
}
