//! Test vectors of the encoding: raw values, and what the runtime's own decoder makes of them.

use std::sync::Arc;

use arrow_array::builder::{Float32Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, DataType, Field, Schema as ArrowSchema};
use serde::Serialize;
use serde_json::Value as Json;

use crate::data::batch::Column;
use crate::data::encode_feature;
use crate::error::{Error, Result};
use crate::schema::{
    Derive, Feature, FeatureKind, Index, Input, Schema, TableId, Tower, Unit, Value,
};
use crate::vocab::{RawValue, Vocabularies};

/// Values of a vocabulary that are vectors.
const KNOWN: usize = 3;

/// Raw values of a feature's column and its inputs, row by row.
#[derive(Debug, Serialize)]
pub struct TestVectors {
    /// Tower and name.
    feature: String,
    raw: Vec<Json>,
    /// Weights of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<Vec<Json>>,
    encoded: Vec<Json>,
    /// Weights of the encoded entries.
    #[serde(skip_serializing_if = "Option::is_none")]
    encoded_weights: Option<Vec<Json>>,
}

/// A column of raw values, null where missing.
enum Raw {
    Ints(Vec<Option<i64>>),
    Floats(Vec<Option<f64>>),
    Texts(Vec<Option<String>>),
    IntLists(Vec<Option<Vec<Option<i64>>>>),
    TextLists(Vec<Option<Vec<Option<String>>>>),
}

/// The vectors of a feature, one column of each type that it may read.
///
/// # Errors
/// None in practice: the columns are of types that the feature reads.
pub fn of_feature(
    schema: &'static Schema,
    vocabularies: &Vocabularies,
    tower: Tower,
    index: usize,
) -> Result<Vec<TestVectors>> {
    let Some(feature) = schema.features(tower).get(index) else {
        return Ok(Vec::new());
    };
    let columns = columns(schema, vocabularies, feature).into_iter();
    let vectors = columns.map(|raw| {
        vectors(schema, vocabularies, (tower, index), feature, &raw).map_err(|error| {
            let place = format!("the test vectors of `{}`", feature.name);
            Error::run(place, error.to_string(), "report this as a bug")
        })
    });
    vectors.collect()
}

fn vectors(
    schema: &'static Schema,
    vocabularies: &Vocabularies,
    (tower, index): (Tower, usize),
    feature: &Feature,
    raw: &Raw,
) -> Result<TestVectors, ArrowError> {
    let mut columns = vec![(&*feature.column, raw.array())];
    let mut weights = None;
    if let FeatureKind::Embedded {
        input: Input::List {
            weights: Some(column),
            ..
        },
        ..
    } = &feature.kind
    {
        let (array, json) = raw.weights();
        columns.push((&**column, array));
        weights = Some(json);
    }
    let fields = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true));
    let fields = Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(fields, arrays)?;
    let (column, bad) = encode_feature(schema, vocabularies, (tower, index), &batch)?;
    let sound = |values: Vec<Json>| -> Vec<Json> {
        let rows = (0..).zip(values);
        let sound = rows.filter(|(row, _)| !bad.contains(row));
        sound.map(|(_, value)| value).collect()
    };
    let (encoded, encoded_weights) = encoded(&column);
    Ok(TestVectors {
        feature: format!("{}.{}", tower.name(), feature.name),
        raw: sound(raw.json()),
        encoded_weights: weights.is_some().then_some(encoded_weights),
        weights: weights.map(sound),
        encoded,
    })
}

/// The inputs by row; of lists, their weights too.
fn encoded(column: &Column) -> (Vec<Json>, Vec<Json>) {
    match column {
        Column::Ids(ids) => (ids.iter().map(|id| (*id).into()).collect(), vec![]),
        Column::Numbers(numbers) => {
            let numbers = numbers.iter().map(|number| f64::from(*number).into());
            (numbers.collect(), vec![])
        }
        Column::Vectors { width, values } => {
            let rows = values.chunks(*width);
            let rows = rows.map(|row| row.iter().map(|value| f64::from(*value)).collect());
            (rows.collect(), vec![])
        }
        Column::Lists {
            offsets,
            ids,
            weights,
        } => {
            let spans = || {
                offsets
                    .array_windows()
                    .map(|[from, to]| *from as usize..*to as usize)
            };
            let rows = spans().map(|span| ids.get(span).unwrap_or_default().to_vec().into());
            let weights = spans().map(|span| {
                let weights = weights.get(span).unwrap_or_default();
                weights.iter().map(|weight| f64::from(*weight)).collect()
            });
            (rows.collect(), weights.collect())
        }
    }
}

