//! The features of candidate rows: read, checked, encoded, counted.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::{Array, ArrayRef, Float32Array, Float64Array, RecordBatch};
use arrow::error::ArrowError;

use crate::data::arrays::{
    DateForm, Keys, ReadKeys, Spans, derived, entries, keys, lists, number, numbers,
};
use crate::data::batch::Column;
use crate::data::candidates::{Candidates, column_of, mask};
use crate::data::vocabulary::{Counts, Encoder, Moments, Vocabularies};
use crate::schema::{Feature, Input, Kind, Schema, Standardise, Tower, Transform, Value};

/// A feature's column in plain form, over all rows of the record batch.
pub(super) enum Values {
    Keys(Keys, Option<Value>),
    Lists(Box<Lists>),
    Buckets(Float64Array, Buckets),
    Vectors(Spans, Float32Array),
    Numbers(Float64Array, Transform),
}

/// Lists of raw values.
pub(super) struct Lists {
    spans: Spans,
    keys: Keys,
    /// Where the weights of each row's entries lie, and the weights; only where they fit the list.
    weights: Option<(Spans, Float32Array)>,
    last: Option<usize>,
}

/// Intervals of a number.
#[derive(Clone, Copy)]
pub(super) struct Buckets {
    boundaries: &'static [f64],
    default: Option<f64>,
}

impl Candidates {
    /// The tower's features in plain form; what cannot be used is a fault of its row, where the row's
    /// domain has the feature.
    pub(super) fn features(
        &mut self,
        schema: &Schema,
        tower: Tower,
        batch: &RecordBatch,
    ) -> Result<Vec<Values>, ArrowError> {
        let features = schema.features(tower).iter();
        features
            .map(|feature| {
                let column = column_of(batch, feature.column)?;
                let column = match feature.derive {
                    Some(derive) => derived(&column, derive)?,
                    None => column,
                };
                self.feature(feature, tower, &column, batch)
            })
            .collect()
    }

    fn feature(
        &mut self,
        feature: &'static Feature,
        tower: Tower,
        array: &ArrayRef,
        batch: &RecordBatch,
    ) -> Result<Values, ArrowError> {
        let mut bad: Vec<(u32, String)> = Vec::new();
        let whole =
            |value: f64| format!("an id must be a whole number or a string, this is {value}");
        let values = match feature.kind {
            Kind::Embedded {
                input: Input::One { default },
                ..
            } => {
                let ReadKeys { values, odd } = keys(array, DateForm::Int)?;
                bad.extend(
                    odd.into_iter()
                        .map(|(row, value)| (row as u32, whole(value))),
                );
                Values::Keys(values, default)
            }
            Kind::Embedded {
                input: Input::List { weights, last, .. },
                ..
            } => {
                let (spans, array) = lists(array)?;
                let ReadKeys { values, odd } = keys(&array, DateForm::Int)?;
                if !odd.is_empty() {
                    let odd: BTreeMap<usize, f64> = odd.into_iter().collect();
                    for &row in &self.rows {
                        let entry = spans
                            .get(row as usize)
                            .and_then(|span| odd.range(span).next());
                        bad.extend(entry.map(|(_, &value)| (row, whole(value))));
                    }
                }
                let weights = match weights {
                    Some(column) => Some(self.weights_of(feature, tower, column, &spans, batch)?),
                    None => None,
                };
                Values::Lists(Box::new(Lists {
                    spans,
                    keys: values,
                    weights,
                    last,
                }))
            }
            Kind::Embedded {
                input:
                    Input::Buckets {
                        boundaries,
                        default,
                    },
                ..
            } => {
                let values = numbers(array)?;
                for row in self.rows_with(feature, tower) {
                    let odd = number(&values, row as usize).filter(|value| !value.is_finite());
                    bad.extend(odd.map(|value| (row, not_finite(value))));
                }
                let buckets = Buckets {
                    boundaries,
                    default,
                };
                Values::Buckets(values, buckets)
            }
            Kind::Vector { width } => {
                let (spans, array) = lists(array)?;
                let values = entries(&array)?;
                for row in self.rows_with(feature, tower) {
                    bad.extend(
                        vector_fault(&spans, &values, row as usize, width)
                            .map(|cause| (row, cause)),
                    );
                }
                Values::Vectors(spans, values)
            }
            Kind::Number(transform) => {
                let values = numbers(array)?;
                for row in self.rows_with(feature, tower) {
                    let value = number(&values, row as usize);
                    let odd = value.filter(|value| !is_usable(transform, *value));
                    bad.extend(odd.map(|value| (row, not_finite(value))));
                }
                Values::Numbers(values, transform)
            }
        };
        if !bad.is_empty() {
            let having: Vec<u32> = self.rows_with(feature, tower).collect();
            for (row, cause) in bad {
                if having.binary_search(&row).is_ok() {
                    self.fault(row, feature.column, || cause);
                }
            }
        }
        Ok(values)
    }

