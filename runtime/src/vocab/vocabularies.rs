//! From raw values to table rows, for all tables of a schema; what was learned is stored with the model.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::bug::bug;
use crate::error::{Error, Result};
use crate::schema::{Schema, Standardise, Tower, Transform, Value};
use crate::vocab::encoder::Encoder;
use crate::vocab::moments::{NumberFeature, NumberMoments, numbers};
use crate::vocab::vocabulary::{Vocabulary, mismatch};

/// How every table of a schema finds the row of a raw value: by [`Index`](crate::schema::Index), with what was learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabularies {
    encoders: Vec<Encoder>,
    /// By tower and feature: `query.age`.
    moments: BTreeMap<String, NumberMoments>,
}

/// What was learned from the training rows, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredVocabularies<V> {
    pub(crate) vocabularies: Vec<V>,
    pub(crate) moments: BTreeMap<String, NumberMoments>,
}

impl Vocabularies {
    /// The encoders of a schema whose vocabularies were learned (`RowReader::learn`) or loaded.
    ///
    /// # Errors
    /// A vocabulary that is missing, is of no table, or holds more than its table; moments of other numbers
    /// than those that learn them.
    pub fn new(
        schema: &Schema,
        learned: Vec<Vocabulary>,
        moments: BTreeMap<String, NumberMoments>,
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
        let wanted = numbers(schema).filter(NumberFeature::learns);
        let wanted = wanted.map(|number| key(number.tower, &number.feature.name));
        let wanted: BTreeSet<String> = wanted.collect();
        let found: BTreeSet<String> = moments.keys().cloned().collect();
        if let Some(odd) = wanted.symmetric_difference(&found).next() {
            let cause = format!("the mean and deviation of `{odd}` are missing or of no number");
            return Err(mismatch("", cause));
        }
        let sound = |moments: &NumberMoments| {
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
    pub fn moments(&self, tower: Tower, feature: &str) -> Option<NumberMoments> {
        self.moments.get(&key(tower, feature)).copied()
    }

    /// Mean and deviation by which a number is standardised, given or learned; `None` if it is not.
    pub(crate) fn standardising(
        &self,
        tower: Tower,
        feature: &str,
        transform: Transform,
    ) -> Option<NumberMoments> {
        match transform.standardise? {
            Standardise::Given { mean, std } => Some(NumberMoments { mean, std }),
            Standardise::Learned => match self.moments(tower, feature) {
                Some(moments) => Some(moments),
                None => bug!("no mean and deviation were learned of `{feature}`"),
            },
        }
    }

    /// Mean and deviation of every number that learns them, by tower and feature.
    pub(crate) fn all_moments(&self) -> &BTreeMap<String, NumberMoments> {
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
        self.part_to_json(|_| true, |_| true)
    }

    /// The same of some tables, and of some numbers, which are named by tower and feature.
    ///
    /// # Errors
    /// None in practice: every value has a form in JSON.
    pub fn part_to_json(
        &self,
        tables: impl Fn(&str) -> bool,
        numbers: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let moments = self.moments.iter().filter(|(name, _)| numbers(name));
        let learned = self.learned();
        let stored = StoredVocabularies {
            vocabularies: learned
                .filter(|vocabulary| tables(&vocabulary.table))
                .collect(),
            moments: moments
                .map(|(name, moments)| (name.clone(), *moments))
                .collect(),
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
        let stored: StoredVocabularies<Vocabulary> =
            serde_json::from_str(text).map_err(|error| mismatch("", error))?;
        Self::new(schema, stored.vocabularies, stored.moments)
    }

    /// The row of a value in a table; 0 if the value is unseen.
    pub fn row(&self, table: usize, value: &Value) -> u32 {
        self.encoder(table).row(value)
    }

    pub(crate) fn encoder(&self, table: usize) -> &Encoder {
        let Some(encoder) = self.encoders.get(table) else {
            bug!("table {table} of {}", self.encoders.len());
        };
        encoder
    }
}

/// What the moments of a feature are kept under.
pub(crate) fn key(tower: Tower, feature: &str) -> String {
    format!("{}.{feature}", tower.name())
}
