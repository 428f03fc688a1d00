//! `encoder.json`: how raw values become the inputs of the graphs, for programs that are not this one.

mod vectors;

use serde::Serialize;
use serde_json::Value as Json;

use super::slice::Slice;
use crate::error::Result;
use crate::hash::{hash_int, hash_text, row};
use crate::schema::{
    Axis, Choice as _, Derive, DomainId, DomainSet, Feature, FeatureKind, Index, Input, Schema,
    Table, Tower, Transform, Value, key,
};
use crate::training::checkpoint::{VOCABULARY, lines_file};
use crate::vocab::Vocabularies;
use vectors::TestVectors;

/// Version of the file's layout.
const FORMAT: u32 = 1;

/// The content of the file.
#[derive(Debug, Serialize)]
pub struct Encoder<'a> {
    format: u32,
    model: &'a str,
    surfaces: Keys<'a>,
    products: Keys<'a>,
    hash: Vec<Hashed>,
    tables: Vec<TableRows<'a>>,
    query: Vec<Encoding<'a>>,
    item: Vec<Encoding<'a>>,
    vectors: Vec<TestVectors>,
}

/// A domain key.
#[derive(Debug, Serialize)]
struct Keys<'a> {
    column: &'a str,
    others: &'static str,
    domains: Vec<Named<'a>>,
}

/// A domain and its values.
#[derive(Debug, Serialize)]
struct Named<'a> {
    name: &'a str,
    values: Vec<Json>,
}

/// A test vector of the hash.
#[derive(Debug, Serialize)]
struct Hashed {
    value: Json,
    hash: String,
    row_of_1000: u32,
}

/// How a table finds the row of a value.
#[derive(Debug, Serialize)]
struct TableRows<'a> {
    name: &'a str,
    key: String,
    rows: usize,
    dim: usize,
    oov: usize,
    index: &'static str,
    /// The values of a vocabulary that the spec lists, from row 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Json>>,
    /// The file of other vocabularies.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// Whether the lines of the file are whole numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<bool>,
}

/// How a column becomes an input.
#[derive(Debug, Serialize)]
struct Encoding<'a> {
    name: &'a str,
    column: &'a str,
    domains: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    derive: Option<Derive>,
    #[serde(flatten)]
    kind: Kind<'a>,
}

/// The kinds of inputs.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Kind<'a> {
    /// The row of a value.
    Id {
        table: &'a str,
        default: Option<Json>,
    },
    /// The rows of a list's values.
    Ids {
        table: &'a str,
        pool: &'static str,
        weights: Option<&'a str>,
        last: Option<usize>,
    },
    /// The interval of a number.
    Buckets {
        table: &'a str,
        boundaries: &'a [f64],
        default: Option<f64>,
    },
    /// A list of numbers.
    Vector { width: usize },
    /// A number.
    Number {
        default: f64,
        clip: Option<(f64, f64)>,
        log: bool,
        /// Mean and deviation.
        standardise: Option<(f64, f64)>,
    },
}

impl<'a> Encoder<'a> {
    /// The encoding of a slice's features.
    ///
    /// # Errors
    /// None in practice: the test vectors are values of types that a column can have.
    pub fn new(
        schema: &'static Schema,
        slice: &'a Slice,
        vocabularies: &'a Vocabularies,
    ) -> Result<Self> {
        let tables = slice.tables(schema).into_iter();
        let mut vectors = Vec::new();
        for tower in Tower::ALL {
            for (index, _) in slice.features(schema, tower) {
                vectors.extend(vectors::of_feature(schema, vocabularies, tower, index)?);
            }
        }
        let features = |tower| {
            let features = slice.features(schema, tower);
            features
                .map(|(_, feature)| encoding(schema, slice, vocabularies, tower, feature))
                .collect()
        };
        Ok(Self {
            format: FORMAT,
            model: &schema.name,
            surfaces: keys(&schema.surfaces, &slice.surfaces),
            products: keys(&schema.products, &slice.products),
            hash: hashes(),
            tables: tables.map(|table| rows(schema.table(table))).collect(),
            query: features(Tower::Query),
            item: features(Tower::Item),
            vectors,
        })
    }
}

