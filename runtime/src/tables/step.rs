//! Steps the rows that a batch uses, from the gradients of the inputs.

#![expect(
    clippy::indexing_slicing,
    reason = "uses are those of the batch whose gradients these are, which `Tables::step` checks; row numbers are bounded by the table"
)]

use rayon::prelude::*;

use crate::tables::clock::RateHistory;
use crate::tables::rule::{Factors, Rule};
use crate::tables::table::TableStore;
use crate::tables::uses::TableUses;

/// Rows that one task takes.
const TASK_ROWS: usize = 256;

/// Some of the rows that a batch uses, and the stretch of the table that holds them.
struct StepTask<'a> {
    /// Places of the rows in the uses.
    places: std::ops::Range<usize>,
    /// The table's row that the stretch begins with.
    start: usize,
    records: &'a mut [f32],
}

/// Brings the rows up to date.
pub(super) fn catch_up(table: &mut TableStore, uses: &TableUses, clock: &RateHistory) {
    if !table.rule.is_dense() {
        return;
    }
    let rule = table.rule;
    tasks(table, uses).into_par_iter().for_each(|mut task| {
        for place in task.places.clone() {
            rule.catch_up(task.record(&rule, uses.rows[place]), clock);
        }
    });
}

/// Steps the rows from the present step to the next, at this factor of the peak rate. `gradients`
/// are those of the embedded columns, by input.
pub(super) fn step(
    table: &mut TableStore,
    uses: &TableUses,
    gradients: &[&[f32]],
    clock: &RateHistory,
    factor: f64,
) {
    let factors = Factors::new(clock, factor);
    let (dim, rule) = (table.declared.dim, table.rule);
    tasks(table, uses).into_par_iter().for_each_init(
        || vec![0.0; dim],
        |gradient, mut task| {
            for place in task.places.clone() {
                gradient.fill(0.0);
                for used in uses.of(place) {
                    let start = used.start as usize;
                    let from = &gradients[used.input as usize][start..start + dim];
                    for (sum, from) in gradient.iter_mut().zip(from) {
                        *sum += used.factor * from;
                    }
                }
                let record = task.record(&rule, uses.rows[place]);
                rule.step(record, gradient, clock, &factors);
            }
        },
    );
}

/// Cuts the rows into tasks, each with the table's rows from its first to the next task's.
fn tasks<'a>(table: &'a mut TableStore, uses: &TableUses) -> Vec<StepTask<'a>> {
    let stride = table.rule.stride();
    let mut records = table.records.as_mut_slice();
    let (mut start, mut first) = (0, 0);
    let mut tasks = Vec::with_capacity(uses.rows.len().div_ceil(TASK_ROWS));
    for rows in uses.rows.chunks(TASK_ROWS) {
        let end = rows[rows.len() - 1] as usize + 1;
        let (head, tail) = records.split_at_mut((end - start) * stride);
        records = tail;
        tasks.push(StepTask {
            places: first..first + rows.len(),
            start,
            records: head,
        });
        (start, first) = (end, first + rows.len());
    }
    tasks
}

impl StepTask<'_> {
    #[inline]
    fn record(&mut self, rule: &Rule, row: u32) -> &mut [f32] {
        let stride = rule.stride();
        let place = (row as usize - self.start) * stride;
        &mut self.records[place..place + stride]
    }
}
