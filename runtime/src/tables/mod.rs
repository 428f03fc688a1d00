//! Embedding tables, in host memory.
//!
//! The cost of a step depends on the rows that its batch uses, not on the size of the tables. Which
//! rows it uses, and for what, follows from the data alone ([`TableUses`], made by the loader's
//! threads). [`Tables::catch_up`] brings them up to date, [`Tables::gather`] puts them in the inputs of
//! the towers' programs, and [`Tables::step`] adds the inputs' gradients up by row and steps only these
//! rows, with the optimiser of their table (`rule.rs`). Under AdamW, rows that a step does not use lag
//! behind; the updates that they missed are applied when they are next used. So training equals dense
//! AdamW, up to rounding and to the second order in its epsilon (`clock.rs` explains how, and how
//! close). All results are the same for any number of threads.

mod clock;
#[cfg(feature = "device")]
pub mod device;
mod files;
mod gather;
mod layout;
mod rule;
mod step;
mod table;
mod uses;

use std::sync::Arc;

use mtmd_schema::Tower;
use mtmd_schema::plan::Plan;
use rayon::prelude::*;

use crate::bug::check;
use crate::schema::{self, Embeddings, Schema, Training};
#[cfg(feature = "device")]
use crate::tables::clock::Mark;
use crate::tables::clock::RateHistory;
use crate::tables::rule::Rule;
use crate::tables::table::TableStore;

pub use gather::Inputs;
pub use layout::TableLayout;
pub use uses::TableUses;

/// The embedding tables of a model, with or without the state of their optimisers.
#[derive(Debug, Clone)]
pub struct Tables {
    /// One per table of the schema.
    tables: Vec<TableStore>,
    /// One for each learning rate and weight decay.
    clocks: Vec<RateHistory>,
    steps: u32,
    layout: Arc<TableLayout>,
}

/// Whether all gradients of a batch's inputs are finite.
pub fn are_finite(gradients: [&[Vec<f32>]; 2]) -> bool {
    let finite = |values: &[f32]| values.iter().fold(true, |all, x| all & x.is_finite());
    let inputs = gradients.into_iter().flatten();
    inputs
        .flat_map(|values| values.chunks(1 << 14))
        .collect::<Vec<_>>()
        .into_par_iter()
        .all(finite)
}

impl Tables {
    /// Tables drawn from N(0, `std`), each row from its own random stream: it depends only on the seed,
    /// the table's name and the row's number. Row 0 is zero. The seed is that of `training`, and so are
    /// the deviation and the optimiser of tables that do not declare their own.
    pub fn new(schema: &'static Schema, plan: &Plan, training: &Training) -> Self {
        Self::with(schema, plan, training, |declared, settings, clock| {
            TableStore::new(declared, settings, clock, training.seed)
        })
    }

    /// Tables for further training: all 0 until their values are read.
    pub fn to_resume(schema: &'static Schema, plan: &Plan, training: &Training) -> Self {
        Self::with(schema, plan, training, |declared, settings, clock| {
            TableStore::zeros(declared, Rule::new(settings, declared.dim), clock)
        })
    }

    /// Read-only tables, without the state of an optimiser: all 0 until their values are read.
    pub fn read_only(schema: &'static Schema, plan: &Plan) -> Self {
        Self::with(schema, plan, &schema.training, |declared, _, clock| {
            TableStore::zeros(declared, Rule::read_only(declared.dim), clock)
        })
    }

