//! What a spec means, whatever one of its names is. Everything stands in the order of names, so a
//! new name moves it: what is compared is a set, in which names stand instead of places.

use crate::sema::spec::{
    Axis, DomainId, DomainSet, Feature, FeatureKind, Spec, TableId, Task, Text, Tower, list, text,
};
use crate::sema::{NameKind, Symbol};
use std::collections::BTreeSet;

/// What stands where the name that does not matter stood; no name looks like it.
const BLANK: &str = "·";

/// All that a spec means but for what a symbol of it is called.
pub(super) fn meaning(spec: &Spec, symbol: &Symbol) -> BTreeSet<String> {
    let spec = blanked(spec, symbol);
    let mut said = BTreeSet::from([rest(&spec)]);
    for tower in Tower::ALL {
        say_axis(&mut said, &spec, tower);
        let features = spec.features(tower).iter();
        said.extend(features.map(|feature| say_feature(&spec, tower, feature)));
    }
    said.extend(spec.tasks.iter().map(|task| say_task(&spec, task)));
    said.extend(spec.tables.iter().map(|table| format!("{table:?}")));
    said
}

/// The spec with a blank for the name. The model is called what its variant is called: nothing
/// else depends on either.
fn blanked(spec: &Spec, symbol: &Symbol) -> Spec {
    let mut spec = spec.clone();
    spec.name = text("");
    match symbol.kind {
        NameKind::Surface => blank(
            spec.surfaces.domains.to_mut(),
            |domain| &mut domain.name,
            symbol,
        ),
        NameKind::Product => blank(
            spec.products.domains.to_mut(),
            |domain| &mut domain.name,
            symbol,
        ),
        NameKind::Task => blank(spec.tasks.to_mut(), |task| &mut task.name, symbol),
        NameKind::Table => blank(spec.tables.to_mut(), |table| &mut table.name, symbol),
        NameKind::Feature(tower) => blank_feature(&mut spec, tower, symbol),
        NameKind::Model | NameKind::Variant => {}
    }
    spec
}

fn blank<T>(all: &mut [T], name: impl Fn(&mut T) -> &mut Text, symbol: &Symbol) {
    for found in all.iter_mut().map(name) {
        if *found == symbol.name {
            *found = text(BLANK);
        }
    }
}

/// A feature's own table has its name.
fn blank_feature(spec: &mut Spec, tower: Tower, symbol: &Symbol) {
    let named = |feature: &&Feature| feature.name == symbol.name;
    let own = spec.features(tower).iter().find(named).and_then(table_of);
    let own = own.and_then(|id| spec.tables.to_mut().get_mut(id.0));
    if let Some(table) = own.filter(|table| !table.shared) {
        table.name = text(BLANK);
    }
    let features = match tower {
        Tower::Query => spec.query.to_mut(),
        Tower::Item => spec.item.to_mut(),
    };
    blank(features, |feature| &mut feature.name, symbol);
}

/// What is no declaration of its own.
fn rest(spec: &Spec) -> String {
    let mut architecture = spec.architecture.clone();
    architecture.overrides = list(&[]);
    let rows = (&spec.data, &spec.rows);
    let run = (&spec.training, &spec.evaluation, &spec.budget);
    format!("{architecture:?} {rows:?} {run:?}")
}

fn say_axis(said: &mut BTreeSet<String>, spec: &Spec, tower: Tower) {
    let axis = spec.axis(tower);
    said.insert(format!("{tower:?} {:?} {:?}", axis.column, axis.others));
    for (place, domain) in axis.domains.iter().enumerate() {
        let expert = spec.architecture.expert(tower, DomainId(place));
        let like: Vec<DomainId> = domain.like.into_iter().collect();
        let like = names(axis, &like);
        let (name, values) = (&domain.name, &domain.values);
        said.insert(format!("{tower:?} {name} {values:?} {like:?} {expert:?}"));
    }
}

fn say_feature(spec: &Spec, tower: Tower, feature: &Feature) -> String {
    let table = table_of(feature).map(|id| &spec.table(id).name);
    let domains = names(spec.axis(tower), &feature.domains);
    let mut own = feature.clone();
    own.domains = DomainSet::all(0);
    if let FeatureKind::Embedded { table, .. } = &mut own.kind {
        *table = TableId(0);
    }
    format!("{tower:?} {own:?} {table:?} {domains:?}")
}

fn say_task(spec: &Spec, task: &Task) -> String {
    let given = task.given.map(|id| &spec.task(id).name);
    let surfaces = names(&spec.surfaces, &task.surfaces);
    let products = names(&spec.products, &task.products);
    let own = Task {
        given: None,
        surfaces: DomainSet::all(0),
        products: DomainSet::all(0),
        ..task.clone()
    };
    format!("{own:?} {given:?} {surfaces:?} {products:?}")
}

/// The names of domains, sorted: their places are those of names, too.
fn names<'s>(axis: &'s Axis, ids: &[DomainId]) -> BTreeSet<&'s str> {
    ids.iter().map(|id| &*axis.domain(*id).name).collect()
}

fn table_of(feature: &Feature) -> Option<TableId> {
    match feature.kind {
        FeatureKind::Embedded { table, .. } => Some(table),
        FeatureKind::Vector { .. } | FeatureKind::Number(_) => None,
    }
}
