//! Numbers whose learned mean and deviation go on.

use crate::graph::weights::Names;
use crate::sema::spec::{Feature, FeatureKind, Spec, Standardise, Tower};
use mtmd_schema::transfer::Carried;

/// The numbers that both specs make of their columns in the same way, and learn to standardise.
pub(super) fn moments(old: &Spec, new: &Spec, names: &Names) -> Vec<Carried> {
    let towers = [
        (Tower::Query, &old.query, &new.query),
        (Tower::Item, &old.item, &new.item),
    ];
    let found = towers.into_iter().flat_map(|(tower, old, new)| {
        let key = move |name: &str| format!("{}.{name}", tower.name());
        new.iter().filter_map(move |feature| {
            let called = names.features(tower).get(&*feature.name);
            let called = called.map_or(&*feature.name, String::as_str);
            let before = old.iter().find(|before| before.name == called)?;
            let same = is_learned(feature)
                && before.kind == feature.kind
                && before.column == feature.column
                && before.derive == feature.derive;
            same.then(|| Carried {
                to: key(&feature.name),
                from: key(&before.name),
            })
        })
    });
    found.collect()
}

fn is_learned(feature: &Feature) -> bool {
    let FeatureKind::Number(transform) = &feature.kind else {
        return false;
    };
    transform.standardise == Some(Standardise::Learned)
}
