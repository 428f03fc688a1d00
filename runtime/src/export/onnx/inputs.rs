//! The inputs of a tower's graph, and the fields that are made of them.

use super::columns::{Columns, Piece};
use super::graph::{Dim, Graph, Value, int, int64};
use super::proto::{BOOL, FLOAT, INT64};
use crate::bug::bug;
use crate::schema::plan::{Field, Program, View};
use crate::schema::{Feature, FeatureKind, Input, Pool, Schema, Table, TableLookup, Tower, key};

/// Adds an input for each feature of a program, and writes the fields to the program's input. Returns the name of an input,
/// whose first dimension is the rows.
pub fn add(
    graph: &mut Graph,
    columns: &mut Columns,
    (schema, tower): (&Schema, Tower),
    program: &Program,
    lookup: TableLookup,
) -> Value {
    let mut rows = None;
    for field in program.fields.iter() {
        let feature = feature(schema, tower, *field);
        let value = match &feature.kind {
            FeatureKind::Embedded { table, input, .. } => {
                let Some(table) = schema.tables.get(table.0) else {
                    bug!("feature `{}` has no table", feature.name);
                };
                match lookup {
                    TableLookup::Inside => embedding(graph, feature, table, input),
                    TableLookup::Outside => {
                        let doc = format!(
                            "the embedding of `{}` in table `{}`",
                            feature.name, table.name
                        );
                        let dims = [Dim::batch(), Dim::Fixed(table.dim)];
                        graph.input(&feature.name, FLOAT, &dims, doc)
                    }
                }
            }
            FeatureKind::Vector { width } => {
                let dims = [Dim::batch(), Dim::Fixed(*width)];
                graph.input(&feature.name, FLOAT, &dims, "a vector".to_owned())
            }
            FeatureKind::Number(_) => {
                let doc = "a number, transformed".to_owned();
                let number = graph.input(&feature.name, FLOAT, &[Dim::batch()], doc);
                let axis = graph.ints(&[1]);
                graph.node("Unsqueeze", &[&number, &axis], &[])
            }
        };
        rows.get_or_insert_with(|| feature.name.clone().into_owned());
        let view = View {
            buffer: program.input,
            start: field.start,
            width: field.width,
        };
        columns.write(view, [Piece::whole(value, field.width)]);
    }
    match rows {
        Some(rows) => rows,
        None => bug!("a program of the {} tower reads no feature", tower.name()),
    }
}

fn feature(schema: &Schema, tower: Tower, field: Field) -> &Feature {
    match schema.features(tower).get(field.feature.0) {
        Some(feature) => feature,
        None => bug!("feature {} of the {} tower", field.feature.0, tower.name()),
    }
}

/// The row of a table, or the pooled rows.
fn embedding(graph: &mut Graph, feature: &Feature, table: &Table, input: &Input) -> Value {
    let doc = format!("rows of table `{}`, 0 for a missing value", table.name);
    let weight = graph.weight(&key::table(&table.name), &[table.rows, table.dim]);
    match input {
        Input::One { .. } | Input::Buckets { .. } => {
            let ids = graph.input(&feature.name, INT64, &[Dim::batch()], doc);
            graph.node("Gather", &[&weight, &ids], &[int("axis", 0)])
        }
        Input::List { pool, weights, .. } => {
            let dims = [Dim::batch(), Dim::Named(format!("{}.length", feature.name))];
            let ids = graph.input(&feature.name, INT64, &dims, format!("{doc} and as padding"));
            let weights = weights.as_ref().map(|_| {
                let name = format!("{}.weights", feature.name);
                graph.input(&name, FLOAT, &dims, "weights of the entries".to_owned())
            });
            let rows = graph.node("Gather", &[&weight, &ids], &[int("axis", 0)]);
            graph.pool(*pool, &rows, &ids, weights)
        }
    }
}

impl Graph {
    /// The sum or mean of rows `[batch, length, dim]`. Row 0 is zeros and does not count.
    fn pool(&mut self, pool: Pool, rows: &str, ids: &str, weights: Option<Value>) -> Value {
        let factors = match (pool, weights) {
            (Pool::Sum, weights) => weights,
            (Pool::Mean, weights) => Some(self.shares(ids, weights)),
        };
        let axis = self.ints(&[1]);
        match factors {
            None => self.node("ReduceSum", &[rows, &axis], &[int("keepdims", 0)]),
            Some(factors) => {
                let last = self.ints(&[-1]);
                let factors = self.node("Unsqueeze", &[&factors, &last], &[]);
                let scaled = self.node("Mul", &[rows, &factors], &[]);
                self.node("ReduceSum", &[&scaled, &axis], &[int("keepdims", 0)])
            }
        }
    }

    /// The share of each entry in a mean: its weight, or 1, by the sum over the entries that are not row 0; 0 where the sum
    /// is 0.
    fn shares(&mut self, ids: &str, weights: Option<Value>) -> Value {
        let counts = self.node("Cast", &[ids], &[int("to", int64(BOOL as usize))]);
        let mut shares = self.node("Cast", &[&counts], &[int("to", int64(FLOAT as usize))]);
        if let Some(weights) = weights {
            shares = self.node("Mul", &[&shares, &weights], &[]);
        }
        let axis = self.ints(&[1]);
        let sum = self.node("ReduceSum", &[&shares, &axis], &[int("keepdims", 1)]);
        let [zero, one] = [0.0, 1.0].map(|value| self.floats(&[value], &[]));
        let some = self.node("Greater", &[&sum, &zero], &[]);
        let sum = self.node("Where", &[&some, &sum, &one], &[]);
        self.node("Div", &[&shares, &sum], &[])
    }
}
