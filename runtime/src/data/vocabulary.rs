//! From raw values to table rows: hashes, inline vocabularies and learned ones.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::hash::{BuildMix, hash_int, hash_text, row};
use crate::schema::{Index, Kind, Schema, Standardise, Table, Tower, Value};

/// How every table of a schema finds the row of a raw value: by [`Index`], with what was learned.
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

/// The values of a learned vocabulary, in the order of their rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// Table.
    pub table: String,
    /// The value of row `i + 1` at place `i`.
    pub values: Vec<Raw>,
    /// Values that were seen often enough and found no room.
    pub unfit: u64,
    /// Values that were seen too seldom.
    pub rare: u64,
    /// By how much a count may be too low, since there were more values than are counted at a time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub short: u64,
}

/// A raw value: whole numbers before strings, ascending.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Raw {
    /// A whole number.
    Int(i64),
    /// A string.
    Text(Box<str>),
}

/// How one table finds the row of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Encoder {
    /// By hash.
    Hash {
        /// Rows of the table.
        rows: usize,
    },
    /// By look-up in the values of the spec.
    Inline(Lookup),
    /// Intervals of a number.
    Buckets,
    /// By look-up in what training saw.
    Learned {
        /// Row of each value.
        lookup: Lookup,
        /// The values, as they are stored.
        vocabulary: Vocabulary,
    },
}

/// Rows of known values.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Lookup {
    outside: Outside,
    ints: HashMap<i64, u32, BuildMix>,
    texts: HashMap<Box<str>, u32, BuildMix>,
    dense: Dense,
}

/// Rows of whole numbers that lie close together: that of `first + i` at place `i`, 0 for none. Empty where they do
/// not.
#[derive(Debug, Clone, PartialEq, Default)]
struct Dense {
    first: i64,
    rows: Vec<u32>,
}

impl Dense {
    /// Places a value that are worth it.
    const SPREAD: u64 = 8;

    fn new(ints: &HashMap<i64, u32, BuildMix>) -> Self {
        let (Some(&first), Some(&last)) = (ints.keys().min(), ints.keys().max()) else {
            return Self::default();
        };
        let places = last.abs_diff(first);
        if places >= Self::SPREAD * ints.len() as u64 + 1024 {
            return Self::default();
        }
        let mut rows = vec![0; places as usize + 1];
        for (value, row) in ints {
            if let Some(place) = rows.get_mut(value.abs_diff(first) as usize) {
                *place = *row;
            }
        }
        Self { first, rows }
    }
}

/// Rows of values outside a vocabulary: `oov` of them up to `rows`, or row 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Outside {
    rows: usize,
    oov: usize,
}

impl Outside {
    fn of(table: &Table) -> Self {
        Self {
            rows: table.rows,
            oov: table.oov,
        }
    }

    /// `rows - oov + h % oov`.
    #[inline]
    fn row(self, hash: u64) -> u32 {
        match self.oov {
            0 => 0,
            oov => (self.rows - oov) as u32 + (hash % oov as u64) as u32,
        }
    }
}

/// How often the values of one table were seen. Of more values than `most`, those seen least are forgotten, half of
/// all, and counted from 0 if they come again (as in Manku and Motwani's lossy counting): what is held is in
/// proportion to the table, whatever the data.
#[derive(Debug)]
pub(super) struct Counts {
    ints: HashMap<i64, u64, BuildMix>,
    texts: HashMap<Box<str>, u64, BuildMix>,
    most: usize,
    short: u64,
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
            .map(|table| Encoder::new(table, learned.remove(table.name)));
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
            Encoder::Hash { .. } | Encoder::Inline(_) | Encoder::Buckets => None,
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
    pub fn row(&self, table: usize, value: Value) -> u32 {
        self.encoders.get(table).map_or(0, |encoder| match value {
            Value::Int(value) => encoder.int(value),
            Value::Text(value) => encoder.text(value),
        })
    }

    pub(super) fn encoder(&self, table: usize) -> Option<&Encoder> {
        self.encoders.get(table)
    }
}

