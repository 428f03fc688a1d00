//! From a batch's table rows to the inputs of the towers.

#![expect(
    clippy::indexing_slicing,
    reason = "places and columns are those of one batch and one layout"
)]

use std::ops::Range;

use rayon::prelude::*;

use crate::data::ahead::fetch;
use crate::data::batch::{Column, TowerBatch};
use crate::layers::{Field, FieldKind, Layout};
use crate::schema::{FeatureKind, Input, Pool, Schema, Tower};
use crate::tables::Tables;
use crate::tables::clock::Clock;
use crate::tables::table::Table;

/// Rows that one task of a parallel gather takes.
const TASK_ROWS: usize = 64;

/// Places between the one that is gathered and the one whose table rows are asked for: they lie all over memory.
const AHEAD: usize = 2;

/// Inputs of one domain's rows in host memory, row-major, in the order of the places.
#[derive(Debug, Clone, PartialEq)]
pub struct DomainRows {
    /// Rows.
    pub rows: usize,
    /// `[rows, embedded_width]`.
    pub embedded: Vec<f32>,
    /// `[rows, vector_width]`.
    pub vectors: Vec<f32>,
    /// `[rows, numbers]`.
    pub numbers: Vec<f32>,
    /// Batch rows that each stands for; empty if each stands for one.
    pub repeats: Vec<u32>,
}

/// An embedded feature of a domain: where its rows come from and go to.
pub(super) struct EmbeddedField<'a> {
    pub table: usize,
    pub column: &'a Column,
    pub input: &'a Input,
    /// Columns of the leaf.
    pub columns: Range<usize>,
}

pub(super) fn domain(
    tables: &Tables,
    tower: Tower,
    layout: &Layout,
    batch: &TowerBatch,
    places: Range<usize>,
) -> Option<DomainRows> {
    if places.is_empty() {
        return None;
    }
    let rows = places.len();
    let fields: Vec<EmbeddedField> = embedded_fields(tables.schema, tower, layout, batch).collect();
    let width = layout.embedded_width();
    let mut embedded = vec![0.0; rows * width];
    if width > 0 {
        embedded
            .par_chunks_mut(width * TASK_ROWS)
            .enumerate()
            .for_each(|(task, rows)| {
                for (row, to) in rows.chunks_mut(width).enumerate() {
                    let place = places.start + task * TASK_ROWS + row;
                    if place + AHEAD < places.end {
                        for field in &fields {
                            let table = &tables.tables[field.table];
                            let (rows, _) = field.listed(place + AHEAD);
                            for row in rows {
                                fetch(table.record(*row as usize));
                            }
                        }
                    }
                    for field in &fields {
                        let to = &mut to[field.columns.clone()];
                        let table = &tables.tables[field.table];
                        pool(table, &tables.clocks[table.clock], field, place, to);
                    }
                }
            });
    }
    Some(DomainRows {
        rows,
        embedded,
        vectors: values(
            layout,
            batch,
            FieldKind::Vector,
            layout.embedded_width(),
            layout.vector_width(),
            &places,
        ),
        repeats: batch
            .shared
            .as_ref()
            .and_then(|shared| shared.count.get(places.clone()))
            .unwrap_or_default()
            .to_vec(),
        numbers: values(
            layout,
            batch,
            FieldKind::Number,
            layout.embedded_width() + layout.vector_width(),
            layout.numbers(),
            &places,
        ),
    })
}

/// The embedded features of a domain, in canonical order.
pub(super) fn embedded_fields<'a>(
    schema: &'a Schema,
    tower: Tower,
    layout: &'a Layout,
    batch: &'a TowerBatch,
) -> impl Iterator<Item = EmbeddedField<'a>> + use<'a> {
    let features = schema.features(tower);
    layout
        .fields()
        .iter()
        .filter_map(|field| match &features[field.feature].kind {
            FeatureKind::Embedded { table, input, .. } => Some(EmbeddedField {
                table: table.0,
                column: &batch.columns[field.feature],
                input,
                columns: field.columns.clone(),
            }),
            FeatureKind::Vector { .. } | FeatureKind::Number(_) => None,
        })
}

impl EmbeddedField<'_> {
    /// Table rows of a place, and their weights; none if they count alike.
    #[inline]
    fn listed(&self, place: usize) -> (&[u32], &[f32]) {
        match self.column {
            Column::Ids(ids) => (&ids[place..=place], &[]),
            Column::Lists {
                offsets,
                ids,
                weights,
            } => {
                let span = offsets[place] as usize..offsets[place + 1] as usize;
                (&ids[span.clone()], weights.get(span).unwrap_or_default())
            }
            Column::Vectors { .. } | Column::Numbers(_) => (&[], &[]),
        }
    }

    /// Table rows of a place with the factor of each, those of row 0 left out.
    #[inline]
    pub(super) fn entries(&self, place: usize) -> impl Iterator<Item = (usize, f32)> {
        let (rows, weights) = self.listed(place);
        let weight = move |entry: usize| weights.get(entry).copied().unwrap_or(1.0);
        let used = rows.iter().enumerate().filter(|(_, row)| **row != 0);
        let sum = match self.input {
            Input::List {
                pool: Pool::Mean, ..
            } => {
                let sum: f32 = used.clone().map(|(entry, _)| weight(entry)).sum();
                // Nothing counts where all weights are 0.
                if sum > 0.0 { sum } else { f32::INFINITY }
            }
            Input::List {
                pool: Pool::Sum, ..
            }
            | Input::One { .. }
            | Input::Buckets { .. } => 1.0,
        };
        // A weight is divided by the sum itself: of a tiny one the inverse is infinite.
        let alike = 1.0 / sum;
        let factor = move |entry: usize| weights.get(entry).map_or(alike, |weight| weight / sum);
        used.map(move |(entry, row)| (*row as usize, factor(entry)))
    }
}

/// Adds the entries of a place up in `to`, which is zero.
#[inline]
fn pool(table: &Table, clock: &Clock, field: &EmbeddedField, place: usize, to: &mut [f32]) {
    for (row, factor) in field.entries(place) {
        table.rule.add(table.record(row), clock, factor, to);
    }
}

/// The fields of a kind side by side; `start` is their first column of x_d.
fn values(
    layout: &Layout,
    batch: &TowerBatch,
    kind: FieldKind,
    start: usize,
    width: usize,
    places: &Range<usize>,
) -> Vec<f32> {
    let mut to = vec![0.0; places.len() * width];
    let fields: Vec<&Field> = layout
        .fields()
        .iter()
        .filter(|field| field.kind == kind)
        .collect();
    if width == 0 {
        return to;
    }
    for field in fields {
        let columns = field.columns.start - start..field.columns.end - start;
        let (Column::Vectors { values, .. } | Column::Numbers(values)) =
            &batch.columns[field.feature]
        else {
            continue;
        };
        let from = &values[places.start * columns.len()..places.end * columns.len()];
        for (to, from) in to.chunks_mut(width).zip(from.chunks(columns.len())) {
            to[columns.clone()].copy_from_slice(from);
        }
    }
    to
}
