//! Embedding tables: outside the module and outside autodiff, in host memory.
//!
//! A step costs what its batch touches, not what the tables hold: [`Tables::gather`] copies the rows
//! of a batch into one leaf per domain, [`Tables::step`] adds the leaves' gradients up by row and steps
//! these rows alone, by the optimiser that their table has (`rule.rs`). Under AdamW the rows that a step
//! does not touch are behind; what it would have done to them is applied when they are next read. So
//! training is that of dense AdamW, up to rounding and to the second order in its epsilon (`clock.rs`
//! says how, and how close). All results are the same for any number of threads.

mod clock;
mod gather;
mod rule;
mod step;
mod table;

use rayon::prelude::*;

use crate::data::batch::{Batch, TowerBatch};
use crate::error::Result;
use crate::layers::Layout;
use crate::schema::{self, Schema, Tower, Training};
use crate::tables::clock::Clock;
use crate::tables::table::Table;

pub use gather::DomainRows;
pub use rule::StateArray;

/// The embedding tables of a model, with the state of their optimisers.
#[derive(Debug, Clone)]
pub struct Tables {
    schema: &'static Schema,
    /// One per table of the schema.
    tables: Vec<Table>,
    /// One for each learning rate and weight decay.
    clocks: Vec<Clock>,
    steps: u32,
    layouts: Layouts,
}

/// Layouts of both towers, by domain.
#[derive(Debug, Clone)]
struct Layouts {
    query: Vec<Layout>,
    item: Vec<Layout>,
}

/// Gradients of a batch's leaves: row-major `[rows, embedded_width]` for each domain of each tower, in
/// the order of the places; `None` for a domain without rows or without embedded features.
#[derive(Debug, Clone, Default)]
pub struct Gradients {
    /// By surface.
    pub query: Vec<Option<Vec<f32>>>,
    /// By product.
    pub item: Vec<Option<Vec<f32>>>,
}

impl Gradients {
    /// Whether all of them are finite.
    pub fn are_finite(&self) -> bool {
        let finite = |values: &[f32]| values.iter().fold(true, |all, x| all & x.is_finite());
        let leaves = self.query.iter().chain(&self.item).flatten();
        leaves
            .flat_map(|leaf| leaf.chunks(1 << 14))
            .collect::<Vec<_>>()
            .into_par_iter()
            .all(finite)
    }
}

/// An array of a table: its weight, or what its optimiser knows.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    table: &'a Table,
    array: StateArray,
}

/// The arrays of a table.
#[derive(Debug, Clone)]
pub struct Columns<'a> {
    /// Name of the table.
    pub name: &'static str,
    /// Weights `[rows, dim]`; row 0 is zero.
    pub weight: Column<'a>,
    /// What the optimiser knows.
    pub state: Vec<Column<'a>>,
}

impl<'a> Column<'a> {
    /// Which array it is.
    pub fn array(&self) -> StateArray {
        self.array
    }

    /// Its shape.
    pub fn shape(&self) -> Vec<usize> {
        self.array.shape(self.table.declared.rows)
    }

    /// Its values, row-major, some whole rows at a time.
    pub fn pieces(self) -> impl Iterator<Item = Vec<f32>> + 'a {
        self.table.pieces(self.array)
    }
}

impl Tables {
    /// Tables drawn from N(0, `std`), each row from a stream of its own: it depends on the seed, the
    /// table's name and the row's number alone. Row 0 is zero. The seed is that of `training`, and so
    /// are the deviation and the optimiser of tables that have none of their own.
    pub fn new(schema: &'static Schema, training: &Training) -> Self {
        let mut paces: Vec<(f64, f64)> = Vec::new();
        let mut new = |declared: &'static schema::Table| {
            let settings = declared.embeddings.unwrap_or(training.embeddings);
            let pace = (settings.lr, settings.weight_decay);
            let clock = paces.iter().position(|other| *other == pace);
            let clock = clock.unwrap_or_else(|| {
                paces.push(pace);
                paces.len() - 1
            });
            Table::new(declared, &settings, clock, training.seed)
        };
        let tables = schema.tables.iter().map(&mut new).collect();
        let clocks = paces.iter().map(|(lr, decay)| Clock::new(*lr, *decay));
        Self {
            schema,
            tables,
            clocks: clocks.collect(),
            steps: 0,
            layouts: Layouts::new(schema),
        }
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

