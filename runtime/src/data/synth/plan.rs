//! What each column of made-up data holds.

use std::collections::BTreeMap;

use crate::bug::bug;
use crate::schema::{
    self, Derive, Feature, FeatureKind, Index, Label, Schema, Split, Tower, Transform, Unit, Value,
};

/// Most values of a table of strings.
const TEXTS: usize = 40;
/// Tables of more rows hold whole numbers, those of fewer strings.
const TEXT_ROWS: usize = 1024;

/// The columns, by name.
pub(super) struct SynthPlan {
    pub schema: &'static Schema,
    pub columns: BTreeMap<&'static str, Content>,
}

/// What a column holds.
pub(super) enum Content {
    /// Raw values of the tower's domains.
    Domain(Tower),
    /// Values of the split's ranges, each with the share of rows up to its range's end.
    Split(Vec<(f64, &'static Value, &'static Value)>),
    /// 1 if one of the tasks has its action.
    Action(Vec<usize>),
    /// Score of a task.
    Score(usize),
    /// 0 or 1, mostly 1: whether a row has a label of some task.
    Mask,
    /// A row's weight.
    Weight,
    /// Number of the row's request.
    Request,
    /// Weights of the entries of a list column.
    Weights(&'static str),
    /// Inputs of the towers.
    Input(InputColumn),
}

/// An input column.
pub(super) struct InputColumn {
    pub kind: InputKind,
    /// Features that read it.
    pub users: Vec<(Tower, &'static Feature)>,
}

pub(super) enum InputKind {
    /// A time since 1970, of so many units a second.
    Time(i64),
    /// A list of nothing in particular: only its length is read.
    Length,
    Value(Universe),
    List(Universe),
    Vector {
        width: usize,
    },
    Number(Transform),
}

/// Values of a table.
#[derive(Clone, Copy)]
pub(super) struct Universe {
    pub table: usize,
    pub values: ValueRange,
}

#[derive(Clone, Copy)]
pub(super) enum ValueRange {
    /// Those of the spec.
    Declared(&'static [Value]),
    /// The first so many of the lines of a text, perhaps whole numbers.
    Lines(&'static str, usize, bool),
    /// 1 to this number.
    Ints(usize),
    /// `v1` to this number.
    Texts(usize),
}

impl Content {
    /// Whether it is the same for all rows of a request: what the query tower reads alone.
    pub(super) fn is_asked(&self, plan: &SynthPlan) -> bool {
        match self {
            Self::Domain(tower) => *tower == Tower::Query,
            Self::Input(input) => input.users.iter().all(|(tower, _)| *tower == Tower::Query),
            Self::Weights(list) => plan
                .columns
                .get(list)
                .is_some_and(|list| list.is_asked(plan)),
            Self::Request
            | Self::Split(_)
            | Self::Action(_)
            | Self::Score(_)
            | Self::Mask
            | Self::Weight => false,
        }
    }
}

impl SynthPlan {
    pub(super) fn new(schema: &'static Schema, rows: u64) -> Self {
        let mut columns: BTreeMap<&'static str, Content> = BTreeMap::new();
        for tower in Tower::ALL {
            columns.insert(&schema.axis(tower).column, Content::Domain(tower));
        }
        if let Split::Column {
            column,
            train,
            validate,
            test,
            ..
        } = &schema.rows.split
        {
            let ranges = shares(&[(0.8, train), (0.1, validate), (0.1, test)]);
            columns.entry(column).or_insert(Content::Split(ranges));
        }
        for (task, declared) in schema.tasks.iter().enumerate() {
            for column in declared.action.iter() {
                match columns.entry(column).or_insert(Content::Action(Vec::new())) {
                    Content::Action(tasks) => tasks.push(task),
                    Content::Domain(_)
                    | Content::Split(_)
                    | Content::Score(_)
                    | Content::Mask
                    | Content::Weight
                    | Content::Request
                    | Content::Weights(_)
                    | Content::Input(_) => {}
                }
            }
        }
        for (task, declared) in schema.tasks.iter().enumerate() {
            if let Label::Score(column) = &declared.label {
                columns.entry(column).or_insert(Content::Score(task));
            }
        }
        for task in schema.tasks.iter() {
            for column in task.mask.iter() {
                columns.entry(column).or_insert(Content::Mask);
            }
            if let Some(column) = &task.sample_weight {
                columns.entry(column).or_insert(Content::Weight);
            }
        }
        // A column that a feature reads as it is decides what is made of it for others.
        for derived in [false, true] {
            for tower in Tower::ALL {
                let features = schema.features(tower).iter();
                for feature in features.filter(|feature| feature.derive.is_some() == derived) {
                    add_input(schema, &mut columns, tower, feature, rows);
                }
            }
        }
        if let Some(request) = &schema.rows.request {
            columns.entry(&request.column).or_insert(Content::Request);
        }
        Self { schema, columns }
    }
}

fn add_input(
    schema: &'static Schema,
    columns: &mut BTreeMap<&'static str, Content>,
    tower: Tower,
    feature: &'static Feature,
    rows: u64,
) {
    let universe = |table| Universe {
        table,
        values: values(schema, table, rows),
    };
    let kind = match (feature.derive, &feature.kind) {
        (Some(Derive::Length), _) => InputKind::Length,
        (Some(Derive::Time { unit, .. }), _) => InputKind::Time(match unit {
            Unit::Seconds => 1,
            Unit::Milliseconds => 1000,
            Unit::Microseconds => 1_000_000,
        }),
        (None, FeatureKind::Embedded { table, input, .. }) => match input {
            schema::Input::One { .. } => InputKind::Value(universe(table.0)),
            schema::Input::List { weights, .. } => {
                if let Some(column) = weights {
                    let content = Content::Weights(&feature.column);
                    columns.entry(column).or_insert(content);
                }
                InputKind::List(universe(table.0))
            }
            schema::Input::Buckets { boundaries, .. } => InputKind::Number(around(boundaries)),
        },
        (None, FeatureKind::Vector { width }) => InputKind::Vector { width: *width },
        (None, FeatureKind::Number(transform)) => InputKind::Number(*transform),
    };
    let content = columns.entry(&feature.column);
    let content = content.or_insert_with(|| {
        Content::Input(InputColumn {
            kind,
            users: Vec::new(),
        })
    });
    if let Content::Input(input) = content {
        // Features that share a column may have tables of their own: an inline vocabulary decides.
        if let FeatureKind::Embedded { table, .. } = &feature.kind
            && feature.derive.is_none()
            && let (
                InputKind::Value(universe) | InputKind::List(universe),
                ValueRange::Declared(_) | ValueRange::Lines(..),
            ) = (&mut input.kind, values(schema, table.0, rows))
        {
            *universe = Universe {
                table: table.0,
                values: values(schema, table.0, rows),
            };
        }
        input.users.push((tower, feature));
    }
}

/// Enough values for a long tail in which most are still seen several times.
fn values(schema: &'static Schema, table: usize, rows: u64) -> ValueRange {
    let Some(table) = schema.tables.get(table) else {
        bug!("table {table} of {}", schema.tables.len());
    };
    let room = table.rows.saturating_sub(1).max(1);
    match &table.index {
        Index::Values(values) => ValueRange::Declared(values),
        Index::Lines { lines, whole, .. } => {
            ValueRange::Lines(lines, room.saturating_sub(table.oov), *whole)
        }
        Index::Vocabulary { .. } if table.rows <= TEXT_ROWS => ValueRange::Texts(room.min(TEXTS)),
        Index::Hash | Index::Vocabulary { .. } | Index::Buckets => {
            let seen = usize::try_from(rows / 10).unwrap_or(usize::MAX);
            ValueRange::Ints(room.min(seen.max(16)))
        }
    }
}

/// Numbers over all buckets.
fn around(boundaries: &[f64]) -> Transform {
    let low = boundaries.first().copied().unwrap_or_default();
    let high = boundaries.last().copied().unwrap_or_default();
    let margin = 0.2 * (high - low).max(1.0);
    Transform {
        default: 0.0,
        clip: Some((low - margin, high + margin)),
        log: false,
        standardise: None,
    }
}

/// Gives every range its share of the rows, in order; parts without a range leave theirs to the others.
fn shares(
    parts: &[(f64, &'static [(Value, Value)])],
) -> Vec<(f64, &'static Value, &'static Value)> {
    let all: f64 = parts
        .iter()
        .filter(|(_, ranges)| !ranges.is_empty())
        .map(|(share, _)| share)
        .sum();
    let mut end = 0.0;
    let mut shares = Vec::new();
    for (share, ranges) in parts {
        for (from, to) in *ranges {
            end += share / all / ranges.len() as f64;
            shares.push((end, from, to));
        }
    }
    shares
}
