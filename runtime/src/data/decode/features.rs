//! The features of candidate rows, read and checked.

use std::collections::BTreeMap;

use arrow_array::{Array, ArrayRef, Float32Array, RecordBatch};
use arrow_schema::ArrowError;

use crate::arrays::keys::{DateForm, Odd, ReadKeys, Spans, column_of, entries, keys, lists};
use crate::arrays::numbers::{MOST, Numbers, are_sound, is_sound, value};
use crate::data::decode::derive::derived;
use crate::data::decode::targets::{Candidates, weight_fault};
use crate::data::decode::values::{Buckets, Lists, Places, Values, are_usable, is_usable};
use crate::schema::{Feature, FeatureKind, Input, Schema, Tower};

impl Candidates {
    /// The tower's features in plain form; what cannot be used is a fault of its row, where the row's
    /// domain has the feature.
    pub(crate) fn features(
        &mut self,
        schema: &'static Schema,
        tower: Tower,
        batch: &RecordBatch,
    ) -> Result<Vec<Values>, ArrowError> {
        let features = schema.features(tower).iter();
        features
            .map(|feature| self.one(schema, feature, tower, batch))
            .collect()
    }

    /// One of these features.
    pub(crate) fn one(
        &mut self,
        schema: &Schema,
        feature: &'static Feature,
        tower: Tower,
        batch: &RecordBatch,
    ) -> Result<Values, ArrowError> {
        let column = column_of(batch, &feature.column)?;
        let Some(derive) = feature.derive else {
            return self.feature(schema, feature, tower, &column, batch);
        };
        let made = derived(&column, derive)?;
        let odd = made.odd.into_iter();
        self.faults_of(
            schema,
            feature,
            tower,
            odd.map(|(row, time)| (row as u32, time.to_string())),
        );
        self.feature(schema, feature, tower, &made.numbers, batch)
    }

    fn feature(
        &mut self,
        schema: &Schema,
        feature: &'static Feature,
        tower: Tower,
        array: &ArrayRef,
        batch: &RecordBatch,
    ) -> Result<Values, ArrowError> {
        let mut bad: Vec<(u32, String)> = Vec::new();
        let whole = |odd: Odd| odd.fault("an id");
        let values = match &feature.kind {
            FeatureKind::Embedded {
                input: Input::One { default },
                ..
            } => {
                let ReadKeys { values, odd } = keys(array, DateForm::Int)?;
                bad.extend(
                    odd.into_iter()
                        .map(|(row, value)| (row as u32, whole(value))),
                );
                Values::Keys(values, default.as_ref())
            }
            FeatureKind::Embedded {
                input: Input::List { weights, last, .. },
                ..
            } => {
                let (spans, array) = lists(array)?;
                let ReadKeys { values, odd } = keys(&array, DateForm::Int)?;
                if !odd.is_empty() {
                    let odd: BTreeMap<usize, Odd> = odd.into_iter().collect();
                    for &row in &self.rows {
                        let entry = spans
                            .get(row as usize)
                            .and_then(|span| odd.range(span).next());
                        bad.extend(entry.map(|(_, &value)| (row, whole(value))));
                    }
                }
                let weights = match weights {
                    Some(column) => {
                        Some(self.weights_of(schema, feature, tower, column, &spans, batch)?)
                    }
                    None => None,
                };
                Values::Lists(Box::new(Lists::new(spans, values, weights, *last)))
            }
            FeatureKind::Embedded {
                input:
                    Input::Buckets {
                        boundaries,
                        default,
                    },
                ..
            } => {
                let values = Numbers::read(array)?;
                for row in self.rows_with(schema, feature, tower) {
                    let odd = values.get(row as usize).filter(|value| !value.is_finite());
                    bad.extend(odd.map(|value| (row, not_finite(value))));
                }
                let buckets = Buckets {
                    boundaries,
                    default: *default,
                };
                Values::Buckets(values, buckets)
            }
            FeatureKind::Vector { width } => {
                let (spans, array) = lists(array)?;
                let values = entries(&array)?;
                let sound = values.null_count() == 0 && are_sound(values.values());
                for row in self.rows_with(schema, feature, tower) {
                    bad.extend(
                        vector_fault(&spans, &values, sound, row as usize, *width)
                            .map(|cause| (row, cause)),
                    );
                }
                Values::Vectors(spans, values)
            }
            FeatureKind::Number(transform) => {
                let values = Numbers::read(array)?;
                if !are_usable(*transform, &values) {
                    for row in self.rows_with(schema, feature, tower) {
                        let value = values.get(row as usize);
                        let odd = value.filter(|value| !is_usable(*transform, *value));
                        bad.extend(odd.map(|value| (row, unusable(value))));
                    }
                }
                Values::Numbers(values, *transform)
            }
        };
        self.faults_of(schema, feature, tower, bad.into_iter());
        Ok(values)
    }

