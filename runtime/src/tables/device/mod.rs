//! Embedding tables in device memory: the records of the host, all tables one after another, stepped by the same rules.
//!
//! Which rows a batch uses follows from the data, as on the host. How far behind a row of AdamW lies the host knows as
//! well, since it knows when each was last used; so it sends what such rows have missed, and nothing has to come back.

mod batch;
pub(super) mod kernels;

use std::collections::BTreeMap;

use cubecl::prelude::CubeCount;

pub use self::batch::{DeviceLayout, TableBatch};
use self::kernels::{chunk, used};
use crate::bug::{bug, check, zip_equal};
use crate::exec::device::kernels::words::{NONE, OWN};
use crate::exec::device::kernels::{LINES, cube_dim};
use crate::exec::device::{Device, DeviceArray, Doing, Pass, by_item, word};
use crate::profile::Part;
use crate::tables::clock::Mark;
use crate::tables::rule::Factors;
use crate::tables::{TableUses, Tables, clock_of};

/// Tables on a device.
#[derive(Debug)]
pub struct DeviceTables {
    records: DeviceArray,
    /// Words of the tables.
    words: DeviceArray,
    /// By table of AdamW and row: the step that it is up to date at. Of other tables none.
    last: Vec<Vec<u32>>,
    /// The most columns of a table.
    width: usize,
}

/// What a step needs of a batch on the device, from the gather to the tables' step.
#[derive(Debug)]
pub struct UsedRows {
    rows: DeviceArray,
    count: usize,
}

/// What the host knew of the tables before a step.
#[derive(Debug)]
pub struct Before {
    steps: u32,
    clocks: Vec<Mark>,
    /// Rows whose state has changed: table, row, and the step that it was up to date at.
    last: Vec<(usize, u32, u32)>,
}

/// Whether a device has room for the records, in one array that kernels can address.
pub fn fit(device: &Device, tables: &Tables) -> bool {
    let addressed = u64::from(OWN) * size_of::<f32>() as u64;
    let most = device.properties().memory.max_page_size;
    (tables.bytes() as u64) < most.min(addressed)
}

impl DeviceTables {
    /// A copy of the host's.
    pub fn copy(device: &Device, tables: &Tables) -> Self {
        let mut records = Vec::with_capacity(tables.bytes() / size_of::<f32>());
        let (mut words, mut last) = (Vec::new(), Vec::new());
        for of in &tables.tables {
            words.extend(of.rule.words(of.clock));
            let rows = of.records.chunks_exact(of.rule.stride());
            last.push(rows.map_while(|record| of.rule.last(record)).collect());
            records.extend_from_slice(&of.records);
        }
        let widths = tables.tables.iter().map(|table| table.declared.dim);
        Self {
            records: DeviceArray::copy(device, &records),
            words: DeviceArray::copy(device, &words),
            last,
            width: widths.max().unwrap_or(0),
        }
    }

    /// Brings the rows that a batch uses up to date and puts them, and the batch's data, into the rows of a pass; the step
    /// of these rows must follow. Does nothing to the tables if the device's `state` is that of a failure.
    pub fn gather(
        &mut self,
        device: &Device,
        (tables, uses): (&Tables, &[TableUses]),
        batch: &TableBatch,
        pass: &Pass<'_>,
        state: &DeviceArray,
    ) -> (UsedRows, Before) {
        let used = UsedRows {
            rows: DeviceArray::copy(device, &batch.rows),
            count: batch.rows.len() / used::WORDS,
        };
        let (steps, clocks) = tables.mark();
        let mut before = Before {
            steps,
            clocks,
            last: Vec::new(),
        };
        let (behind, missed) = self.missed(tables, uses, &mut before.last);
        device.doing(Doing::Part(Part::Gather));
        if !missed.is_empty() {
            kernels::catch_up::launch(
                device,
                lines(used.count),
                cube_dim(),
                self.words.argument(),
                used.rows.argument(),
                DeviceArray::copy(device, &behind).argument(),
                DeviceArray::copy(device, &missed).argument(),
                state.argument(),
                self.records.argument(),
                word(used.count),
            );
        }
        pass.gather(&self.records, &batch.entries, &batch.data);
        (used, before)
    }