impl Encoder {
    fn new(table: &Table, learned: Option<Vocabulary>) -> Result<Self> {
        match (table.index, learned) {
            (Index::Hash, None) => Ok(Self::Hash { rows: table.rows }),
            (Index::Buckets, None) => Ok(Self::Buckets),
            (Index::Values(values), None) => {
                let raw = values.iter().map(|value| match *value {
                    Value::Int(value) => Raw::Int(value),
                    Value::Text(value) => Raw::Text(value.into()),
                });
                Ok(Self::Inline(Lookup::new(table, raw.map(Cow::Owned))))
            }
            (Index::Lines { text, whole }, None) => {
                let raw = text.lines().map(|line| match line.parse() {
                    Ok(value) if whole => Raw::Int(value),
                    _ => Raw::Text(line.into()),
                });
                Ok(Self::Inline(Lookup::new(table, raw.map(Cow::Owned))))
            }
            (Index::Vocabulary { .. }, Some(vocabulary)) => {
                let (found, room) = (vocabulary.values.len(), room(table));
                if found > room {
                    return Err(mismatch(
                        table.name,
                        format!("{found} values for a table with room for {room}"),
                    ));
                }
                let lookup = Lookup::new(table, vocabulary.values.iter().map(Cow::Borrowed));
                if lookup.ints.len() + lookup.texts.len() != found {
                    return Err(mismatch(table.name, "a value stands in it twice"));
                }
                Ok(Self::Learned { lookup, vocabulary })
            }
            (Index::Vocabulary { .. }, None) => Err(mismatch(table.name, "it is missing")),
            (Index::Hash | Index::Values(_) | Index::Lines { .. } | Index::Buckets, Some(_)) => {
                Err(mismatch(table.name, "the model's table learns none"))
            }
        }
    }

    #[inline]
    pub(super) fn int(&self, value: i64) -> u32 {
        match self {
            Self::Hash { rows } => row(hash_int(value), *rows),
            Self::Inline(lookup) | Self::Learned { lookup, .. } => {
                let found = lookup.int(value);
                found.unwrap_or_else(|| lookup.outside.row(hash_int(value)))
            }
            // A number finds its bucket by itself.
            Self::Buckets => 0,
        }
    }

    #[inline]
    pub(super) fn text(&self, value: &str) -> u32 {
        match self {
            Self::Hash { rows } => row(hash_text(value), *rows),
            Self::Inline(lookup) | Self::Learned { lookup, .. } => {
                let found = lookup.texts.get(value).copied();
                found.unwrap_or_else(|| lookup.outside.row(hash_text(value)))
            }
            Self::Buckets => 0,
        }
    }
}

impl Lookup {
    fn new<'a>(table: &Table, values: impl Iterator<Item = Cow<'a, Raw>>) -> Self {
        let mut lookup = Self {
            outside: Outside::of(table),
            ..Self::default()
        };
        for (value, row) in values.zip(1..) {
            match value.as_ref() {
                Raw::Int(value) => lookup.ints.insert(*value, row),
                Raw::Text(value) => lookup.texts.insert(value.clone(), row),
            };
        }
        lookup.dense = Dense::new(&lookup.ints);
        lookup
    }

    #[inline]
    fn int(&self, value: i64) -> Option<u32> {
        if self.dense.rows.is_empty() {
            return self.ints.get(&value).copied();
        }
        let place = value.wrapping_sub(self.dense.first).cast_unsigned();
        let row = self.dense.rows.get(place as usize).copied();
        row.filter(|row| *row > 0)
    }
}

impl Counts {
    pub(super) fn new(table: &Table) -> Self {
        Self::holding(4 * table.rows + 65_536)
    }

    fn holding(most: usize) -> Self {
        Self {
            ints: HashMap::default(),
            texts: HashMap::default(),
            most,
            short: 0,
        }
    }

    #[inline]
    pub(super) fn int(&mut self, value: i64) {
        match self.ints.get_mut(&value) {
            Some(count) => *count += 1,
            None => {
                self.ints.insert(value, 1);
                self.keep_within(self.most);
            }
        }
    }

