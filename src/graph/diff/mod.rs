//! What differs between two graphs: in meaning, in cost, and weight by weight.
//!
//! Meaning is compared as `graph.yaml` and the spec's hash have it, so that no setting can be
//! forgotten here: graphs of one hash have no changes but those of the budget, and others have some.

mod changes;
mod costs;
mod fates;
mod json;
mod moments;
mod names;
mod text;

use super::Graph;
pub use changes::{Change, ChangeKind};
pub use costs::Measure;
pub use fates::{DimensionFit, Fates, Lineage, PlannedWeight};
use mtmd_schema::transfer::Carried;

/// What differs between two graphs.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// Names of the models, the old one first.
    pub models: [String; 2],
    /// Hashes of the specs' meaning.
    pub spec_hashes: [String; 2],
    /// Hashes of what the weights mean.
    pub weights_hashes: [String; 2],
    /// Declarations and settings that differ.
    pub changes: Vec<Change>,
    /// What the models take.
    pub costs: Vec<Measure>,
    /// What becomes of the old model's weights, and where the new one's come from.
    pub fates: Fates,
    /// Numbers that go on to be standardised as they were.
    pub moments: Vec<Carried>,
}

/// Compares two graphs.
pub fn diff(old: &Graph, new: &Graph) -> Diff {
    let names = names::renamed(&old.spec, &new.spec);
    Diff {
        models: [old, new].map(|graph| graph.spec.name.to_string()),
        spec_hashes: [old, new].map(|graph| graph.spec_hash.clone()),
        weights_hashes: [old, new].map(|graph| graph.weights_hash.clone()),
        changes: changes::changes(&old.spec, &new.spec, &names),
        costs: costs::costs(old, new),
        fates: fates::fates(old, new, &names),
        moments: moments::moments(&old.spec, &new.spec, &names),
    }
}

impl Diff {
    /// For a terminal.
    pub fn to_text(&self) -> String {
        text::page(self).to_text()
    }

    /// For a pull request.
    pub fn to_markdown(&self) -> String {
        text::page(self).to_markdown()
    }

    /// For tools: one object, every weight by key and shape.
    pub fn to_json(&self) -> String {
        json::write(self)
    }
}
