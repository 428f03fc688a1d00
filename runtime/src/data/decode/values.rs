//! The values of a feature's column: as table rows and numbers of a chunk, or counted.

#![expect(
    clippy::indexing_slicing,
    reason = "spans are those of the entries, domains those of the schema"
)]

use std::ops::Range;

use arrow_array::Float32Array;

use crate::arrays::keys::{Keys, Spans};
use crate::arrays::numbers::{Ints, MOST, Numbers, value};
use crate::bug::{bug, check, zip_equal};
use crate::data::batch::Column;
use crate::data::decode::domains::mask;
use crate::schema::{Feature, FeatureKind, Schema, Standardise, Tower, Transform, Value};
use crate::vocab::Vocabularies;
use crate::vocab::counts::ValueCounts;
use crate::vocab::encoder::{Encoder, no_buckets};
use crate::vocab::moments::{NumberMoments, RunningMoments};

/// A feature's column in plain form, over all rows of the record batch.
pub(crate) enum Values {
    Keys(Keys, Option<&'static Value>),
    Lists(Box<Lists>),
    Buckets(Numbers, Buckets),
    Vectors(Spans, Float32Array),
    Numbers(Numbers, Transform),
}

/// Lists of raw values.
pub(crate) struct Lists {
    spans: Spans,
    keys: Keys,
    /// Where the weights of each row's entries lie, and the weights; only where they fit the list.
    weights: Option<(Spans, Float32Array)>,
    last: Option<usize>,
}

/// Intervals of a number.
#[derive(Clone, Copy)]
pub(crate) struct Buckets {
    pub boundaries: &'static [f64],
    pub default: Option<f64>,
}

impl Values {
    /// Appends the values of some rows to a column of the feature's kind. `moments` are those that a number is
    /// standardised by.
    pub(crate) fn encode(
        &self,
        feature: &Feature,
        places: &Places<'_>,
        vocabularies: &Vocabularies,
        moments: Option<NumberMoments>,
        to: &mut Column,
    ) {
        let encoder = match feature.kind {
            FeatureKind::Embedded { table, .. } => Some(vocabularies.encoder(table.0)),
            FeatureKind::Vector { .. } | FeatureKind::Number(_) => None,
        };
        match (self, to, encoder) {
            (Self::Keys(keys, default), Column::Ids(to), Some(encoder)) => {
                let missing = default.map_or(0, |value| encoder.row(value));
                push_ids(keys, places, encoder, missing, to);
            }
            (
                Self::Lists(lists),
                Column::Lists {
                    offsets,
                    ids,
                    weights,
                },
                Some(encoder),
            ) => {
                lists.push(places, encoder, offsets, ids);
                for place in places.each().flatten() {
                    weights.extend_from_slice(lists.weights(place));
                }
            }
            (Self::Buckets(numbers, buckets), Column::Ids(to), Some(_)) => {
                places.extend(to, |place| {
                    let value = numbers.get(place).or(buckets.default);
                    value.map_or(0, |value| buckets.row(value))
                });
            }
            (Self::Vectors(spans, entries), Column::Vectors { width, values: to }, None) => {
                for place in places.each() {
                    // A vector that is missing is zeros.
                    let Some(span) = place.and_then(|place| spans.get(place)) else {
                        to.resize(to.len() + *width, 0.0);
                        continue;
                    };
                    check!(
                        span.len() == *width,
                        "a vector of {} entries of `{}`, whose vectors have {width}",
                        span.len(),
                        feature.name
                    );
                    to.extend_from_slice(&entries.values()[span]);
                }
            }
            (Self::Numbers(numbers, transform), Column::Numbers(to), None) => {
                places.extend(to, |place| {
                    let value = numbers.get(place).unwrap_or(transform.default);
                    apply(*transform, moments, value)
                });
            }
            _ => bug!("values of `{}` for a column of another kind", feature.name),
        }
    }

