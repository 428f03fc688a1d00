//! Gathers a batch's table rows, vectors and numbers into the inputs of the programs.

#![expect(
    clippy::indexing_slicing,
    reason = "places and columns are those of one batch and one layout; one that does not fit stops with a message"
)]

use mtmd_schema::Tower;
use rayon::prelude::*;

use crate::bug::{bug, check};
use crate::data::batch::{Batch, Column, TowerBatch};
use crate::data::prefetch::fetch;
use crate::tables::Tables;
use crate::tables::layout::InputColumns;

/// Rows that one task takes.
const TASK_ROWS: usize = 64;

/// Places between the one that is gathered and the one whose table rows are prefetched: they are
/// scattered over memory.
const AHEAD: usize = 2;

/// The inputs of a batch: by tower and domain the fields of its rows, `[rows, width]`. Their memory
/// is reused for the next batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inputs {
    towers: [Vec<Vec<f32>>; 2],
}

/// Rows of a domain that one task gathers.
struct GatherTask<'a> {
    columns: &'a InputColumns,
    batch: &'a TowerBatch,
    /// Places of all the domain's rows.
    end: usize,
    /// Place of the first row.
    first: usize,
    to: &'a mut [f32],
}

impl Inputs {
    /// By domain of a tower.
    pub fn of(&self, tower: Tower) -> &[Vec<f32>] {
        &self.towers[tower as usize]
    }

    /// Of the query and the item tower, by domain.
    pub fn both(&self) -> [&[Vec<f32>]; 2] {
        self.towers.each_ref().map(Vec::as_slice)
    }
}

impl Tables {
    /// Fills in the inputs of a batch, with embeddings as of the last step.
    pub fn gather(&self, batch: &Batch, inputs: &mut Inputs) {
        let mut tasks = Vec::new();
        for (tower, to) in Tower::ALL.into_iter().zip(&mut inputs.towers) {
            let batch = batch.tower(tower);
            let domains = self.layout.domains(tower);
            check!(
                batch.domains.len() == domains,
                "a batch of another {} tower",
                tower.name()
            );
            to.resize(domains, Vec::new());
            for ((domain, places), to) in batch.domains.iter().enumerate().zip(to) {
                let columns = self.layout.of(tower, domain);
                to.resize(places.len() * columns.width, 0.0);
                let firsts = places.clone().step_by(TASK_ROWS);
                let pieces = to.chunks_mut((TASK_ROWS * columns.width).max(1));
                tasks.extend(firsts.zip(pieces).map(|(first, to)| GatherTask {
                    columns,
                    batch,
                    end: places.end,
                    first,
                    to,
                }));
            }
        }
        tasks.into_par_iter().for_each(|task| task.run(self));
    }
}

impl GatherTask<'_> {
    fn run(self, tables: &Tables) {
        let Self {
            columns,
            batch,
            end,
            first,
            to,
        } = self;
        for (place, to) in (first..).zip(to.chunks_mut(columns.width)) {
            if place + AHEAD < end {
                for field in &columns.fields {
                    let table = &tables.tables[field.table];
                    let (rows, _) = field.listed(&batch.columns[field.feature], place + AHEAD);
                    for row in rows {
                        fetch(table.record(*row as usize));
                    }
                }
            }
            // The rows of tables are added to it.
            to.fill(0.0);
            for field in &columns.fields {
                let table = &tables.tables[field.table];
                let clock = &tables.clocks[table.clock];
                let to = &mut to[field.columns.clone()];
                for (row, factor) in field.entries(&batch.columns[field.feature], place) {
                    table
                        .rule
                        .add(table.record(row as usize), clock, factor, to);
                }
            }
            put_data(columns, batch, place, &mut to[columns.embedded..]);
        }
    }
}

/// The fields of a place that come from no table.
pub(super) fn put_data(columns: &InputColumns, batch: &TowerBatch, place: usize, to: &mut [f32]) {
    for data in &columns.data {
        let (Column::Vectors { values, .. } | Column::Numbers(values)) =
            &batch.columns[data.feature]
        else {
            bug!("a vector or number without values");
        };
        let width = data.columns.len();
        let from = &values[place * width..(place + 1) * width];
        let start = data.columns.start - columns.embedded;
        to[start..start + width].copy_from_slice(from);
    }
}
