//! What is called otherwise in the new spec, but is the same: a domain of the same values, a task
//! of the same label, a feature of the same column.

use crate::graph::weights::Names;
use crate::sema::spec::{Axis, Feature, FeatureKind, Spec, Task, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

/// Names of the new spec by what the old one calls them; those that are in both are left out.
pub(super) fn renamed(old: &Spec, new: &Spec) -> Names {
    let features = |old, new| pair(old, new, |feature: &Feature| &feature.name, is_same_feature);
    let query = features(&old.query, &new.query);
    let item = features(&old.item, &new.item);
    Names {
        surfaces: domains(&old.surfaces, &new.surfaces),
        products: domains(&old.products, &new.products),
        tasks: pair(&old.tasks, &new.tasks, |task| &task.name, is_same_task),
        tables: tables(old, new, [&query, &item]),
        query,
        item,
    }
}

/// Tables of one feature each have its name: they are renamed with it.
fn tables(
    old: &Spec,
    new: &Spec,
    features: [&BTreeMap<String, String>; 2],
) -> BTreeMap<String, String> {
    let own = |spec: &Spec| -> BTreeSet<String> {
        let tables = spec.tables.iter().filter(|table| !table.shared);
        tables.map(|table| table.name.to_string()).collect()
    };
    let (before, after) = (own(old), own(new));
    let renamed = features.into_iter().flatten();
    // A name may stay, as that of another feature's table.
    let renamed = renamed.filter(|(name, was)| {
        after.contains(*name)
            && !before.contains(*name)
            && before.contains(*was)
            && !after.contains(*was)
    });
    renamed
        .map(|(name, was)| (name.clone(), was.clone()))
        .collect()
}

fn domains(old: &Axis, new: &Axis) -> BTreeMap<String, String> {
    let same_column = old.column == new.column;
    pair(
        &old.domains,
        &new.domains,
        |domain| &domain.name,
        |old, new| same_column && old.values == new.values,
    )
}

fn is_same_task(old: &Task, new: &Task) -> bool {
    old.label == new.label && old.action == new.action
}

fn is_same_feature(old: &Feature, new: &Feature) -> bool {
    let kinds = (&old.kind, &new.kind);
    let same_kind = match kinds {
        (
            FeatureKind::Embedded { shallow: old, .. },
            FeatureKind::Embedded { shallow: new, .. },
        ) => old == new,
        _ => discriminant(kinds.0) == discriminant(kinds.1),
    };
    same_kind && old.column == new.column && old.derive == new.derive
}

/// Pairs what only the new list has with what only the old one has, where just one fits another.
fn pair<T>(
    old: &[T],
    new: &[T],
    name: impl Fn(&T) -> &Text,
    same: impl Fn(&T, &T) -> bool,
) -> BTreeMap<String, String> {
    let names = |list: &[T]| -> BTreeSet<String> {
        let names = list.iter().map(|entry| name(entry).to_string());
        names.collect()
    };
    let (before, after) = (names(old), names(new));
    let gone = old.iter().filter(|entry| !after.contains(&**name(entry)));
    let gone: Vec<&T> = gone.collect();
    let come = new.iter().filter(|entry| !before.contains(&**name(entry)));
    let come: Vec<&T> = come.collect();
    let mut pairs = BTreeMap::new();
    for entry in &come {
        let fits: Vec<&&T> = gone.iter().filter(|gone| same(gone, entry)).collect();
        if let [gone] = *fits
            && come.iter().filter(|rival| same(gone, rival)).count() == 1
        {
            pairs.insert(name(entry).to_string(), name(gone).to_string());
        }
    }
    pairs
}