    /// Marks rows as faulty, as far as they are candidates whose domain has the feature.
    fn faults_of(
        &mut self,
        schema: &Schema,
        feature: &'static Feature,
        tower: Tower,
        bad: impl ExactSizeIterator<Item = (u32, String)>,
    ) {
        if bad.len() == 0 {
            return;
        }
        let having = self.rows_with(schema, feature, tower);
        for (row, cause) in bad {
            if having.binary_search(&row).is_ok() {
                self.fault(row, &feature.column, || cause);
            }
        }
    }

    /// The weights of a list's entries. A row whose weights are not as many as its entries, or not numbers of 0
    /// or above, is faulty.
    fn weights_of(
        &mut self,
        schema: &Schema,
        feature: &'static Feature,
        tower: Tower,
        column: &'static str,
        spans: &Spans,
        batch: &RecordBatch,
    ) -> Result<(Spans, Float32Array), ArrowError> {
        let (weight_spans, array) = lists(&column_of(batch, column)?)?;
        let weights = entries(&array)?;
        for row in self.rows_with(schema, feature, tower) {
            let place = row as usize;
            let count = spans.get(place).unwrap_or_default().len();
            let span = weight_spans.get(place).unwrap_or_default();
            if span.len() != count {
                self.fault(row, column, || {
                    format!("{} weights for a list of {count} entries", span.len())
                });
                continue;
            }
            let mut found = span.into_iter().map(|place| value(&weights, place));
            let is_weight = |value: f32| (0.0..=MOST).contains(&f64::from(value));
            if let Some(odd) = found.find(|weight| !weight.is_some_and(is_weight)) {
                self.fault(row, column, || match odd {
                    None => "a weight is missing".to_owned(),
                    Some(value) => weight_fault(value),
                });
            }
        }
        Ok((weight_spans, weights))
    }

    /// Candidates whose domain has the feature.
    fn rows_with(&self, schema: &Schema, feature: &Feature, tower: Tower) -> Vec<u32> {
        let domains = match tower {
            Tower::Query => &self.surface,
            Tower::Item => &self.product,
        };
        let places = Places::new(schema, tower, feature, &self.rows, domains);
        places.each().flatten().map(|row| row as u32).collect()
    }
}

fn not_finite(value: f64) -> String {
    format!("a number must be finite, this is {value}")
}

/// Why a number is not usable.
fn unusable(value: f64) -> String {
    if value.is_finite() {
        return format!(
            "the model reads numbers of at most {MOST:e} in size, this is {value:e}: `log` or `clip` make it smaller"
        );
    }
    not_finite(value)
}

/// What is wrong with a row's vector; `sound`: its entries are known to be.
fn vector_fault(
    spans: &Spans,
    entries: &Float32Array,
    sound: bool,
    row: usize,
    width: usize,
) -> Option<String> {
    let span = spans.get(row)?;
    if span.len() != width {
        return Some(format!(
            "a vector of {width} entries is needed, this has {}",
            span.len()
        ));
    }
    if sound {
        return None;
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
        .find(|entry| !is_sound(**entry))?;
    Some(match odd.is_finite() {
        true => format!("a vector's entries must be at most {MOST:e} in size, one is {odd:e}"),
        false => format!("a vector's entries must be finite, one is {odd}"),
    })
}