    /// The weights of a list's entries. A row whose weights are not as many as its entries, or not numbers of 0
    /// or above, is faulty.
    fn weights_of(
        &mut self,
        feature: &'static Feature,
        tower: Tower,
        column: &'static str,
        spans: &Spans,
        batch: &RecordBatch,
    ) -> Result<(Spans, Float32Array), ArrowError> {
        let (weight_spans, array) = lists(&column_of(batch, column)?)?;
        let weights = entries(&array)?;
        let having: Vec<u32> = self.rows_with(feature, tower).collect();
        for row in having {
            let place = row as usize;
            let count = spans.get(place).unwrap_or_default().len();
            let span = weight_spans.get(place).unwrap_or_default();
            if span.len() != count {
                self.fault(row, column, || {
                    format!("{} weights for a list of {count} entries", span.len())
                });
                continue;
            }
            let values = weights.values();
            let odd = span.into_iter().find(|&place| {
                let value = values.get(place).copied().unwrap_or(f32::NAN);
                weights.is_null(place) || !(0.0..=f32::MAX).contains(&value)
            });
            if let Some(place) = odd {
                self.fault(row, column, || match weights.is_null(place) {
                    true => "a weight is missing".to_owned(),
                    false => {
                        let value = values.get(place).copied().unwrap_or(f32::NAN);
                        format!("a weight must be a number of 0 or above, this is {value}")
                    }
                });
            }
        }
        Ok((weight_spans, weights))
    }

    /// Candidates whose domain has the feature.
    fn rows_with(&self, feature: &'static Feature, tower: Tower) -> impl Iterator<Item = u32> {
        let domains = match tower {
            Tower::Query => &self.surface,
            Tower::Item => &self.product,
        };
        let having = Having::of(feature);
        let pairs = self.rows.iter().zip(domains);
        pairs
            .filter(move |(_, domain)| having.has(**domain))
            .map(|(row, _)| *row)
    }
}

impl Values {
    /// Appends the values of `rows`, which are of `domains`, to a column of the feature's kind.
    pub(super) fn encode(
        &self,
        feature: &Feature,
        rows: &[u32],
        domains: &[u16],
        vocabularies: &Vocabularies,
        moments: Option<Moments>,
        to: &mut Column,
    ) {
        let encoder = match feature.kind {
            Kind::Embedded { table, .. } => vocabularies.encoder(table),
            Kind::Vector { .. } | Kind::Number(_) => None,
        };
        let places = places(feature, rows, domains);
        match (self, to, encoder) {
            (Self::Keys(keys, default), Column::Ids(to), Some(encoder)) => {
                let missing = default.map_or(0, |value| match value {
                    Value::Int(value) => encoder.int(value),
                    Value::Text(value) => encoder.text(value),
                });
                to.reserve(rows.len());
                match keys {
                    Keys::Ints(ints) => to.extend(places.map(|place| {
                        place.map_or(0, |place| {
                            ints.get(place).map_or(missing, |key| encoder.int(key))
                        })
                    })),
                    Keys::Texts(texts) => {
                        let mut last = LastText::default();
                        to.extend(places.map(|place| {
                            place.map_or(0, |place| {
                                let key = texts.get(place);
                                key.map_or(missing, |key| last.row(encoder, key))
                            })
                        }));
                    }
                }
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
                offsets.reserve(rows.len());
                for place in places {
                    let span = place.map(|place| lists.span(place)).unwrap_or_default();
                    match &lists.keys {
                        Keys::Ints(ints) => ids.extend(
                            ints.of(span)
                                .map(|key| key.map_or(0, |key| encoder.int(key))),
                        ),
                        Keys::Texts(texts) => ids.extend(
                            span.map(|place| texts.get(place).map_or(0, |key| encoder.text(key))),
                        ),
                    }
                    weights.extend_from_slice(
                        place.map(|place| lists.weights(place)).unwrap_or_default(),
                    );
                    offsets.push(ids.len() as u32);
                }
            }
            (Self::Buckets(numbers, buckets), Column::Ids(to), Some(_)) => {
                to.extend(places.map(|place| {
                    let value = place.and_then(|place| number(numbers, place).or(buckets.default));
                    value.map_or(0, |value| buckets.row(value))
                }));
            }
            (Self::Vectors(spans, entries), Column::Vectors { width, values: to }, None) => {
                for place in places {
                    let end = to.len() + *width;
                    let span = place.and_then(|place| spans.get(place)).unwrap_or_default();
                    to.extend_from_slice(entries.values().get(span).unwrap_or_default());
                    to.resize(end, 0.0);
                }
            }
            (Self::Numbers(numbers, transform), Column::Numbers(to), None) => {
                to.extend(places.map(|place| match place {
                    Some(place) => apply(
                        *transform,
                        moments,
                        number(numbers, place).unwrap_or(transform.default),
                    ),
                    None => 0.0,
                }));
            }
            // Values, column and encoder were made for the same feature.
            _ => {}
        }
    }
}

