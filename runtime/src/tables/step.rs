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
use crate::tables::clock::{BETA1, BETA2, Clock, EPSILON};
use crate::tables::gather::{EmbeddedField, embedded_fields};
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

/// One use of a touched row.
#[derive(Clone, Copy)]
struct Use {
    source: u32,
    place: u32,
    factor: f32,
}

/// Some touched rows, ascending, and the stretch of the table that holds them.
struct Task<'a> {
    touched: &'a [u32],
    /// Where the uses of each touched row begin, and one more.
    offsets: &'a [u32],
    /// The table's row that the stretch begins with.
    start: usize,
    weight: &'a mut [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    last: &'a mut [u32],
}

/// AdamW's factors at one step.
struct Factors {
    decay: f32,
    rate: f32,
    /// 1 / sqrt(1 - b2^t).
    correction: f32,
}

/// The sources of every table, in an order that the schema fixes.
pub(super) fn sources<'a>(
    schema: &Schema,
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
                .get(layout.domain())
                .and_then(Option::as_deref)
                .unwrap_or_default();
            let (rows, width) = (places.len(), layout.embedded_width());
            if gradient.len() != rows * width {
                return Err(Error::run(
                    format!("the {tower:?} tower's domain {}", layout.domain()),
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

/// Steps the touched rows of a table from the present step to the next, which `lr` is for.
pub(super) fn table(table: &mut Table, sources: &[Source], clock: &Clock, lr: f64) {
    let touched = touched_rows(table, sources);
    let (offsets, uses) = uses(table, sources, &touched);
    touched
        .iter()
        .for_each(|row| table.slot[*row as usize] = u32::MAX);
    let factors = Factors::new(clock, lr);
    let dim = table.dim;
    tasks(table, &touched, &offsets)
        .into_par_iter()
        .for_each_init(
            || vec![0.0; dim],
            |gradient, mut task| task.step(dim, sources, &uses, clock, &factors, gradient),
        );
}

/// The rows that the sources use, ascending; each one's slot is its place among them.
fn touched_rows(table: &mut Table, sources: &[Source]) -> Vec<u32> {
    let mut touched = Vec::new();
    for source in sources {
        for place in source.places.clone() {
            for (row, _) in source.field.entries(place) {
                let slot = &mut table.slot[row];
                if *slot == u32::MAX {
                    *slot = 0;
                    touched.push(row as u32);
                }
            }
        }
    }
    touched.sort_unstable();
    for (row, slot) in touched.iter().zip(0..) {
        table.slot[*row as usize] = slot;
    }
    touched
}

/// The uses of the touched rows, side by side for each row, in the order of the sources.
fn uses(table: &Table, sources: &[Source], touched: &[u32]) -> (Vec<u32>, Vec<Use>) {
    let entries = || {
        sources.iter().zip(0..).flat_map(|(source, index)| {
            source.places.clone().flat_map(move |place| {
                let use_of = move |factor| Use {
                    source: index,
                    place: (place - source.places.start) as u32,
                    factor,
                };
                let entries = source.field.entries(place);
                entries.map(move |(row, factor)| (row, use_of(factor)))
            })
        })
    };
    let mut offsets = vec![0u32; touched.len() + 1];
    for (row, _) in entries() {
        offsets[table.slot[row] as usize + 1] += 1;
    }
    for slot in 0..touched.len() {
        offsets[slot + 1] += offsets[slot];
    }
    let mut next = offsets.clone();
    let mut uses = vec![
        Use {
            source: 0,
            place: 0,
            factor: 0.0
        };
        offsets[touched.len()] as usize
    ];
    for (row, entry) in entries() {
        let next = &mut next[table.slot[row] as usize];
        uses[*next as usize] = entry;
        *next += 1;
    }
    (offsets, uses)
}

/// Cuts the touched rows into tasks, each with the table's rows from its first to the next task's.
fn tasks<'a>(table: &'a mut Table, touched: &'a [u32], offsets: &'a [u32]) -> Vec<Task<'a>> {
    let dim = table.dim;
    let (mut weight, mut first) = (table.weight.as_mut_slice(), table.first.as_mut_slice());
    let (mut second, mut last) = (table.second.as_mut_slice(), table.last.as_mut_slice());
    let mut start = 0;
    let mut tasks = Vec::with_capacity(touched.len().div_ceil(TASK_ROWS));
    for (index, touched) in touched.chunks(TASK_ROWS).enumerate() {
        let end = touched[touched.len() - 1] as usize + 1;
        let size = end - start;
        let place = index * TASK_ROWS;
        tasks.push(Task {
            touched,
            offsets: &offsets[place..=place + touched.len()],
            start,
            weight: cut(&mut weight, size * dim),
            first: cut(&mut first, size * dim),
            second: cut(&mut second, size * dim),
            last: cut(&mut last, size),
        });
        start = end;
    }
    tasks
}

/// Cuts the first `size` items off.
fn cut<'a, T>(rest: &mut &'a mut [T], size: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(rest).split_at_mut(size);
    *rest = tail;
    head
}

impl Task<'_> {
    fn step(
        &mut self,
        dim: usize,
        sources: &[Source],
        uses: &[Use],
        clock: &Clock,
        factors: &Factors,
        gradient: &mut [f32],
    ) {
        for (index, &row) in self.touched.iter().enumerate() {
            gradient.fill(0.0);
            for entry in &uses[self.offsets[index] as usize..self.offsets[index + 1] as usize] {
                let source = &sources[entry.source as usize];
                let start = entry.place as usize * source.width + source.field.columns.start;
                let from = &source.gradient[start..start + dim];
                gradient
                    .iter_mut()
                    .zip(from)
                    .for_each(|(sum, from)| *sum += entry.factor * from);
            }
            let row = row as usize - self.start;
            let span = row * dim..(row + 1) * dim;
            let (weight, first) = (
                &mut self.weight[span.clone()],
                &mut self.first[span.clone()],
            );
            let second = &mut self.second[span];
            if self.last[row] < clock.now() {
                clock.catch_up(self.last[row]).apply(weight, first, second);
            }
            self.last[row] = clock.now() + 1;
            factors.apply(weight, first, second, gradient);
        }
    }
}

impl Factors {
    fn new(clock: &Clock, lr: f64) -> Self {
        let step = f64::from(clock.now() + 1);
        Self {
            decay: clock.decay(lr) as f32,
            rate: (lr / (1.0 - BETA1.powf(step))) as f32,
            correction: (1.0 / (1.0 - BETA2.powf(step)).sqrt()) as f32,
        }
    }

    #[inline]
    fn apply(&self, weight: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        const KEEP: [f32; 2] = [BETA1 as f32, BETA2 as f32];
        const TAKE: [f32; 2] = [(1.0 - BETA1) as f32, (1.0 - BETA2) as f32];
        for (((weight, first), second), gradient) in
            weight.iter_mut().zip(first).zip(second).zip(gradient)
        {
            *first = KEEP[0] * *first + TAKE[0] * gradient;
            *second = KEEP[1] * *second + TAKE[1] * gradient * gradient;
            let size = second.sqrt() * self.correction + EPSILON as f32;
            *weight = self.decay * *weight - self.rate * *first / size;
        }
    }
}