    /// Counts the values of some rows.
    pub(crate) fn count(&self, places: &Places<'_>, counts: &mut ValueCounts) {
        match self {
            Self::Keys(keys, default) => {
                let missing = count_keys(keys, places.each().flatten(), counts);
                for _ in 0..missing {
                    match default {
                        Some(Value::Int(key)) => counts.int(*key),
                        Some(Value::Text(key)) => counts.text(key, 1),
                        None => break,
                    }
                }
            }
            Self::Lists(lists) => {
                let entries = places.each().flatten().flat_map(|row| lists.span(row));
                count_keys(&lists.keys, entries, counts);
            }
            Self::Vectors(..) | Self::Numbers(..) | Self::Buckets(..) => {}
        }
    }

    /// Adds the numbers of some rows, clipped and with their logarithm taken: those that are there to `present`, and of
    /// each domain, by its index, those that a model reads, a missing one's default among them, to `read`.
    pub(crate) fn measure(
        &self,
        places: &Places<'_>,
        present: &mut RunningMoments,
        read: &mut [RunningMoments],
    ) {
        let Self::Numbers(numbers, transform) = self else {
            bug!("values of another kind are measured as numbers");
        };
        let default = scaled(*transform, transform.default);
        for (domain, place) in places.with_domains() {
            let number = numbers.get(place).map(|number| scaled(*transform, number));
            if let Some(number) = number {
                present.push(number);
            }
            read[usize::from(domain)].push(number.unwrap_or(default));
        }
    }

    /// Entries of the vectors of some rows, and the sum of their squares.
    pub(crate) fn squares(&self, places: &Places<'_>) -> (u64, f64) {
        let Self::Vectors(spans, entries) = self else {
            bug!("values of another kind are measured as vectors");
        };
        let (mut count, mut squares) = (0, 0.0);
        for place in places.each().flatten() {
            let span = spans.get(place).unwrap_or_default();
            let entries = &entries.values()[span];
            count += entries.len() as u64;
            squares += entries
                .iter()
                .map(|entry| f64::from(*entry).powi(2))
                .sum::<f64>();
        }
        (count, squares)
    }
}

/// Counts the keys at some places, and says at how many there is none.
fn count_keys(keys: &Keys, places: impl Iterator<Item = usize>, counts: &mut ValueCounts) -> usize {
    let mut missing = 0;
    match keys {
        Keys::Ints(ints) => {
            for place in places {
                match ints.get(place) {
                    Some(key) => counts.int(key),
                    None => missing += 1,
                }
            }
        }
        Keys::Unsigned(keys) => {
            for place in places {
                match value(keys, place) {
                    Some(key) => counts.unsigned(key),
                    None => missing += 1,
                }
            }
        }
        Keys::Texts(texts) => missing = texts.count(places, |key, times| counts.text(key, times)),
    }
    missing
}

/// Appends the table rows of keys.
fn push_ids(keys: &Keys, places: &Places<'_>, encoder: &Encoder, missing: u32, to: &mut Vec<u32>) {
    match keys {
        // A loop for each way to find a row, without a choice in it.
        Keys::Ints(ints) => match encoder {
            Encoder::Hash(hashed) => places.extend(to, |place| {
                ints.get(place).map_or(missing, |key| hashed.int(key))
            }),
            Encoder::Inline(lookup) | Encoder::Learned { lookup, .. } => {
                places.extend(to, |place| {
                    ints.get(place).map_or(missing, |key| lookup.int(key))
                });
            }
            Encoder::Buckets => no_buckets(),
        },
        Keys::Unsigned(keys) => places.extend(to, |place| {
            value(keys, place).map_or(missing, |key| encoder.unsigned(key))
        }),
        Keys::Texts(texts) => {
            let mut last = LastText::default();
            let mut row = texts.each(|key| last.row(encoder, key));
            places.extend(to, |place| row(place).unwrap_or(missing));
        }
    }
}

impl Lists {
    pub(crate) fn new(
        spans: Spans,
        keys: Keys,
        weights: Option<(Spans, Float32Array)>,
        last: Option<usize>,
    ) -> Self {
        Self {
            spans,
            keys,
            weights,
            last,
        }
    }

