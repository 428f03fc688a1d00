//! From raw values to table rows, for all tables of a schema; what was learned is stored with the model.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::data::encoder::Encoder;
use crate::data::vocabulary::{Vocabulary, mismatch};
use crate::error::{Error, Result};
use crate::schema::{FeatureKind, Schema, Standardise, Tower, Value};

/// How every table of a schema finds the row of a raw value: by [`Index`](crate::schema::Index), with what was learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabularies {
    encoders: Vec<Encoder>,
    /// By tower and feature: `query.age`.
    moments: BTreeMap<String, Moments>,
}

/// Mean and deviation of a number over the training rows that have it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    /// Mean.
    pub mean: f64,
    /// Deviation, above 0: 1 for a number that is always the same, or never there.
    pub std: f64,
}

/// What was learned from the training rows, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Stored<V> {
    pub(super) vocabularies: Vec<V>,
    pub(super) moments: BTreeMap<String, Moments>,
}

impl Vocabularies {
    /// The encoders of a schema whose vocabularies were learned (`Dataset::learn`) or loaded.
    ///
    /// # Errors
    /// A vocabulary that is missing, is of no table, or holds more than its table; moments of other numbers
    /// than those that learn them.
    pub fn new(
        schema: &Schema,
        learned: Vec<Vocabulary>,
        moments: BTreeMap<String, Moments>,
    ) -> Result<Self> {
        let mut learned: HashMap<String, Vocabulary> = learned
            .into_iter()
            .map(|vocabulary| (vocabulary.table.clone(), vocabulary))
            .collect();
        let encoders = schema
            .tables
            .iter()
            .map(|table| Encoder::new(table, learned.remove(&*table.name)));
        let encoders = encoders.collect::<Result<_>>()?;
        if let Some(table) = learned.into_keys().min() {
            return Err(mismatch(
                &table,
                "the model has no table of this name with a learned vocabulary",
            ));
        }
        let wanted = standardised(schema).map(|(tower, index)| key(schema, tower, index));
        let wanted: BTreeSet<String> = wanted.collect();
        let found: BTreeSet<String> = moments.keys().cloned().collect();
        if let Some(odd) = wanted.symmetric_difference(&found).next() {
            let cause = format!("the mean and deviation of `{odd}` are missing or of no number");
            return Err(mismatch("", cause));
        }
        let sound = |moments: &Moments| {
            moments.mean.is_finite() && moments.std.is_finite() && moments.std > 0.0
        };
        if let Some((name, _)) = moments.iter().find(|(_, moments)| !sound(moments)) {
            return Err(mismatch(
                "",
                format!("the mean and deviation of `{name}` are no numbers"),
            ));
        }
        Ok(Self { encoders, moments })
    }

    /// Mean and deviation of a number that learns them.
    pub fn moments(&self, tower: Tower, feature: &str) -> Option<Moments> {
        self.moments.get(&moments_key(tower, feature)).copied()
    }

    /// Mean and deviation of every number that learns them, by tower and feature.
    pub(super) fn all_moments(&self) -> &BTreeMap<String, Moments> {
        &self.moments
    }

    /// The learned vocabularies, in the order of the schema's tables.
    pub fn learned(&self) -> impl Iterator<Item = &Vocabulary> {
        self.encoders.iter().filter_map(|encoder| match encoder {
            Encoder::Learned { vocabulary, .. } => Some(vocabulary),
            Encoder::Hash(_) | Encoder::Inline(_) | Encoder::Buckets => None,
        })
    }

    /// The learned vocabularies as JSON, for the checkpoint: the same bytes for the same values.
    ///
    /// # Errors
    /// None in practice: every value has a form in JSON.
    pub fn to_json(&self) -> Result<String> {
        let stored = Stored {
            vocabularies: self.learned().collect(),
            moments: self.moments.clone(),
        };
        serde_json::to_string(&stored).map_err(|error| {
            Error::run(
                "the vocabularies",
                error.to_string(),
                "report this as a bug",
            )
        })
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// Text that is not of this form, and vocabularies of another schema.
    pub fn from_json(schema: &Schema, text: &str) -> Result<Self> {
        let stored: Stored<Vocabulary> =
            serde_json::from_str(text).map_err(|error| mismatch("", error))?;
        Self::new(schema, stored.vocabularies, stored.moments)
    }

    /// The row of a value in a table; 0 if the value is unseen.
    pub fn row(&self, table: usize, value: &Value) -> u32 {
        self.encoders.get(table).map_or(0, |encoder| match value {
            Value::Int(value) => encoder.int(*value),
            Value::Text(value) => encoder.text(value),
        })
    }

    pub(super) fn encoder(&self, table: usize) -> Option<&Encoder> {
        self.encoders.get(table)
    }
}

/// The numbers that learn their mean and deviation, as tower and place among its features.
pub(super) fn standardised(schema: &Schema) -> impl Iterator<Item = (Tower, usize)> {
    let of = |tower| {
        let features = schema.features(tower).iter().enumerate();
        let learn = features.filter(|(_, feature)| {
            let FeatureKind::Number(transform) = &feature.kind else {
                return false;
            };
            transform.standardise == Some(Standardise::Learned)
        });
        learn.map(move |(index, _)| (tower, index))
    };
    of(Tower::Query).chain(of(Tower::Item))
}

/// What the moments of a feature are kept under.
pub(super) fn key(schema: &Schema, tower: Tower, index: usize) -> String {
    let feature = schema.features(tower).get(index);
    moments_key(tower, feature.map_or("", |feature| &feature.name))
}

fn moments_key(tower: Tower, feature: &str) -> String {
    match tower {
        Tower::Query => format!("query.{feature}"),
        Tower::Item => format!("item.{feature}"),
    }
}