fn columns(schema: &Schema, vocabularies: &Vocabularies, feature: &Feature) -> Vec<Raw> {
    match (feature.derive, &feature.kind) {
        (Some(Derive::Time { unit, .. }), _) => vec![times(unit)],
        (Some(Derive::Length), _) => {
            let texts = ["", "éa", "one two"].map(|text| Some(text.to_owned()));
            let lists = [vec![], vec![Some(7), None], vec![Some(1); 5]].map(Some);
            vec![
                Raw::Texts([None].into_iter().chain(texts).collect()),
                Raw::IntLists([None].into_iter().chain(lists).collect()),
            ]
        }
        (None, FeatureKind::Embedded { table, input, .. }) => match input {
            Input::One { .. } => {
                let (ints, texts) = samples(schema, vocabularies, *table);
                let ints = (!ints.is_empty()).then(|| Raw::Ints(with_null(ints)));
                let texts = (!texts.is_empty()).then(|| Raw::Texts(with_null(texts)));
                ints.into_iter().chain(texts).collect()
            }
            Input::List { last, .. } => {
                let (ints, texts) = samples(schema, vocabularies, *table);
                let ints = (!ints.is_empty()).then(|| Raw::IntLists(lists(&ints, *last)));
                let texts = (!texts.is_empty()).then(|| Raw::TextLists(lists(&texts, *last)));
                ints.into_iter().chain(texts).collect()
            }
            Input::Buckets { boundaries, .. } => {
                let near = boundaries.iter().take(KNOWN);
                let near = near.flat_map(|&boundary| [boundary.next_down(), boundary]);
                let all = near.chain([-1e9, 1e9]).map(Some);
                vec![Raw::Floats([None].into_iter().chain(all).collect())]
            }
        },
        (None, FeatureKind::Number(_)) => {
            let all = [None, Some(-2.5), Some(0.0), Some(1.0), Some(1000.0)];
            vec![Raw::Floats(all.to_vec())]
        }
        // A vector is an input as it is.
        (None, FeatureKind::Vector { .. }) => vec![],
    }
}

/// 1970, a second before it, and 25 April 2022, 13:59:59.
fn times(unit: Unit) -> Raw {
    let per_second = match unit {
        Unit::Seconds => 1,
        Unit::Milliseconds => 1000,
        Unit::Microseconds => 1_000_000,
    };
    let times = [0, -1, 1_650_895_199].map(|seconds| Some(seconds * per_second));
    Raw::Ints([None].into_iter().chain(times).collect())
}

/// Whole numbers and strings to look up in a table: some that it knows and one that it may not know, of each kind that it
/// knows.
fn samples(
    schema: &Schema,
    vocabularies: &Vocabularies,
    table: TableId,
) -> (Vec<i64>, Vec<String>) {
    let table = schema.table(table);
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let (mut ints, mut strings): (Vec<i64>, Vec<String>) = match &table.index {
        Index::Hash => {
            return (
                vec![0, 1, -1, 20_220_425],
                texts(&["", "a", "é", "LongImport"]),
            );
        }
        Index::Buckets => return (vec![], vec![]),
        Index::Values(_) | Index::Lines { .. } => {
            let (mut ints, mut strings) = (vec![], vec![]);
            for value in table.index.values().iter().take(KNOWN) {
                match value {
                    Value::Int(value) => ints.push(*value),
                    Value::Text(value) => strings.push(value.to_string()),
                }
            }
            (ints, strings)
        }
        Index::Vocabulary { .. } => {
            let mut learned = vocabularies.learned();
            let learned = learned.find(|learned| learned.table == table.name);
            let values = learned.map(|learned| &*learned.values).unwrap_or_default();
            let (mut ints, mut strings) = (vec![], vec![]);
            for value in values.iter().take(KNOWN) {
                match value {
                    RawValue::Int(value) => ints.push(*value),
                    // A column of these has another type.
                    RawValue::Unsigned(_) => {}
                    RawValue::Text(value) => strings.push(value.to_string()),
                }
            }
            (ints, strings)
        }
    };
    if !ints.is_empty() {
        ints.push(-987_654_321);
    }
    if !strings.is_empty() {
        strings.push("a value that is not known".to_owned());
    }
    (ints, strings)
}