    /// Steps the rows that a batch uses, at this factor of the tables' peak learning rates. `gradients` are those of all
    /// embedded fields. The clocks of the host's tables advance.
    pub fn step(
        &self,
        device: &Device,
        tables: &mut Tables,
        (batch, used): (&TableBatch, &UsedRows),
        gradients: &DeviceArray,
        state: &DeviceArray,
        factor: f64,
    ) {
        device.doing(Doing::Part(Part::Tables));
        let chunks = batch.chunks.len() / chunk::WORDS;
        if used.count > 0 {
            let sums = DeviceArray::uninitialised(device, chunks * self.width);
            kernels::add_up::launch(
                device,
                lines(chunks),
                cube_dim(),
                DeviceArray::copy(device, &batch.chunks).argument(),
                DeviceArray::copy(device, &batch.uses).argument(),
                gradients.argument(),
                sums.argument(),
                word(chunks),
                word(self.width),
            );
            let clocks = tables.clocks.iter();
            let factors = clocks.flat_map(|clock| Factors::new(clock, factor).numbers());
            let factors: Vec<f32> = factors.collect();
            kernels::step::launch(
                device,
                lines(used.count),
                cube_dim(),
                self.words.argument(),
                used.rows.argument(),
                sums.argument(),
                DeviceArray::copy(device, &factors).argument(),
                state.argument(),
                self.records.argument(),
                word(used.count),
                word(self.width),
            );
        }
        tables.advance(factor);
    }

    /// For each row that a batch uses, which of the following it has missed, and what rows have missed. All of them will
    /// be up to date at the next step.
    fn missed(
        &mut self,
        tables: &Tables,
        uses: &[TableUses],
        changed: &mut Vec<(usize, u32, u32)>,
    ) -> (Vec<u32>, Vec<f32>) {
        let (mut behind, mut missed) = (Vec::new(), Vec::new());
        let mut known: BTreeMap<(usize, u32), u32> = BTreeMap::new();
        let tables_of = zip_equal(&tables.tables, zip_equal(&mut self.last, uses));
        for (index, (table, (last, uses))) in tables_of.enumerate() {
            let clock = clock_of(&tables.clocks, table);
            let now = clock.now();
            for row in &uses.rows {
                let Some(last) = last.get_mut(*row as usize) else {
                    behind.push(NONE);
                    continue;
                };
                let before = std::mem::replace(last, now + 1);
                changed.push((index, *row, before));
                if before >= now {
                    behind.push(NONE);
                    continue;
                }
                let place = known.entry((table.clock, before)).or_insert_with(|| {
                    missed.extend(clock.catch_up(before, 1.0).numbers());
                    word(missed.len() / kernels::missed::NUMBERS - 1)
                });
                behind.push(*place);
            }
        }
        (behind, missed)
    }

    /// Takes back the last step, which was counted and not made.
    pub fn rewind(&mut self, tables: &mut Tables, before: &Before) {
        tables.steps = before.steps;
        for (clock, mark) in zip_equal(&mut tables.clocks, &before.clocks) {
            clock.rewind(mark);
        }
        for &(table, row, step) in &before.last {
            let last = self.last.get_mut(table);
            match last.and_then(|last| last.get_mut(row as usize)) {
                Some(last) => *last = step,
                None => bug!("no row {row} of table {table}"),
            }
        }
    }

    /// Gives the host's tables what the device's have become.
    pub fn bring_home(self, device: &Device, tables: &mut Tables) {
        let all = tables.bytes() / size_of::<f32>();
        let records = self.records.read(device, all);
        let mut left = records.as_slice();
        for (table, last) in zip_equal(&mut tables.tables, self.last) {
            let (here, after) = left.split_at(table.records.len());
            table.records.copy_from_slice(here);
            left = after;
            let rule = table.rule;
            let records = table.records.chunks_exact_mut(rule.stride());
            for (record, last) in records.zip(last) {
                rule.stamp(record, last);
            }
        }
        check!(left.is_empty(), "{} records of no table", left.len());
    }
}

/// A line of units for each of so many rows.
fn lines(rows: usize) -> CubeCount {
    by_item(rows.div_ceil(LINES))
}
