//! Embedding tables: outside the module and outside autodiff, in host memory.
//!
//! A step costs what its batch touches, not what the tables hold: [`Tables::gather`] copies the rows
//! of a batch into one leaf per domain, [`Tables::step`] adds the leaves' gradients up by row and steps
//! AdamW on these rows alone. Rows that a step does not touch are behind; what AdamW would have done to
//! them is applied when they are next read. So training is that of dense AdamW, up to rounding and to
//! the second order in its epsilon (`clock.rs` says how, and how close). All results are the same for
//! any number of threads.

mod clock;
mod gather;
mod step;
mod table;

use rayon::prelude::*;

use crate::data::batch::{Batch, TowerBatch};
use crate::error::{Error, Result};
use crate::layers::Layout;
use crate::schema::{Schema, Tower, Training};
use crate::tables::clock::Clock;
use crate::tables::table::Table;

pub use gather::DomainRows;

/// The embedding tables of a model, with the state of their AdamW.
#[derive(Debug, Clone)]
pub struct Tables {
    schema: &'static Schema,
    /// One per table of the schema.
    tables: Vec<Table>,
    clock: Clock,
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

/// One table as arrays, row-major `[rows, dim]`.
#[derive(Debug, Clone, Copy)]
pub struct TableState<'a> {
    /// Name; the weights' key is `tables.NAME.weight`.
    pub name: &'static str,
    /// Rows.
    pub rows: usize,
    /// Width.
    pub dim: usize,
    /// Weights; row 0 is zero.
    pub weight: &'a [f32],
    /// AdamW's first moment.
    pub first_moment: &'a [f32],
    /// AdamW's second moment.
    pub second_moment: &'a [f32],
}

impl Tables {
    /// Tables drawn from N(0, `embedding_std`), each row from a stream of its own: it depends on the
    /// seed, the table's name and the row's number alone. Row 0 is zero. Seed, deviation and weight
    /// decay are those of `training`.
    pub fn new(schema: &'static Schema, training: &Training) -> Self {
        let new = |table| Table::new(table, training.embedding_std, training.seed);
        Self {
            schema,
            tables: schema.tables.iter().map(new).collect(),
            clock: Clock::new(training.embeddings.weight_decay),
            layouts: Layouts::new(schema),
        }
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u32 {
        self.clock.now()
    }

    /// The inputs of a tower's domains as host arrays, embeddings as of the last step; `None` for a
    /// domain without rows.
    pub fn gather(&self, tower: Tower, batch: &TowerBatch) -> Vec<Option<DomainRows>> {
        let layouts = self.layouts.of(tower).iter().zip(&batch.domains);
        layouts
            .map(|(layout, places)| gather::domain(self, tower, layout, batch, places.clone()))
            .collect()
    }

    /// One step of AdamW for the gradients of a batch, as if the tables were dense.
    ///
    /// # Errors
    /// Gradients of another shape than the batch's leaves.
    pub fn step(&mut self, batch: &Batch, gradients: &Gradients, lr: f64) -> Result<()> {
        let sources = step::sources(self.schema, &self.layouts, batch, gradients)?;
        let clock = &self.clock;
        let tables = self.tables.par_iter_mut().zip(sources);
        tables.for_each(|(table, sources)| step::table(table, &sources, clock, lr));
        self.clock.advance(lr);
        Ok(())
    }

    /// Brings every row up to date, at the cost of a pass over the tables: before the arrays are read.
    pub fn flush(&mut self) {
        let clock = &self.clock;
        self.tables
            .par_iter_mut()
            .for_each(|table| table.flush(clock));
        self.clock = self.clock.at(self.clock.now());
    }

    /// The tables as arrays, up to date (this flushes).
    pub fn state(&mut self) -> impl Iterator<Item = TableState<'_>> {
        self.flush();
        self.schema
            .tables
            .iter()
            .zip(&self.tables)
            .map(|(declared, table)| table.state(declared.name))
    }

    /// Takes over the state of a run after `steps` steps: for every table, in the schema's order, its
    /// weights and moments; without moments they are zero.
    ///
    /// # Errors
    /// Arrays of another shape, and a row 0 that is not zero.
    pub fn restore(&mut self, steps: u32, states: &[TableState]) -> Result<()> {
        if states.len() != self.tables.len() {
            return Err(Error::weights(
                "the embedding tables",
                format!(
                    "{} tables where the model has {}",
                    states.len(),
                    self.tables.len()
                ),
                "use the checkpoint of this spec, or train again",
            ));
        }
        let pairs = self.schema.tables.iter().zip(states);
        let tables = pairs.map(|(declared, state)| Table::restore(declared, state, steps));
        self.tables = tables.collect::<Result<_>>()?;
        self.clock = self.clock.at(steps);
        Ok(())
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