fn with_null<T>(values: Vec<T>) -> Vec<Option<T>> {
    [None]
        .into_iter()
        .chain(values.into_iter().map(Some))
        .collect()
}

/// Lists of some values: none, an empty one, one with a missing entry, and one that is longer than what is read.
fn lists<T: Clone>(values: &[T], last: Option<usize>) -> Vec<Option<Vec<Option<T>>>> {
    let all: Vec<Option<T>> = values.iter().cloned().map(Some).collect();
    let gap = all.first().cloned().flatten();
    let length = last.unwrap_or(0).min(20) + all.len();
    let long = all.iter().rev().cycle().take(length).cloned().collect();
    vec![
        None,
        Some(vec![]),
        Some(vec![gap, None]),
        Some(all),
        Some(long),
    ]
}

impl Raw {
    fn array(&self) -> ArrayRef {
        match self {
            Self::Ints(values) => Arc::new(Int64Array::from(values.clone())),
            Self::Floats(values) => Arc::new(Float64Array::from(values.clone())),
            Self::Texts(values) => Arc::new(StringArray::from(values.clone())),
            Self::IntLists(lists) => {
                let mut builder = ListBuilder::new(Int64Builder::new());
                builder.extend(lists.iter().cloned());
                Arc::new(builder.finish())
            }
            Self::TextLists(lists) => {
                let mut builder = ListBuilder::new(StringBuilder::new());
                builder.extend(lists.iter().cloned());
                Arc::new(builder.finish())
            }
        }
    }

    fn json(&self) -> Vec<Json> {
        match self {
            Self::Ints(values) => values.iter().map(|value| (*value).into()).collect(),
            Self::Floats(values) => values.iter().map(|value| (*value).into()).collect(),
            Self::Texts(values) => values.iter().map(|value| value.clone().into()).collect(),
            Self::IntLists(lists) => lists.iter().map(|list| list.clone().into()).collect(),
            Self::TextLists(lists) => lists.iter().map(|list| list.clone().into()).collect(),
        }
    }

    /// Weights for the entries of lists: 1, 0.5, 0 and again.
    fn weights(&self) -> (ArrayRef, Vec<Json>) {
        let lengths: Vec<usize> = match self {
            Self::IntLists(lists) => lists.iter().flatten().map(Vec::len).collect(),
            Self::TextLists(lists) => lists.iter().flatten().map(Vec::len).collect(),
            Self::Ints(_) | Self::Floats(_) | Self::Texts(_) => vec![],
        };
        // The first list is missing, and so are its weights.
        let of = |length: usize| -> Vec<f32> {
            let weights = [1.0, 0.5, 0.0].into_iter().cycle();
            weights.take(length).collect()
        };
        let lists: Vec<Option<Vec<f32>>> = [None]
            .into_iter()
            .chain(lengths.into_iter().map(|length| Some(of(length))))
            .collect();
        let field = Field::new_list_field(DataType::Float32, true);
        let mut builder = ListBuilder::new(Float32Builder::new()).with_field(field);
        let entries = |list: &Vec<f32>| list.iter().copied().map(Some).collect::<Vec<_>>();
        builder.extend(lists.iter().map(|list| list.as_ref().map(entries)));
        let json = lists.iter().map(|list| list.clone().into()).collect();
        (Arc::new(builder.finish()), json)
    }
}