impl Values {
    /// Counts the values of `rows`, which are of `domains`.
    pub(super) fn count(
        &self,
        feature: &Feature,
        rows: &[u32],
        domains: &[u16],
        counts: &mut Counts,
    ) {
        let mut each = |keys: &Keys, place: usize, default: Option<Value>| match keys {
            Keys::Ints(ints) => match (ints.get(place), default) {
                (Some(key), _) | (None, Some(Value::Int(key))) => counts.int(key),
                (None, Some(Value::Text(key))) => counts.text(key),
                (None, None) => {}
            },
            Keys::Texts(texts) => match (texts.get(place), default) {
                (Some(key), _) | (None, Some(Value::Text(key))) => counts.text(key),
                (None, Some(Value::Int(key))) => counts.int(key),
                (None, None) => {}
            },
        };
        for place in places(feature, rows, domains).flatten() {
            match self {
                Self::Keys(keys, default) => each(keys, place, *default),
                Self::Lists(lists) => {
                    for place in lists.span(place) {
                        each(&lists.keys, place, None);
                    }
                }
                Self::Vectors(..) | Self::Numbers(..) | Self::Buckets(..) => {}
            }
        }
    }

    /// The numbers of `rows` that are there, clipped and with their logarithm taken.
    pub(super) fn present<'a>(
        &'a self,
        feature: &'a Feature,
        rows: &'a [u32],
        domains: &'a [u16],
    ) -> impl Iterator<Item = f64> + 'a {
        places(feature, rows, domains)
            .flatten()
            .filter_map(move |place| match self {
                Self::Numbers(numbers, transform) => {
                    let value = number(numbers, place)?;
                    Some(scaled(*transform, value))
                }
                _ => None,
            })
    }
}

impl Lists {
    /// Places of the entries that are read of a row.
    fn span(&self, row: usize) -> Range<usize> {
        self.end(self.spans.get(row).unwrap_or_default())
    }

    /// Their weights; none if they count alike.
    fn weights(&self, row: usize) -> &[f32] {
        let Some((spans, weights)) = &self.weights else {
            return &[];
        };
        let span = self.end(spans.get(row).unwrap_or_default());
        weights.values().get(span).unwrap_or_default()
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

fn not_finite(value: f64) -> String {
    format!("a number must be finite, this is {value}")
}

/// The places of `rows` in the record batch; `None` for those whose domain lacks the feature.
fn places(feature: &Feature, rows: &[u32], domains: &[u16]) -> impl Iterator<Item = Option<usize>> {
    let having = Having::of(feature);
    let pairs = rows.iter().zip(domains);
    pairs.map(move |(row, domain)| having.has(*domain).then_some(*row as usize))
}

/// Which domains have a feature, by domain.
struct Having(Vec<bool>);

impl Having {
    fn of(feature: &Feature) -> Self {
        Self(mask(feature.domains))
    }

    #[inline]
    fn has(&self, domain: u16) -> bool {
        self.0.get(usize::from(domain)).copied().unwrap_or(false)
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
        clipped.abs().ln_1p().copysign(clipped)
    } else {
        clipped
    }
}

/// The whole transform; `moments` are those that were learned.
#[inline]
fn apply(transform: Transform, moments: Option<Moments>, value: f64) -> f32 {
    let value = scaled(transform, value);
    let moments = match transform.standardise {
        Some(Standardise::Given { mean, std }) => Some(Moments { mean, std }),
        Some(Standardise::Learned) => moments,
        None => None,
    };
    match moments {
        Some(Moments { mean, std }) => ((value - mean) / std) as f32,
        None => value as f32,
    }
}

/// Whether a number and what is made of it are finite.
#[inline]
fn is_usable(transform: Transform, value: f64) -> bool {
    // The logarithm of a finite number is small.
    let is_small =
        transform.log && !matches!(transform.standardise, Some(Standardise::Given { .. }));
    value.is_finite() && (is_small || apply(transform, None, value).is_finite())
}

fn vector_fault(spans: &Spans, entries: &Float32Array, row: usize, width: usize) -> Option<String> {
    let span = spans.get(row)?;
    if span.len() != width {
        return Some(format!(
            "a vector of {width} entries is needed, this has {}",
            span.len()
        ));
    }
    if entries
        .nulls()
        .is_some_and(|nulls| span.clone().any(|place| nulls.is_null(place)))
    {
        return Some("a vector's entries must be present, one is null".to_owned());
    }
    let odd = entries
        .values()
        .get(span)?
        .iter()
        .find(|entry| !entry.is_finite())?;
    Some(format!("a vector's entries must be finite, one is {odd}"))
}
