//! Lints: what is allowed and was perhaps not meant.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::declare::domains::{Domains, noun};
use crate::sema::declare::features::{FeatureDeclaration, Features};
use crate::sema::declare::tasks::Tasks;
use crate::sema::sentence::some_of;
use crate::sema::spec::{DomainId, Tower};

/// What columns are called that hold an outcome.
const OUTCOMES: [&str; 6] = [
    "label",
    "target",
    "conversion",
    "outcome",
    "clicked",
    "purchased",
];

/// Words of what is done to an item: an outcome alone (`clicked`), after a word of `ASKING` (`is_like`), or at the end of
/// the column's name (`pin_saved`), but not in `clicks_7d`.
const ACTS: [&str; 30] = [
    "bought",
    "buy",
    "click",
    "clicked",
    "comment",
    "commented",
    "converted",
    "enter",
    "entered",
    "follow",
    "followed",
    "forward",
    "forwarded",
    "hide",
    "hidden",
    "install",
    "installed",
    "like",
    "liked",
    "order",
    "ordered",
    "played",
    "purchase",
    "purchased",
    "save",
    "saved",
    "share",
    "shared",
    "skipped",
    "watched",
];
const ASKING: [&str; 3] = ["did", "has", "is"];

fn tells_an_outcome(column: &str) -> bool {
    let words: Vec<&str> = column.split('_').collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else {
        return false;
    };
    OUTCOMES.contains(first)
        || OUTCOMES.contains(last)
        || last.ends_with("ed") && ACTS.contains(last)
        || matches!(words[..], [only] if ACTS.contains(&only))
        || *last == "click"
        || ASKING.contains(first) && words.iter().any(|word| ACTS.contains(word))
}

/// Starts of column names that tell who asks.
const QUERY_STARTS: [&str; 5] = ["user_", "query_", "viewer_", "session_", "shopper_"];

/// Reports what all lints find.
pub(in crate::sema) fn report(
    context: &mut Context<'_>,
    tasks: &Tasks,
    domains: &Domains,
    [query, item]: [&Features; 2],
) {
    unweighted_tasks(context, tasks);
    tasks.report_twins(context);
    for features in [query, item] {
        outcome_like_inputs(context, tasks, features);
        redundant_features(context, features);
        domains_without_own_feature(context, domains, features);
    }
    query_features_in_item_tower(context, query, item);
}

/// A task of weight 0 is measured and never trained, unless a child of it is.
fn unweighted_tasks(context: &mut Context<'_>, tasks: &Tasks) {
    for (task, weight) in tasks.unweighted() {
        context.report(
            Diagnostic::new(
                Code::W0504,
                format!("task `{}` is never trained", task.text),
                weight,
                "neither it nor a task below it has a weight",
            )
            .note("its Domain Experts keep their first, random weights; the report shows its errors all the same")
            .help("give it a weight, or remove it"),
        );
    }
}

fn outcome_like_inputs(context: &mut Context<'_>, tasks: &Tasks, features: &Features) {
    for feature in &features.declared {
        let column = feature.column.text.as_str();
        // A list is a history: what was bought before is known.
        if tells_an_outcome(column) && !feature.is_list() && !tasks.reads(column) {
            let name = &feature.name.text;
            context.report(
                Diagnostic::new(
                    Code::W0505,
                    format!("feature `{name}` reads column `{column}`, which looks like an outcome"),
                    feature.column.span,
                    "known when the model serves?",
                )
                .note("an input that is known only after the impression makes a model that is good in training alone")
                .help("remove the feature; if the column is known in time, say `allow W0505`"),
            );
        }
    }
}

fn redundant_features(context: &mut Context<'_>, features: &Features) {
    let mut by_column: BTreeMap<&str, Vec<&FeatureDeclaration>> = BTreeMap::new();
    for feature in &features.declared {
        let before = by_column.entry(&feature.column.text).or_default();
        let twin = before.iter().find(|other| other.reads_like(feature));
        if let Some(twin) = twin {
            let (name, other) = (&feature.name.text, &twin.name.text);
            context.report(
                Diagnostic::new(
                    Code::W0503,
                    format!("features `{other}` and `{name}` are the same input"),
                    feature.name.span,
                    format!("reads `{}` in the same way", feature.column.text),
                )
                .label(twin.name.span, "reads it first")
                .help(format!("remove `{name}`")),
            );
        }
        before.push(feature);
    }
}

fn query_features_in_item_tower(context: &mut Context<'_>, query: &Features, item: &Features) {
    let mut of_query: BTreeMap<&str, &FeatureDeclaration> = BTreeMap::new();
    for feature in &query.declared {
        of_query.entry(&feature.column.text).or_insert(feature);
    }
    for feature in &item.declared {
        let column = feature.column.text.as_str();
        let of_query = of_query.get(column);
        let looks = QUERY_STARTS.iter().any(|start| column.starts_with(start));
        if of_query.is_none() && !looks {
            continue;
        }
        let name = &feature.name.text;
        let mut diagnostic = Diagnostic::new(
            Code::W0506,
            format!(
                "feature `{name}` of the item tower reads `{column}`, which belongs to the query"
            ),
            feature.column.span,
            "not known of an item alone",
        )
        .note("item embeddings are computed ahead of the request: an item has no user")
        .help("move the feature to `query`; if the column is the item's, say `allow W0506`");
        if let Some(other) = of_query {
            diagnostic = diagnostic.label(other.column.span, "read by the query tower too");
        }
        context.report(diagnostic);
    }
}

fn domains_without_own_feature(context: &mut Context<'_>, domains: &Domains, features: &Features) {
    let axis = domains.axis(features.tower);
    let all = domains.all(features.tower).len();
    let known = |feature: &FeatureDeclaration| feature.domains.is_some();
    if !axis.complete || !features.complete || all < 2 || !features.declared.iter().all(known) {
        return;
    }
    let domains = features
        .declared
        .iter()
        .flat_map(|feature| &feature.domains);
    let own: BTreeSet<DomainId> = domains
        .filter(|domains| domains.len() < all)
        .flatten()
        .copied()
        .collect();
    for (place, (name, span)) in axis.named_places().enumerate() {
        if !own.contains(&DomainId(place)) {
            let (noun, tower) = (noun(features.tower), tower_word(features.tower));
            let others = axis.names().filter(|other| *other != name);
            let names = some_of(others, all - 1, 4);
            context.report(
                Diagnostic::new(
                    Code::W0507,
                    format!("{noun} `{name}` has no feature of its own"),
                    span,
                    format!("all features of `{tower}` are those of {names} too"),
                )
                .help(format!("add one that only `{name}` has, with `on {name}`")),
            );
        }
    }
}

fn tower_word(tower: Tower) -> &'static str {
    match tower {
        Tower::Query => "query",
        Tower::Item => "item",
    }
}

#[cfg(test)]
mod tests {
    use super::tells_an_outcome;

    #[test]
    fn outcomes_are_told_from_what_is_known() {
        for column in [
            "label",
            "label_ctr",
            "is_click",
            "is_profile_enter",
            "did_buy",
            "purchased",
            "bought",
            "outbound_click",
            "hw_target",
            "pin_saved",
        ] {
            assert!(tells_an_outcome(column), "{column}");
        }
        for column in [
            "is_live_streamer",
            "is_lowactive_period",
            "is_video_author",
            "has_video",
            "clicks_7d",
            "age",
            "like_rate",
            "is_premium",
        ] {
            assert!(!tells_an_outcome(column), "{column}");
        }
    }
}
