//! What each column of made-up data holds.

use std::collections::BTreeMap;

use crate::schema::{Feature, Index, Kind, Label, Pool, Schema, Split, Tower, Transform, Value};

/// Most values of a table of strings.
const TEXTS: usize = 40;
/// Tables of more rows hold whole numbers, those of fewer strings.
const TEXT_ROWS: usize = 1024;

/// The columns, by name.
pub(super) struct Plan {
    pub schema: &'static Schema,
    pub columns: BTreeMap<&'static str, Content>,
}

/// What a column holds.
pub(super) enum Content {
    /// Raw values of the tower's domains.
    Domain(Tower),
    /// Values of the split's ranges, each with the share of rows up to its range's end.
    Split(Vec<(f64, Value, Value)>),
    /// 1 if one of the tasks has its action.
    Action(Vec<usize>),
    /// Score of a task.
    Score(usize),
    /// 0 or 1, mostly 1: whether a row has a label of some task.
    Mask,
    /// A row's weight.
    Weight,
    /// Inputs of the towers.
    Input(Input),
}

/// An input column.
pub(super) struct Input {
    pub kind: InputKind,
    /// Features that read it.
    pub users: Vec<(Tower, &'static Feature)>,
}

pub(super) enum InputKind {
    Value(Universe),
    List(Universe),
    Vector { width: usize },
    Number(Transform),
}

/// Values of a table.
#[derive(Clone, Copy)]
pub(super) struct Universe {
    pub table: usize,
    pub values: Values,
}

#[derive(Clone, Copy)]
pub(super) enum Values {
    /// Those of the spec.
    Declared(&'static [Value]),
    /// 1 to this number.
    Ints(usize),
    /// `v1` to this number.
    Texts(usize),
}

impl Plan {
    pub(super) fn new(schema: &'static Schema, rows: u64) -> Self {
        let mut columns: BTreeMap<&'static str, Content> = BTreeMap::new();
        for tower in [Tower::Query, Tower::Item] {
            columns.insert(schema.axis(tower).column, Content::Domain(tower));
        }
        if let Split::Column {
            column,
            train,
            validate,
            test,
            ..
        } = &schema.split
        {
            let ranges = shares(&[(0.8, train), (0.1, validate), (0.1, test)]);
            columns.entry(column).or_insert(Content::Split(ranges));
        }
        for (task, declared) in schema.tasks.iter().enumerate() {
            for column in declared.action {
                match columns.entry(column).or_insert(Content::Action(Vec::new())) {
                    Content::Action(tasks) => tasks.push(task),
                    Content::Domain(_)
                    | Content::Split(_)
                    | Content::Score(_)
                    | Content::Mask
                    | Content::Weight
                    | Content::Input(_) => {}
                }
            }
        }
        for (task, declared) in schema.tasks.iter().enumerate() {
            if let Label::Score(column) = declared.label {
                columns.entry(column).or_insert(Content::Score(task));
            }
        }
        for task in schema.tasks {
            for column in task.mask {
                columns.entry(column).or_insert(Content::Mask);
            }
            if let Some(column) = task.sample_weight {
                columns.entry(column).or_insert(Content::Weight);
            }
        }
        for tower in [Tower::Query, Tower::Item] {
            for feature in schema.features(tower) {
                add_input(schema, &mut columns, tower, feature, rows);
            }
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
    let kind = match feature.kind {
        Kind::Embedded { table, pool, .. } => {
            let universe = Universe {
                table,
                values: values(schema, table, rows),
            };
            match pool {
                None => InputKind::Value(universe),
                Some(Pool::Mean | Pool::Sum) => InputKind::List(universe),
            }
        }
        Kind::Vector { width } => InputKind::Vector { width },
        Kind::Number(transform) => InputKind::Number(transform),
    };
    let content = columns.entry(feature.column);
    let content = content.or_insert_with(|| {
        Content::Input(Input {
            kind,
            users: Vec::new(),
        })
    });
    if let Content::Input(input) = content {
        // Features that share a column may have tables of their own: an inline vocabulary decides.
        if let Kind::Embedded { table, .. } = feature.kind
            && let (InputKind::Value(universe) | InputKind::List(universe), Values::Declared(_)) =
                (&mut input.kind, values(schema, table, rows))
        {
            *universe = Universe {
                table,
                values: values(schema, table, rows),
            };
        }
        input.users.push((tower, feature));
    }
}

/// Enough values for a long tail in which most are still seen several times.
fn values(schema: &Schema, table: usize, rows: u64) -> Values {
    let Some(table) = schema.tables.get(table) else {
        return Values::Ints(1);
    };
    let room = table.rows.saturating_sub(1).max(1);
    match table.index {
        Index::Values(values) => Values::Declared(values),
        Index::Vocabulary { .. } if table.rows <= TEXT_ROWS => Values::Texts(room.min(TEXTS)),
        Index::Hash | Index::Vocabulary { .. } => {
            let seen = usize::try_from(rows / 10).unwrap_or(usize::MAX);
            Values::Ints(room.min(seen.max(16)))
        }
    }
}

/// Gives every range its share of the rows, in order; parts without a range leave theirs to the others.
fn shares(parts: &[(f64, &[(Value, Value)])]) -> Vec<(f64, Value, Value)> {
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
            shares.push((end, *from, *to));
        }
    }
    shares
}