    /// Appends the table rows of the entries, and where each row's end.
    fn push(
        &self,
        places: &Places<'_>,
        encoder: &Encoder,
        offsets: &mut Vec<u32>,
        ids: &mut Vec<u32>,
    ) {
        match &self.keys {
            Keys::Ints(ints) => match encoder {
                Encoder::Hash(hashed) => {
                    self.push_ints(ints, places, |key| hashed.int(key), offsets, ids);
                }
                Encoder::Inline(lookup) | Encoder::Learned { lookup, .. } => {
                    self.push_ints(ints, places, |key| lookup.int(key), offsets, ids);
                }
                Encoder::Buckets => no_buckets(),
            },
            Keys::Unsigned(keys) => {
                let row = |place| value(keys, place).map_or(0, |key| encoder.unsigned(key));
                offsets.extend(places.each().map(|place| {
                    ids.extend(self.span_at(place).map(row));
                    ids.len() as u32
                }));
            }
            Keys::Texts(texts) => {
                let mut row = texts.each(|key| encoder.text(key));
                offsets.extend(places.each().map(|place| {
                    ids.extend(self.span_at(place).map(|place| row(place).unwrap_or(0)));
                    ids.len() as u32
                }));
            }
        }
    }

    fn push_ints(
        &self,
        ints: &Ints,
        places: &Places<'_>,
        row: impl Fn(i64) -> u32,
        offsets: &mut Vec<u32>,
        ids: &mut Vec<u32>,
    ) {
        offsets.extend(places.each().map(|place| {
            ints.each(self.span_at(place), |key| key.map_or(0, &row), ids);
            ids.len() as u32
        }));
    }

    /// Places of the entries that are read of a row; none of a row whose domain lacks the feature.
    fn span_at(&self, place: Option<usize>) -> Range<usize> {
        place.map(|place| self.span(place)).unwrap_or_default()
    }

    /// Places of the entries that are read of a row.
    fn span(&self, row: usize) -> Range<usize> {
        self.end(self.spans.get(row).unwrap_or_default())
    }

    /// Their weights; none if they count alike.
    fn weights(&self, row: usize) -> &[f32] {
        let Some((spans, weights)) = &self.weights else {
            return &[];
        };
        &weights.values()[self.end(spans.get(row).unwrap_or_default())]
    }

    fn end(&self, span: Range<usize>) -> Range<usize> {
        let last = self.last.unwrap_or(usize::MAX).min(span.len());
        span.end - last..span.end
    }
}

impl Buckets {
    /// 1 below the first boundary, one more from each boundary on.
    fn row(self, value: f64) -> u32 {
        1 + self
            .boundaries
            .partition_point(|boundary| *boundary <= value) as u32
    }
}

/// Rows of a record batch, and which of them are of a domain that has a feature.
pub(crate) struct Places<'a> {
    rows: &'a [u32],
    domains: &'a [u16],
    /// By domain; `None` if all have it.
    having: Option<Vec<bool>>,
}

impl<'a> Places<'a> {
    /// Rows and their domains of a tower.
    pub(crate) fn new(
        schema: &Schema,
        tower: Tower,
        feature: &Feature,
        rows: &'a [u32],
        domains: &'a [u16],
    ) -> Self {
        check!(
            rows.len() == domains.len(),
            "{} rows with {} domains",
            rows.len(),
            domains.len()
        );
        let everywhere = feature.domains.len() == schema.axis(tower).domains.len();
        Self {
            rows,
            domains,
            having: (!everywhere).then(|| mask(&feature.domains)),
        }
    }

    /// The places of the rows in the record batch; `None` for those whose domain lacks the feature.
    pub(crate) fn each(&self) -> impl Iterator<Item = Option<usize>> {
        let pairs = zip_equal(self.rows, self.domains);
        pairs.map(|(row, domain)| self.has(*domain).then_some(*row as usize))
    }

    /// Domain and place of each row whose domain has the feature.
    fn with_domains(&self) -> impl Iterator<Item = (u16, usize)> {
        let pairs = self.domains.iter().copied().zip(self.each());
        pairs.filter_map(|(domain, place)| Some((domain, place?)))
    }

