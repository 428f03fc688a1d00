//! Declarations and settings that differ.

use crate::graph::weights::Names;
use crate::graph::yaml::{self, Block, Declaration};
use crate::sema::spec::{Spec, Tower};
use std::collections::{BTreeMap, BTreeSet};

/// Something that one spec says and the other does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What it is, as `task octr`, or the block whose setting it is, as `training`.
    pub place: String,
    /// How it differs.
    pub kind: ChangeKind,
}

/// How a declaration differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only the new spec has it.
    Added {
        /// Its settings and their values.
        settings: Vec<(String, String)>,
    },
    /// Only the old spec has it.
    Removed,
    /// It has another name.
    Renamed {
        /// Name in the old spec.
        from: String,
    },
    /// A setting has another value.
    Set {
        /// Setting.
        setting: String,
        /// Old value; `None` if it was not given.
        before: Option<String>,
        /// New value; `None` if it is given no more.
        after: Option<String>,
    },
}

/// The changes in the order of `graph.yaml`, what is removed last.
pub(super) fn changes(old: &Spec, new: &Spec, names: &Names) -> Vec<Change> {
    let (before, after) = (declared(old), declared(new));
    let known: BTreeMap<(Block, &str), &Declaration> = before
        .iter()
        .map(|entry| ((entry.block, &*entry.name), entry))
        .collect();
    let mut seen = BTreeSet::new();
    let mut changes = vec![];
    for entry in &after {
        let name = old_name(entry, names);
        let kinds = match known.get(&(entry.block, name)) {
            None => vec![ChangeKind::Added {
                settings: entry.settings.clone(),
            }],
            Some(other) => {
                seen.insert((other.block, &*other.name));
                let renamed = (name != entry.name).then(|| ChangeKind::Renamed {
                    from: name.to_owned(),
                });
                let set = settings(&other.settings, &entry.settings);
                renamed.into_iter().chain(set).collect()
            }
        };
        changes.extend(kinds.into_iter().map(|kind| Change {
            place: place(entry),
            kind,
        }));
    }
    let gone = before
        .iter()
        .filter(|entry| !seen.contains(&(entry.block, &*entry.name)));
    changes.extend(gone.map(|entry| Change {
        place: place(entry),
        kind: ChangeKind::Removed,
    }));
    changes
}

/// What a spec declares.
fn declared(spec: &Spec) -> Vec<Declaration> {
    let model = Declaration {
        block: Block::Model,
        name: String::new(),
        settings: vec![("name".to_owned(), spec.name.to_string())],
    };
    let mut all = vec![model];
    all.extend(yaml::declared(spec));
    all
}

/// What the old spec calls a declaration of the new one.
fn old_name<'a>(entry: &'a Declaration, names: &'a Names) -> &'a str {
    let renamed = match entry.block {
        Block::Surfaces => names.surfaces.get(&entry.name),
        Block::Products => names.products.get(&entry.name),
        Block::Tasks => names.tasks.get(&entry.name),
        Block::Features(tower) => names.features(tower).get(&entry.name),
        Block::Tables => names.tables.get(&entry.name),
        Block::Model
        | Block::Totals
        | Block::Architecture
        | Block::Rows
        | Block::Evaluation
        | Block::Training
        | Block::Budget
        | Block::Heads => None,
    };
    renamed.map_or(&entry.name, |name| name)
}

fn place(entry: &Declaration) -> String {
    let noun = match entry.block {
        Block::Surfaces => "surface",
        Block::Products => "product",
        Block::Tasks => "task",
        Block::Tables => "table",
        Block::Features(Tower::Query) => "query feature",
        Block::Features(Tower::Item) => "item feature",
        Block::Model
        | Block::Totals
        | Block::Architecture
        | Block::Rows
        | Block::Evaluation
        | Block::Training
        | Block::Budget
        | Block::Heads => entry.block.key(),
    };
    match &*entry.name {
        "" => entry.block.key().to_owned(),
        name => format!("{noun} {name}"),
    }
}

fn settings(old: &[(String, String)], new: &[(String, String)]) -> Vec<ChangeKind> {
    let find = |list: &[(String, String)], name: &str| {
        let found = list.iter().find(|(setting, _)| setting == name);
        found.map(|(_, value)| value.clone())
    };
    let gone = old.iter().filter(|(name, _)| find(new, name).is_none());
    let names = new.iter().chain(gone).map(|(name, _)| name);
    names
        .map(|name| (name, find(old, name), find(new, name)))
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| ChangeKind::Set {
            setting: name.clone(),
            before,
            after,
        })
        .collect()
}
