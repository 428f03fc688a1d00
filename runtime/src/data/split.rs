//! Which rows of the data train, validate and test.

use std::cmp::Ordering;
use std::ops::BitOr;

use arrow_array::UInt64Array;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;

use crate::arrays::keys::{DateForm, Keys, keys};
use crate::arrays::numbers::value;
use crate::hash::mix;
use crate::parquet::footer::Footer;
use crate::schema::{Choice as _, Part, Split, Value};

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
    /// All three.
    pub const ALL: Self = Self(7);

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
            (Self::TRAIN, Part::Train),
            (Self::VALIDATE, Part::Validate),
            (Self::TEST, Part::Test),
        ];
        let names: Vec<&str> = names
            .iter()
            .filter(|(part, _)| part.meets(*self))
            .map(|(_, part)| part.word())
            .collect();
        f.write_str(&names.join(" and "))
    }
}

/// An inclusive range of values, and the part of its rows.
type Range = (Parts, &'static Value, &'static Value);

/// Tells of which part a row is.
#[derive(Debug, Clone)]
pub(super) enum Splitter {
    /// By the value of a column.
    Column {
        /// Column of the data.
        column: &'static str,
        /// How a date of the column reads.
        dates: DateForm,
        /// Inclusive ranges, with the part of each.
        ranges: Vec<Range>,
    },
    /// By [`part_of_request`], or [`part_of_place`] for a row of no request.
    Hash,
}

/// The least and greatest value of the split's column, by row group.
pub(super) struct Bounds {
    least: Keys,
    most: Keys,
    /// How many rows have no value.
    missing: UInt64Array,
    /// Whether a value may be none that the bounds speak of: NaN.
    floats: bool,
}

impl Splitter {
    pub(super) fn new(split: &'static Split) -> Self {
        let Split::Column {
            column,
            train,
            validate,
            test,
            ..
        } = split
        else {
            return Self::Hash;
        };
        let parts = [
            (Parts::TRAIN, train),
            (Parts::VALIDATE, validate),
            (Parts::TEST, test),
        ];
        let ranges = parts.into_iter().flat_map(|(part, ranges)| {
            let ranges = ranges.iter();
            ranges.map(move |(from, to)| (part, from, to))
        });
        Self::Column {
            column,
            dates: match train.first() {
                Some((Value::Text(_), _)) => DateForm::Text,
                _ => DateForm::Int,
            },
            ranges: ranges.collect(),
        }
    }

    /// The part whose ranges have the value at `row` of the split's column; `None` if there is none.
    pub(super) fn part(&self, keys: &Keys, row: usize) -> Option<Parts> {
        let is_in = |(_, from, to): &&Range| {
            compare(keys, row, from).is_some_and(Ordering::is_ge)
                && compare(keys, row, to).is_some_and(Ordering::is_le)
        };
        let found = self.ranges().iter().find(is_in);
        found.map(|(part, ..)| *part)
    }

    /// The last value of a range that a string begins with.
    pub(super) fn last_before(&self, text: &str) -> Option<&'static str> {
        self.ranges().iter().find_map(|(_, _, to)| match to {
            Value::Text(to) => text.starts_with(&**to).then_some(&**to),
            Value::Int(_) => None,
        })
    }

    fn ranges(&self) -> &[Range] {
        match self {
            Self::Column { ranges, .. } => ranges,
            Self::Hash => &[],
        }
    }

    /// What a file's statistics say of the split's column, if they do.
    pub(super) fn bounds(&self, footer: &Footer) -> Option<Bounds> {
        let Self::Column { column, dates, .. } = self else {
            return None;
        };
        let (leaf, field) = footer.leaf(column)?;
        let groups = footer.metadata.row_groups();
        // Those of old writers compare strings and unsigned numbers as signed bytes.
        let old = groups.iter().any(|group| {
            let statistics = group.column(leaf).statistics();
            statistics.is_some_and(|found| found.is_min_max_deprecated())
        });
        if old {
            return None;
        }
        let converter = StatisticsConverter::from_column_index(leaf, field, footer.schema());
        let converter = converter.ok()?.with_missing_null_counts_as_zero(false);
        Some(Bounds {
            least: keys(&converter.row_group_mins(groups).ok()?, *dates)
                .ok()?
                .values,
            most: keys(&converter.row_group_maxes(groups).ok()?, *dates)
                .ok()?
                .values,
            missing: converter.row_group_null_counts(groups).ok()?,
            floats: field.data_type().is_floating(),
        })
    }
}