    /// The inputs of a tower's domains as host arrays, embeddings as of the last step; `None` for a
    /// domain without rows.
    pub fn gather(&self, tower: Tower, batch: &TowerBatch) -> Vec<Option<DomainRows>> {
        let layouts = self.layouts.of(tower).iter().zip(&batch.domains);
        layouts
            .map(|(layout, places)| gather::domain(self, tower, layout, batch, places.clone()))
            .collect()
    }

    /// One step for the gradients of a batch, at this factor of the tables' peak learning rates.
    ///
    /// # Errors
    /// Gradients of another shape than the batch's leaves.
    pub fn step(&mut self, batch: &Batch, gradients: &Gradients, factor: f64) -> Result<()> {
        let sources = step::sources(self.schema, &self.layouts, batch, gradients)?;
        let clocks = &self.clocks;
        let tables = self.tables.par_iter_mut().zip(sources);
        tables.for_each(|(table, sources)| {
            if let Some(clock) = clocks.get(table.clock) {
                step::table(table, &sources, clock, factor);
            }
        });
        for clock in &mut self.clocks {
            clock.advance(factor);
        }
        self.steps += 1;
        Ok(())
    }

    /// Brings every row up to date, at the cost of a pass over the tables: before the arrays are read.
    pub fn flush(&mut self) {
        let clocks = &self.clocks;
        self.tables.par_iter_mut().for_each(|table| {
            if let Some(clock) = clocks.get(table.clock) {
                table.flush(clock);
            }
        });
        self.restart_clocks();
    }

    /// The tables as arrays, up to date (this flushes), in the schema's order.
    pub fn columns(&mut self) -> impl Iterator<Item = Columns<'_>> {
        self.flush();
        self.tables.iter().map(|table| {
            let column = |array| Column { table, array };
            Columns {
                name: &table.declared.name,
                weight: column(table.rule.weight_array()),
                state: table.rule.arrays().into_iter().map(column).collect(),
            }
        })
    }

    /// The weight of a table and what its optimiser knows, as arrays; for those who [`put`](Self::put) them back.
    pub fn arrays(&self, table: usize) -> Option<(StateArray, Vec<StateArray>)> {
        let rule = self.tables.get(table)?.rule;
        Some((rule.weight_array(), rule.arrays()))
    }

    /// Lets the run stand after `steps` steps, all rows and what the optimisers know zero: values are to follow.
    pub fn restart(&mut self, steps: u32) {
        self.tables
            .par_iter_mut()
            .for_each(|table| table.clear(steps));
        self.steps = steps;
        self.restart_clocks();
    }

    /// Puts values of an array, whole rows, in their place from a row on. Those of rows that are not there are left out.
    ///
    /// # Errors
    /// A row 0 that is not zero.
    pub fn put(
        &mut self,
        table: usize,
        array: StateArray,
        row: usize,
        values: &[f32],
    ) -> Result<()> {
        match self.tables.get_mut(table) {
            Some(table) => table.put(array, row, values),
            None => Ok(()),
        }
    }

    /// Lets the clocks begin now, when no row is behind.
    fn restart_clocks(&mut self) {
        for clock in &mut self.clocks {
            *clock = clock.at(self.steps);
        }
    }
}

impl Layouts {
    fn new(schema: &Schema) -> Self {
        let of = |tower| {
            let domains = 0..schema.axis(tower).domains.len();
            domains
                .map(|domain| Layout::new(schema, tower, domain))
                .collect()
        };
        Self {
            query: of(Tower::Query),
            item: of(Tower::Item),
        }
    }

    fn of(&self, tower: Tower) -> &[Layout] {
        match tower {
            Tower::Query => &self.query,
            Tower::Item => &self.item,
        }
    }
}