    fn with(
        schema: &'static Schema,
        plan: &Plan,
        training: &Training,
        mut table: impl FnMut(&'static schema::Table, &Embeddings, usize) -> TableStore,
    ) -> Self {
        let mut paces: Vec<(f64, f64)> = Vec::new();
        let tables = schema.tables.iter().map(|declared| {
            let settings = declared.embeddings.unwrap_or(training.embeddings);
            let pace = (settings.lr, settings.weight_decay);
            let clock = paces.iter().position(|other| *other == pace);
            let clock = clock.unwrap_or_else(|| {
                paces.push(pace);
                paces.len() - 1
            });
            table(declared, &settings, clock)
        });
        let tables = tables.collect();
        let clocks = paces
            .iter()
            .map(|(lr, decay)| RateHistory::new(*lr, *decay));
        Self {
            tables,
            clocks: clocks.collect(),
            steps: 0,
            layout: Arc::new(TableLayout::new(schema, plan)),
        }
    }

    /// Where the columns of the programs' inputs come from.
    pub fn layout(&self) -> &Arc<TableLayout> {
        &self.layout
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u32 {
        self.steps
    }

    /// Host memory of rows and optimisers.
    pub fn bytes(&self) -> usize {
        let numbers = self.tables.iter().map(|table| table.records.len());
        numbers.sum::<usize>() * size_of::<f32>()
    }

    /// Brings the rows that a batch uses up to date, so that [`Tables::gather`] need not do so for
    /// each of their uses. It changes no input.
    pub fn catch_up(&mut self, uses: &[TableUses]) {
        self.require_uses(uses);
        let tables = self.tables.par_iter_mut().zip(uses);
        tables.for_each(|(table, uses)| {
            let clock = clock_of(&self.clocks, table);
            step::catch_up(table, uses, clock);
        });
    }

    /// One step for the gradients of a batch's inputs, at this factor of the tables' peak learning
    /// rates: by tower and domain those of the embedded columns, `[rows, embedded]`.
    pub fn step(&mut self, uses: &[TableUses], gradients: [&[Vec<f32>]; 2], factor: f64) {
        self.require_uses(uses);
        for (tower, gradients) in Tower::ALL.into_iter().zip(gradients) {
            check!(
                gradients.len() == self.layout.domains(tower),
                "gradients of another {} tower",
                tower.name()
            );
            for (domain, gradients) in gradients.iter().enumerate() {
                let embedded = self.layout.of(tower, domain).embedded;
                check!(
                    gradients.len().is_multiple_of(embedded),
                    "{} gradients of rows with {embedded} embedded columns",
                    gradients.len()
                );
            }
        }
        let gradients: Vec<&[f32]> = gradients.into_iter().flatten().map(Vec::as_slice).collect();
        let tables = self.tables.par_iter_mut().zip(uses);
        tables.for_each(|(table, uses)| {
            let clock = clock_of(&self.clocks, table);
            step::step(table, uses, &gradients, clock, factor);
        });
        self.advance(factor);
    }

    /// What the next step will change of the clocks.
    #[cfg(feature = "device")]
    fn mark(&self) -> (u32, Vec<Mark>) {
        let marks = self.clocks.iter().map(RateHistory::mark);
        (self.steps, marks.collect())
    }

    /// Takes note of a step.
    fn advance(&mut self, factor: f64) {
        for clock in &mut self.clocks {
            clock.advance(factor);
        }
        self.steps += 1;
    }

    /// Brings every row up to date, at the cost of a pass over the tables: before they are written.
    pub fn flush(&mut self) {
        self.tables.par_iter_mut().for_each(|table| {
            let clock = clock_of(&self.clocks, table);
            table.flush(clock);
        });
        for clock in &mut self.clocks {
            *clock = clock.at(self.steps);
        }
    }

    /// Continues after `steps` steps; values are still to be read.
    fn start_at(&mut self, steps: u32) {
        self.steps = steps;
        self.tables
            .par_iter_mut()
            .for_each(|table| table.stamp(steps));
        for clock in &mut self.clocks {
            *clock = clock.at(steps);
        }
    }

    fn require_uses(&self, uses: &[TableUses]) {
        check!(
            uses.len() == self.tables.len(),
            "rows of {} tables for {}",
            uses.len(),
            self.tables.len()
        );
    }
}

#[expect(clippy::indexing_slicing, reason = "every table has a clock")]
fn clock_of<'a>(clocks: &'a [RateHistory], table: &TableStore) -> &'a RateHistory {
    &clocks[table.clock]
}
