//! How one table finds the row of a raw value: a hash, or a look-up in a vocabulary.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::bug::{bug, check};
use crate::error::Result;
use crate::hash::{BuildMix, hash_int, hash_text, hash_unsigned, row};
use crate::schema::{Index, Table, Value};
use crate::vocab::vocabulary::{RawValue, Vocabulary, mismatch, room};

/// How one table finds the row of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Encoder {
    /// By hash.
    Hash(Hashed),
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

/// Rows by hash.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hashed {
    rows: usize,
    /// Those of the first whole numbers: most columns of categories have no others.
    small: Vec<u32>,
}

/// Rows of known values.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Lookup {
    outside: Outside,
    ints: HashMap<i64, u32, BuildMix>,
    /// From 2^63 on.
    unsigned: HashMap<u64, u32, BuildMix>,
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

impl Encoder {
    pub(crate) fn new(table: &Table, learned: Option<Vocabulary>) -> Result<Self> {
        match (&table.index, learned) {
            (Index::Hash, None) => Ok(Self::Hash(Hashed::new(table.rows))),
            (Index::Buckets, None) => Ok(Self::Buckets),
            (Index::Values(_) | Index::Lines { .. }, None) => {
                let values = table.index.values();
                let raw = values.iter().map(|value| match value {
                    Value::Int(value) => RawValue::Int(*value),
                    Value::Text(value) => RawValue::Text((**value).into()),
                });
                let lookup = Lookup::new(table, raw.map(Cow::Owned));
                check!(
                    lookup.values() == values.len(),
                    "a value stands twice in the spec's vocabulary of table `{}`",
                    table.name
                );
                Ok(Self::Inline(lookup))
            }
            (Index::Vocabulary { .. }, Some(vocabulary)) => {
                let (found, room) = (vocabulary.values.len(), room(table));
                if found > room {
                    return Err(mismatch(
                        &table.name,
                        format!("{found} values for a table with room for {room}"),
                    ));
                }
                let lookup = Lookup::new(table, vocabulary.values.iter().map(Cow::Borrowed));
                if lookup.values() != found {
                    return Err(mismatch(&table.name, "a value stands in it twice"));
                }
                Ok(Self::Learned { lookup, vocabulary })
            }
            (Index::Vocabulary { .. }, None) => Err(mismatch(&table.name, "it is missing")),
            (Index::Hash | Index::Values(_) | Index::Lines { .. } | Index::Buckets, Some(_)) => {
                Err(mismatch(&table.name, "the model's table learns none"))
            }
        }
    }

    /// The row of a value of the spec.
    pub(crate) fn row(&self, value: &Value) -> u32 {
        match value {
            Value::Int(value) => self.int(*value),
            Value::Text(value) => self.text(value),
        }
    }

    #[inline]
    pub(crate) fn int(&self, value: i64) -> u32 {
        match self {
            Self::Hash(hashed) => hashed.int(value),
            Self::Inline(lookup) | Self::Learned { lookup, .. } => lookup.int(value),
            Self::Buckets => no_buckets(),
        }
    }

    #[inline]
    pub(crate) fn unsigned(&self, value: u64) -> u32 {
        match (i64::try_from(value), self) {
            (Ok(value), _) => self.int(value),
            (Err(_), Self::Hash(hashed)) => row(hash_unsigned(value), hashed.rows),
            (Err(_), Self::Inline(lookup) | Self::Learned { lookup, .. }) => {
                let found = lookup.unsigned.get(&value).copied();
                found.unwrap_or_else(|| lookup.outside.row(hash_unsigned(value)))
            }
            (Err(_), Self::Buckets) => no_buckets(),
        }
    }

    #[inline]
    pub(crate) fn text(&self, value: &str) -> u32 {
        match self {
            Self::Hash(Hashed { rows, .. }) => row(hash_text(value), *rows),
            Self::Inline(lookup) | Self::Learned { lookup, .. } => {
                let found = lookup.texts.get(value).copied();
                found.unwrap_or_else(|| lookup.outside.row(hash_text(value)))
            }
            Self::Buckets => no_buckets(),
        }
    }
}

/// A number finds its bucket by itself.
#[cold]
pub(crate) fn no_buckets() -> ! {
    bug!("a table of buckets is asked for the row of a value")
}

impl Hashed {
    /// Whole numbers whose rows are kept.
    const SMALL: i64 = 1024;

    fn new(rows: usize) -> Self {
        let small = (0..Self::SMALL).map(|value| row(hash_int(value), rows));
        Self {
            rows,
            small: small.collect(),
        }
    }

    #[inline]
    pub(crate) fn int(&self, value: i64) -> u32 {
        let small = self.small.get(value.cast_unsigned() as usize).copied();
        small.unwrap_or_else(|| row(hash_int(value), self.rows))
    }
}

impl Lookup {
    fn new<'a>(table: &Table, values: impl Iterator<Item = Cow<'a, RawValue>>) -> Self {
        let mut lookup = Self {
            outside: Outside::of(table),
            ..Self::default()
        };
        for (value, row) in values.zip(1..) {
            match value.as_ref() {
                RawValue::Int(value) => lookup.ints.insert(*value, row),
                RawValue::Unsigned(value) => lookup.unsigned.insert(*value, row),
                RawValue::Text(value) => lookup.texts.insert(value.clone(), row),
            };
        }
        lookup.dense = Dense::new(&lookup.ints);
        lookup
    }

    #[inline]
    pub(crate) fn int(&self, value: i64) -> u32 {
        let known = self.known_int(value);
        known.unwrap_or_else(|| self.outside.row(hash_int(value)))
    }

    fn values(&self) -> usize {
        self.ints.len() + self.unsigned.len() + self.texts.len()
    }

    #[inline]
    fn known_int(&self, value: i64) -> Option<u32> {
        if self.dense.rows.is_empty() {
            return self.ints.get(&value).copied();
        }
        let place = value.wrapping_sub(self.dense.first).cast_unsigned();
        let row = self.dense.rows.get(place as usize).copied();
        row.filter(|row| *row > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::vocabulary::fixture::table;

    #[test]
    fn numbers_close_together_and_far_apart_are_found() {
        for values in [vec![3, -2, 900], vec![i64::MIN, 0, i64::MAX], vec![]] {
            let lookup = Lookup::new(
                &table(9),
                values.iter().map(|value| Cow::Owned(RawValue::Int(*value))),
            );
            for (value, row) in values.iter().zip(1..) {
                assert_eq!(lookup.known_int(*value), Some(row));
            }
            for unseen in [-3, 1, 901, i64::MAX - 1] {
                assert_eq!(lookup.known_int(unseen), None);
            }
        }
    }
}
