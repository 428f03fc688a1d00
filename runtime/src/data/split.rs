//! Which rows of the data train, validate and test.

use std::ops::BitOr;

use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use crate::data::arrays::{DateForm, Keys, keys};
use crate::hash::mix;
use crate::schema::{Split, Value};

/// A set of the three parts of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts(u8);

impl Parts {
    /// Rows that train.
    pub const TRAIN: Self = Self(1);
    /// Rows that choose hyperparameters.
    pub const VALIDATE: Self = Self(2);
    /// Rows that judge the model.
    pub const TEST: Self = Self(4);

    /// Whether the sets have a part in common.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Parts {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl std::fmt::Display for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            (Self::TRAIN, "train"),
            (Self::VALIDATE, "validate"),
            (Self::TEST, "test"),
        ];
        let names: Vec<&str> = names
            .iter()
            .filter(|(part, _)| part.meets(*self))
            .map(|(_, name)| *name)
            .collect();
        f.write_str(&names.join(" and "))
    }
}

/// Decides for each row whether it is of some parts.
#[derive(Debug, Clone)]
pub(super) enum Selector {
    /// By the value of a column.
    Column {
        /// Column of the data.
        column: &'static str,
        /// How a date of the column reads.
        dates: DateForm,
        /// Inclusive ranges of the parts.
        ranges: Vec<(Value, Value)>,
    },
    /// By a hash of the row's place: see [`part_of_place`].
    Hash,
}

impl Selector {
    pub(super) fn new(split: &'static Split, parts: Parts) -> Self {
        match split {
            Split::Hash => Self::Hash,
            Split::Column {
                column,
                train,
                validate,
                test,
                ..
            } => {
                let all = [
                    (Parts::TRAIN, train),
                    (Parts::VALIDATE, validate),
                    (Parts::TEST, test),
                ];
                let wanted = all.iter().filter(|(part, _)| part.meets(parts));
                let ranges: Vec<_> = wanted
                    .flat_map(|(_, ranges)| ranges.iter().cloned())
                    .collect();
                let dates = match train.first() {
                    Some((Value::Text(_), _)) => DateForm::Text,
                    _ => DateForm::Int,
                };
                Self::Column {
                    column,
                    dates,
                    ranges,
                }
            }
        }
    }

    /// For each row group of a file, whether its statistics leave room for rows of the parts.
    pub(super) fn possible(&self, metadata: &ArrowReaderMetadata) -> Vec<bool> {
        let groups = metadata.metadata().row_groups();
        let Self::Column {
            column,
            dates,
            ranges,
        } = self
        else {
            return vec![true; groups.len()];
        };
        let bounds = || {
            let converter =
                StatisticsConverter::try_new(column, metadata.schema(), metadata.parquet_schema())
                    .ok()?;
            let least = keys(&converter.row_group_mins(groups).ok()?, *dates)
                .ok()?
                .values;
            let most = keys(&converter.row_group_maxes(groups).ok()?, *dates)
                .ok()?
                .values;
            Some((least, most))
        };
        let Some((least, most)) = bounds() else {
            return vec![true; groups.len()];
        };
        (0..groups.len())
            .map(|group| {
                ranges
                    .iter()
                    .any(|(from, to)| !above(&least, group, to) && !below(&most, group, from))
            })
            .collect()
    }

    /// Whether a key, the value at `row` of the split's column, is in a range.
    pub(super) fn takes(&self, keys: &Keys, row: usize) -> bool {
        let Self::Column { ranges, .. } = self else {
            return true;
        };
        match keys {
            Keys::Ints(ints) => ints.get(row).is_some_and(|key| {
                ranges.iter().any(|range| matches!(range, (Value::Int(from), Value::Int(to)) if (*from..=*to).contains(&key)))
            }),
            Keys::Texts(texts) => texts.get(row).is_some_and(|key| {
                ranges.iter().any(|range| matches!(range, (Value::Text(from), Value::Text(to)) if **from <= *key && *key <= **to))
            }),
        }
    }
}

/// The part of a row by its place, the index of its file and its row in it: 80 % train, 10 % validate,
/// 10 % test. The training's seed has no part in it, so that runs with different seeds are comparable.
pub(super) fn part_of_place(file: usize, row: u64) -> Parts {
    match mix(mix(file as u64 + 1).wrapping_add(row)) % 10 {
        8 => Parts::VALIDATE,
        9 => Parts::TEST,
        _ => Parts::TRAIN,
    }
}

fn above(keys: &Keys, row: usize, bound: &Value) -> bool {
    match (keys, bound) {
        (Keys::Ints(ints), Value::Int(bound)) => ints.get(row).is_some_and(|key| key > *bound),
        (Keys::Texts(texts), Value::Text(bound)) => {
            texts.get(row).is_some_and(|key| *key > **bound)
        }
        _ => false,
    }
}

fn below(keys: &Keys, row: usize, bound: &Value) -> bool {
    match (keys, bound) {
        (Keys::Ints(ints), Value::Int(bound)) => ints.get(row).is_some_and(|key| key < *bound),
        (Keys::Texts(texts), Value::Text(bound)) => {
            texts.get(row).is_some_and(|key| *key < **bound)
        }
        _ => false,
    }
}