impl Bounds {
    /// Whether a row group may have rows of some parts.
    pub(super) fn allow(&self, splitter: &Splitter, group: usize, parts: Parts) -> bool {
        let mut wanted = splitter
            .ranges()
            .iter()
            .filter(|(part, ..)| part.meets(parts));
        wanted.any(|&(_, from, to)| {
            compare(&self.least, group, to) != Some(Ordering::Greater)
                && compare(&self.most, group, from) != Some(Ordering::Less)
        })
    }

    /// Whether every row of a row group is sure to be of a part.
    pub(super) fn cover(&self, splitter: &Splitter, group: usize) -> bool {
        if self.floats || value(&self.missing, group) != Some(0) {
            return false;
        }
        let ranges = splitter.ranges();
        let within = |(_, from, to): &Range| {
            compare(&self.least, group, from).is_some_and(Ordering::is_ge)
                && compare(&self.most, group, to).is_some_and(Ordering::is_le)
        };
        ranges.iter().any(within) || self.join(ranges, group)
    }

    /// Whether ranges of whole numbers, one right after another, have all from the least value to the greatest.
    fn join(&self, ranges: &[Range], group: usize) -> bool {
        let (Keys::Ints(least), Keys::Ints(most)) = (&self.least, &self.most) else {
            return false;
        };
        let (Some(mut next), Some(last)) = (least.get(group), most.get(group)) else {
            return false;
        };
        let end = |next: i64| {
            ranges.iter().find_map(|range| match *range {
                (_, Value::Int(from), Value::Int(to)) => {
                    (from..=to).contains(&&next).then_some(*to)
                }
                _ => None,
            })
        };
        while let Some(end) = end(next) {
            if end >= last {
                return true;
            }
            next = end + 1;
        }
        false
    }
}

/// A key beside a value of the spec; `None` if it is missing or of the other kind.
fn compare(keys: &Keys, row: usize, bound: &Value) -> Option<Ordering> {
    match (keys, bound) {
        (Keys::Ints(ints), Value::Int(bound)) => Some(ints.get(row)?.cmp(bound)),
        (Keys::Unsigned(keys), Value::Int(bound)) => {
            let key = i64::try_from(value(keys, row)?);
            Some(key.map_or(Ordering::Greater, |key| key.cmp(bound)))
        }
        (Keys::Texts(texts), Value::Text(bound)) => Some(texts.get(row)?.cmp(&**bound)),
        (Keys::Ints(_) | Keys::Unsigned(_), Value::Text(_)) | (Keys::Texts(_), Value::Int(_)) => {
            None
        }
    }
}

/// The part of a row by its place, the index of its file and its row in it.
pub(super) fn part_of_place(file: usize, row: u64) -> Parts {
    part_of(mix(file as u64 + 1).wrapping_add(row))
}

/// The part of all rows of a request, by the hash of its value as an id.
pub(super) fn part_of_request(hash: u64) -> Parts {
    part_of(hash)
}

/// 80 % train, 10 % validate, 10 % test. The training's seed has no part in it, so that runs with different seeds are
/// comparable.
fn part_of(value: u64) -> Parts {
    match mix(value) % 10 {
        8 => Parts::VALIDATE,
        9 => Parts::TEST,
        _ => Parts::TRAIN,
    }
}
