//! The features of candidate rows: read, checked, encoded, counted.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, Float32Array, Float64Array, RecordBatch};
use arrow::error::ArrowError;

use crate::data::arrays::{DateForm, Keys, ReadKeys, Spans, entries, keys, lists, number, numbers};
use crate::data::batch::Column;
use crate::data::candidates::{Candidates, column_of};
use crate::data::vocabulary::{Counts, Encoder, Vocabularies};
use crate::schema::{Feature, Kind, Schema, Tower, Transform};

/// A feature's column in plain form, over all rows of the record batch.
pub(super) enum Values {
    Keys(Keys),
    Lists(Spans, Keys),
    Vectors(Spans, Float32Array),
    Numbers(Float64Array, Transform),
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
            .map(|feature| self.feature(feature, tower, &column_of(batch, feature.column)?))
            .collect()
    }

    fn feature(
        &mut self,
        feature: &'static Feature,
        tower: Tower,
        array: &ArrayRef,
    ) -> Result<Values, ArrowError> {
        let mut bad: Vec<(u32, String)> = Vec::new();
        let whole =
            |value: f64| format!("an id must be a whole number or a string, this is {value}");
        let values = match feature.kind {
            Kind::Embedded { pool: None, .. } => {
                let ReadKeys { values, odd } = keys(array, DateForm::Int)?;
                bad.extend(
                    odd.into_iter()
                        .map(|(row, value)| (row as u32, whole(value))),
                );
                Values::Keys(values)
            }
            Kind::Embedded { pool: Some(_), .. } => {
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
                Values::Lists(spans, values)
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
                    let odd = value.filter(|value| {
                        !value.is_finite() || !apply(transform, *value).is_finite()
                    });
                    bad.extend(
                        odd.map(|value| (row, format!("a number must be finite, this is {value}"))),
                    );
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

    /// Candidates whose domain has the feature.
    fn rows_with(&self, feature: &'static Feature, tower: Tower) -> impl Iterator<Item = u32> {
        let domains = match tower {
            Tower::Query => &self.surface,
            Tower::Item => &self.product,
        };
        let pairs = self.rows.iter().zip(domains);
        pairs
            .filter(|(_, domain)| feature.domains.contains(&usize::from(**domain)))
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
        to: &mut Column,
    ) {
        let encoder = match feature.kind {
            Kind::Embedded { table, .. } => vocabularies.encoder(table),
            Kind::Vector { .. } | Kind::Number(_) => None,
        };
        let places = places(feature, rows, domains);
        match (self, to, encoder) {
            (Self::Keys(keys), Column::Ids(to), Some(encoder)) => {
                to.extend(
                    places.map(|place| place.map_or(0, |place| encode(encoder, keys, place))),
                );
            }
            (Self::Lists(spans, keys), Column::Lists { offsets, ids }, Some(encoder)) => {
                for place in places {
                    let span = place.and_then(|place| spans.get(place)).unwrap_or_default();
                    ids.extend(span.map(|place| encode(encoder, keys, place)));
                    offsets.push(ids.len() as u32);
                }
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
        let mut each = |keys: &Keys, place: usize| match keys {
            Keys::Ints(ints) => ints.get(place).into_iter().for_each(|key| counts.int(key)),
            Keys::Texts(texts) => texts
                .get(place)
                .into_iter()
                .for_each(|key| counts.text(key)),
        };
        for place in places(feature, rows, domains).flatten() {
            match self {
                Self::Keys(keys) => each(keys, place),
                Self::Lists(spans, keys) => {
                    spans
                        .get(place)
                        .into_iter()
                        .flatten()
                        .for_each(|place| each(keys, place));
                }
                Self::Vectors(..) | Self::Numbers(..) => {}
            }
        }
    }
}

/// The places of `rows` in the record batch; `None` for those whose domain lacks the feature.
fn places(feature: &Feature, rows: &[u32], domains: &[u16]) -> impl Iterator<Item = Option<usize>> {
    rows.iter().zip(domains).map(|(row, domain)| {
        feature
            .domains
            .contains(&usize::from(*domain))
            .then_some(*row as usize)
    })
}

#[inline]
fn encode(encoder: &Encoder, keys: &Keys, place: usize) -> u32 {
    match keys {
        Keys::Ints(ints) => ints.get(place).map_or(0, |key| encoder.int(key)),
        Keys::Texts(texts) => texts.get(place).map_or(0, |key| encoder.text(key)),
    }
}

#[inline]
fn apply(transform: Transform, value: f64) -> f32 {
    let clipped = match transform.clip {
        Some((low, high)) => value.max(low).min(high),
        None => value,
    };
    let scaled = if transform.log {
        clipped.abs().ln_1p().copysign(clipped)
    } else {
        clipped
    };
    scaled as f32
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