    /// Appends a value for each row: a default where its domain lacks the feature.
    fn extend<T: Default>(&self, to: &mut Vec<T>, mut value: impl FnMut(usize) -> T) {
        match self.having {
            None => to.extend(self.rows.iter().map(|row| value(*row as usize))),
            Some(_) => to.extend(
                self.each()
                    .map(|place| place.map_or_else(T::default, &mut value)),
            ),
        }
    }

    #[inline]
    fn has(&self, domain: u16) -> bool {
        let Some(having) = &self.having else {
            return true;
        };
        having.get(usize::from(domain)).copied().unwrap_or(false)
    }
}

/// Remembers the string that was looked up last for each of some hashes of its ends: a category has few values, and
/// to compare two strings is cheaper than to hash one.
#[derive(Default)]
struct LastText<'a>([Option<(&'a str, u32)>; 16]);

impl<'a> LastText<'a> {
    #[inline]
    fn row(&mut self, encoder: &Encoder, key: &'a str) -> u32 {
        let bytes = key.as_bytes();
        let ends = [bytes.first(), bytes.get(bytes.len() / 2), bytes.last()];
        let ends = ends.iter().flatten().map(|byte| usize::from(**byte));
        let slot = (ends.sum::<usize>() + bytes.len()) % 16;
        let Some(slot) = self.0.get_mut(slot) else {
            return encoder.text(key);
        };
        match slot {
            Some((known, row)) if *known == key => *row,
            _ => {
                let row = encoder.text(key);
                *slot = Some((key, row));
                row
            }
        }
    }
}

/// A number clipped, with its logarithm taken, as the transform says.
#[inline]
fn scaled(transform: Transform, value: f64) -> f64 {
    let clipped = match transform.clip {
        Some((low, high)) => value.max(low).min(high),
        None => value,
    };
    if transform.log {
        ln_1p(clipped.abs()).copysign(clipped)
    } else {
        clipped
    }
}

/// The logarithm of 1 and a number of 0 or above, to a unit or two in its last place, as Kahan corrects it: the C
/// library's takes three times as long.
#[inline]
fn ln_1p(value: f64) -> f64 {
    let sum = 1.0 + value;
    sum.ln() + (value - (sum - 1.0)) / sum
}

/// The whole transform; `moments` are those that it standardises by.
#[inline]
fn apply(transform: Transform, moments: Option<NumberMoments>, value: f64) -> f32 {
    let value = scaled(transform, value);
    match moments {
        Some(NumberMoments { mean, std }) => ((value - mean) / std) as f32,
        None => value as f32,
    }
}

/// Whether a number, and its transform, is one that a model can compute with. The moments that
/// standardise it are learned from usable numbers only.
#[inline]
pub(crate) fn is_usable(transform: Transform, value: f64) -> bool {
    let given = match transform.standardise {
        Some(Standardise::Given { mean, std }) => Some(NumberMoments { mean, std }),
        Some(Standardise::Learned) | None => None,
    };
    value.is_finite() && f64::from(apply(transform, given, value)).abs() <= MOST
}

/// Whether all numbers of a column are usable at a glance; those of rows that are not wanted count too.
pub(crate) fn are_usable(transform: Transform, numbers: &Numbers) -> bool {
    let given = matches!(transform.standardise, Some(Standardise::Given { .. }));
    let clip = transform.clip.unwrap_or_default();
    let plain = !given && clip.0.abs().max(clip.1.abs()) <= MOST;
    plain && numbers.are_sound()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_library() {
        for power in -60..=100 {
            for part in 0..100 {
                let value = (1.0 + f64::from(part) / 100.0) * f64::from(power).exp2();
                let expected = value.ln_1p();
                assert!(
                    (ln_1p(value) - expected).abs() <= 4.0 * f64::EPSILON * expected,
                    "{value}"
                );
            }
        }
        assert_eq!(ln_1p(0.0), 0.0);
    }
}