fn keys<'a>(axis: &'a Axis, domains: &[DomainId]) -> Keys<'a> {
    let named = |id: &DomainId| {
        let domain = axis.domain(*id);
        Named {
            name: &domain.name,
            values: domain.values.iter().map(raw).collect(),
        }
    };
    Keys {
        column: &axis.column,
        others: axis.others.word(),
        domains: domains.iter().map(named).collect(),
    }
}

/// The test vectors of the hash's documentation.
fn hashes() -> Vec<Hashed> {
    let hashed = |value: Json, hash: u64| Hashed {
        value,
        hash: format!("{hash:#018x}"),
        row_of_1000: row(hash, 1000),
    };
    let ints = [0, 1, -1, 20_220_425].map(|value| hashed(value.into(), hash_int(value)));
    let texts = ["", "a", "é", "LongImport"].map(|value| hashed(value.into(), hash_text(value)));
    ints.into_iter().chain(texts).collect()
}

fn rows(table: &Table) -> TableRows<'_> {
    let (index, values, file, whole) = match &table.index {
        Index::Hash => ("hash", None, None, None),
        Index::Buckets => ("buckets", None, None, None),
        Index::Vocabulary { .. } => ("vocabulary", None, Some(VOCABULARY.to_owned()), None),
        Index::Values(values) => ("values", Some(values.iter().map(raw).collect()), None, None),
        Index::Lines { whole, .. } => ("lines", None, Some(lines_file(table)), Some(*whole)),
    };
    TableRows {
        name: &table.name,
        key: key::table(&table.name),
        rows: table.rows,
        dim: table.dim,
        oov: table.oov,
        index,
        values,
        file,
        whole,
    }
}

fn encoding<'a>(
    schema: &'a Schema,
    slice: &Slice,
    vocabularies: &Vocabularies,
    tower: Tower,
    feature: &'a Feature,
) -> Encoding<'a> {
    Encoding {
        name: &feature.name,
        column: &feature.column,
        domains: names(schema.axis(tower), slice.domains(tower), &feature.domains),
        derive: feature.derive,
        kind: match &feature.kind {
            FeatureKind::Embedded { table, input, .. } => {
                embedded(&schema.table(*table).name, input)
            }
            FeatureKind::Vector { width } => Kind::Vector { width: *width },
            FeatureKind::Number(transform) => {
                let Transform {
                    default, clip, log, ..
                } = *transform;
                let moments = vocabularies.standardising(tower, &feature.name, *transform);
                Kind::Number {
                    default,
                    clip,
                    log,
                    standardise: moments.map(|moments| (moments.mean, moments.std)),
                }
            }
        },
    }
}

fn names<'a>(axis: &'a Axis, all: &[DomainId], having: &DomainSet) -> Vec<&'a str> {
    let domains = all.iter().filter(|domain| having.has(**domain));
    domains.map(|domain| &*axis.domain(*domain).name).collect()
}

fn embedded<'a>(table: &'a str, input: &'a Input) -> Kind<'a> {
    match input {
        Input::One { default } => Kind::Id {
            table,
            default: default.as_ref().map(raw),
        },
        Input::List {
            pool,
            weights,
            last,
        } => Kind::Ids {
            table,
            pool: pool.word(),
            weights: weights.as_deref(),
            last: *last,
        },
        Input::Buckets {
            boundaries,
            default,
        } => Kind::Buckets {
            table,
            boundaries,
            default: *default,
        },
    }
}

/// A value of the spec in JSON.
fn raw(value: &Value) -> Json {
    match value {
        Value::Int(value) => (*value).into(),
        Value::Text(value) => (&**value).into(),
    }
}
