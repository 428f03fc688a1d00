//! From the gradients of the leaves to a step of the touched rows.

#![expect(
    clippy::indexing_slicing,
    reason = "shapes are checked in `sources`; row numbers are bounded by the table"
)]

use std::ops::Range;

use rayon::prelude::*;

use crate::data::batch::Batch;
use crate::error::{Error, Result};
use crate::schema::{Schema, Tower};
use crate::tables::clock::Clock;
use crate::tables::gather::{EmbeddedField, embedded_fields};
use crate::tables::rule::{Factors, Rule};
use crate::tables::table::Table;
use crate::tables::{Gradients, Layouts};

/// Touched rows that one task of a parallel step takes.
const TASK_ROWS: usize = 256;

/// One feature's part of a domain's leaf: gradients of what a table gave.
pub(super) struct Source<'a> {
    field: EmbeddedField<'a>,
    places: Range<usize>,
    /// The leaf's gradient and width.
    gradient: &'a [f32],
    width: usize,
}

/// One use of a row.
#[derive(Clone, Copy)]
struct Use {
    source: u32,
    place: u32,
    factor: f32,
}

/// A row, and the place of one of its uses among all, as one number: sorted, the uses of a row stand
/// together, in their first order.
type Key = u64;

/// Some touched rows, ascending, and the stretch of the table that holds them.
struct Task<'a> {
    /// The uses of each row.
    rows: &'a [&'a [Key]],
    /// The table's row that the stretch begins with.
    start: usize,
    records: &'a mut [f32],
}

/// The sources of every table, in an order that the schema fixes.
pub(super) fn sources<'a>(
    schema: &'a Schema,
    layouts: &'a Layouts,
    batch: &'a Batch,
    gradients: &'a Gradients,
) -> Result<Vec<Vec<Source<'a>>>> {
    let mut sources: Vec<Vec<Source>> = schema.tables.iter().map(|_| Vec::new()).collect();
    let towers = [
        (Tower::Query, &batch.query, &gradients.query),
        (Tower::Item, &batch.item, &gradients.item),
    ];
    for (tower, batch, gradients) in towers {
        for (layout, places) in layouts.of(tower).iter().zip(&batch.domains) {
            let gradient = gradients
                .get(layout.domain().0)
                .and_then(Option::as_deref)
                .unwrap_or_default();
            let (rows, width) = (places.len(), layout.embedded_width());
            if gradient.len() != rows * width {
                return Err(Error::run(
                    format!("the {tower:?} tower's domain {}", layout.domain().0),
                    format!(
                        "a gradient of {} numbers for a leaf of [{rows}, {width}]",
                        gradient.len()
                    ),
                    "report this as a bug",
                ));
            }
            for field in embedded_fields(schema, tower, layout, batch) {
                sources[field.table].push(Source {
                    places: places.clone(),
                    gradient,
                    width,
                    field,
                });
            }
        }
    }
    Ok(sources)
}

/// Steps the touched rows of a table from the present step to the next, at this factor of the peak rate.
pub(super) fn table(table: &mut Table, sources: &[Source], clock: &Clock, factor: f64) {
    let (uses, mut keys) = uses(sources);
    keys.par_sort_unstable();
    let rows: Vec<&[Key]> = keys.chunk_by(|one, next| row(*one) == row(*next)).collect();
    let factors = Factors::new(clock, factor);
    let (dim, rule) = (table.declared.dim, table.rule);
    tasks(table, &rows).into_par_iter().for_each_init(
        || vec![0.0; dim],
        |gradient, task| task.step(&rule, sources, &uses, clock, &factors, gradient),
    );
}

/// All uses of a table in the order of the sources, and their keys.
fn uses(sources: &[Source]) -> (Vec<Use>, Vec<Key>) {
    let places: usize = sources.iter().map(|source| source.places.len()).sum();
    let mut uses = Vec::with_capacity(places);
    let mut keys = Vec::with_capacity(places);
    for (source, index) in sources.iter().zip(0..) {
        for (place, offset) in source.places.clone().zip(0..) {
            for (row, factor) in source.field.entries(place) {
                keys.push((row as Key) << 32 | uses.len() as Key);
                uses.push(Use {
                    source: index,
                    place: offset,
                    factor,
                });
            }
        }
    }
    (uses, keys)
}

fn row(key: Key) -> usize {
    (key >> 32) as usize
}

/// Cuts the touched rows into tasks, each with the table's rows from its first to the next task's.
fn tasks<'a>(table: &'a mut Table, rows: &'a [&'a [Key]]) -> Vec<Task<'a>> {
    let stride = table.rule.stride();
    let mut records = table.records.as_mut_slice();
    let mut start = 0;
    let mut tasks = Vec::with_capacity(rows.len().div_ceil(TASK_ROWS));
    for rows in rows.chunks(TASK_ROWS) {
        let end = row(rows[rows.len() - 1][0]) + 1;
        let (head, tail) = records.split_at_mut((end - start) * stride);
        records = tail;
        tasks.push(Task {
            rows,
            start,
            records: head,
        });
        start = end;
    }
    tasks
}

impl Task<'_> {
    fn step(
        self,
        rule: &Rule,
        sources: &[Source],
        uses: &[Use],
        clock: &Clock,
        factors: &Factors,
        gradient: &mut [f32],
    ) {
        let stride = rule.stride();
        for keys in self.rows {
            gradient.fill(0.0);
            for key in *keys {
                let entry = &uses[*key as u32 as usize];
                let source = &sources[entry.source as usize];
                let start = entry.place as usize * source.width + source.field.columns.start;
                let from = &source.gradient[start..start + gradient.len()];
                gradient
                    .iter_mut()
                    .zip(from)
                    .for_each(|(sum, from)| *sum += entry.factor * from);
            }
            let place = (row(keys[0]) - self.start) * stride;
            let record = &mut self.records[place..place + stride];
            rule.step(record, gradient, clock, factors);
        }
    }
}