    #[inline]
    pub(super) fn text(&mut self, value: &str) {
        match self.texts.get_mut(value) {
            Some(count) => *count += 1,
            None => {
                self.texts.insert(value.into(), 1);
                self.keep_within(self.most);
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        for (value, count) in other.ints {
            *self.ints.entry(value).or_default() += count;
        }
        for (value, count) in other.texts {
            *self.texts.entry(value).or_default() += count;
        }
        self.short += other.short;
        self.keep_within(self.most);
    }

    /// Forgets the values seen least, ties by value, if there are more than `most`.
    fn keep_within(&mut self, most: usize) {
        if self.ints.len() + self.texts.len() <= most {
            return;
        }
        let mut seen = self.take();
        let rest = seen.split_off((most / 2).min(seen.len()));
        self.short += rest.first().map_or(0, |(count, _)| *count);
        for (count, value) in seen {
            match value {
                Raw::Int(value) => drop(self.ints.insert(value, count)),
                Raw::Text(value) => drop(self.texts.insert(value, count)),
            }
        }
    }

    /// The values, the most frequent first, ties by value; none is left.
    fn take(&mut self) -> Vec<(u64, Raw)> {
        let ints = std::mem::take(&mut self.ints).into_iter();
        let ints = ints.map(|(value, count)| (count, Raw::Int(value)));
        let texts = std::mem::take(&mut self.texts).into_iter();
        let texts = texts.map(|(value, count)| (count, Raw::Text(value)));
        let mut seen: Vec<(u64, Raw)> = ints.chain(texts).collect();
        seen.sort_unstable_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
        seen
    }

    /// The values seen at least `min_count` times, the most frequent first, ties by value, as many as
    /// the table has room for.
    pub(super) fn vocabulary(mut self, table: &Table, min_count: u32) -> Vocabulary {
        let mut seen = self.take();
        let all = seen.len();
        seen.retain(|(count, _)| *count >= u64::from(min_count));
        let rare = all - seen.len();
        let room = room(table);
        let unfit = seen.len().saturating_sub(room);
        let values = seen
            .into_iter()
            .take(room)
            .map(|(_, value)| value)
            .collect();
        Vocabulary {
            table: table.name.to_owned(),
            values,
            unfit: unfit as u64,
            rare: rare as u64,
            short: self.short,
        }
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How many values a vocabulary of a table may have.
fn room(table: &Table) -> usize {
    table.rows.saturating_sub(1 + table.oov)
}

/// The numbers that learn their mean and deviation, as tower and place among its features.
pub(super) fn standardised(schema: &Schema) -> impl Iterator<Item = (Tower, usize)> {
    let of = |tower| {
        let features = schema.features(tower).iter().enumerate();
        let learn = features.filter(|(_, feature)| {
            let Kind::Number(transform) = feature.kind else {
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
    moments_key(tower, feature.map_or("", |feature| feature.name))
}

fn moments_key(tower: Tower, feature: &str) -> String {
    match tower {
        Tower::Query => format!("query.{feature}"),
        Tower::Item => format!("item.{feature}"),
    }
}

fn mismatch(table: &str, cause: impl ToString) -> Error {
    let place = if table.is_empty() {
        "the vocabularies".to_owned()
    } else {
        format!("the vocabulary of table `{table}`")
    };
    Error::weights(
        place,
        cause.to_string(),
        "use the checkpoint of this spec, or train again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: usize) -> Table {
        Table {
            name: "t",
            rows,
            dim: 1,
            index: Index::Vocabulary { min_count: 2 },
            oov: 0,
            embeddings: None,
        }
    }

    #[test]
    fn most_frequent_first_ties_by_value() {
        let mut counts = Counts::new(&table(5));
        for (value, times) in [(7, 3), (5, 3), (9, 5), (1, 1)] {
            (0..times).for_each(|_| counts.int(value));
        }
        for (value, times) in [("b", 3), ("a", 3), ("c", 1)] {
            (0..times).for_each(|_| counts.text(value));
        }
        let vocabulary = counts.vocabulary(&table(5), 2);
        let text = |text: &str| Raw::Text(text.into());
        assert_eq!(
            vocabulary.values,
            [Raw::Int(9), Raw::Int(5), Raw::Int(7), text("a")]
        );
        assert_eq!((vocabulary.unfit, vocabulary.rare), (1, 2));
    }

    #[test]
    fn of_too_many_values_the_frequent_ones_stay() {
        let mut counts = Counts::holding(100);
        let mut stray = 1000;
        for round in 0..500 {
            counts.int(round % 4);
            for _ in 0..3 {
                stray += 1;
                counts.int(stray);
            }
            assert!(counts.ints.len() <= 100);
        }
        let vocabulary = counts.vocabulary(&table(5), 2);
        let frequent = [0, 1, 2, 3].map(Raw::Int);
        assert_eq!(vocabulary.values, frequent);
        assert!((1..500).contains(&vocabulary.short), "{}", vocabulary.short);
    }

    #[test]
    fn numbers_close_together_and_far_apart_are_found() {
        for values in [vec![3, -2, 900], vec![i64::MIN, 0, i64::MAX], vec![]] {
            let lookup = Lookup::new(
                &table(9),
                values.iter().map(|value| Cow::Owned(Raw::Int(*value))),
            );
            for (value, row) in values.iter().zip(1..) {
                assert_eq!(lookup.int(*value), Some(row));
            }
            for unseen in [-3, 1, 901, i64::MAX - 1] {
                assert_eq!(lookup.int(unseen), None);
            }
        }
    }
}
