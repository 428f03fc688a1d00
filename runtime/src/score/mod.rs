//! Scoring rows with a model's weights.

mod evaluate;

use std::sync::Arc;

use mtmd_schema::plan::Plan;

use crate::bug::zip_equal;
use crate::data::batch::Batch;
use crate::error::Result;
use crate::evaluation::TaskPredictions;
use crate::exec::heads::{self, Pairs};
use crate::exec::host::Scores;
use crate::exec::{Backend, Engine, Loaded};
use crate::params::{Array, ParameterIndex, Params, Reader, Writer, require_fit};
use crate::schema::Precision;
use crate::schema::{Compiled, Schema, Spec};
use crate::tables::{Inputs, TableLayout, Tables};

pub use evaluate::{evaluate, evaluate_and_count, has_rows, validate};

/// A model with its weights, ready to score. It draws nothing at random and does not depend on an optimiser.
#[derive(Debug)]
pub struct Scorer {
    pub(crate) model: &'static Compiled,
    pub(crate) index: ParameterIndex<'static>,
    pub(crate) engine: Engine<'static>,
    pub(crate) params: Params<f32>,
    pub(crate) tables: Tables,
}

/// A batch, with everything for scoring that depends on it alone.
#[derive(Debug)]
pub struct ScoringBatch {
    /// The rows.
    pub batch: Batch,
    pairs: Vec<Pairs>,
}

impl ScoringBatch {
    /// Finds the rows that each task scores.
    pub fn new(plan: &Plan, batch: Batch) -> Self {
        Self {
            pairs: heads::pairs(plan, &batch),
            batch,
        }
    }
}

/// A scorer whose weights do not change while it is in use.
#[derive(Debug)]
pub struct ReadyScorer<'a> {
    scorer: &'a Scorer,
    weights: Loaded<'a>,
}

impl ReadyScorer<'_> {
    /// Scores a batch: one entry per task, in the schema's order.
    pub fn score(&self, batch: &ScoringBatch) -> Vec<TaskPredictions> {
        let Scorer { engine, tables, .. } = self.scorer;
        on_pool(|| {
            let mut inputs = Inputs::default();
            tables.gather(&batch.batch, &mut inputs);
            let rows = (&batch.batch, inputs.both());
            let scores = engine.score(&self.weights, rows, &batch.pairs, Precision::Float32);
            let tasks = zip_equal(&batch.pairs, scores);
            tasks
                .map(|(pairs, scores)| predictions(pairs, &scores))
                .collect()
        })
    }
}

impl Scorer {
    /// A model with these weights.
    pub(crate) fn new(model: &'static Compiled, params: Params<f32>, tables: Tables) -> Self {
        Self {
            index: index(model),
            engine: Engine::new(&model.plan, &Backend::Host),
            model,
            params,
            tables,
        }
    }

    /// A model with the weights of a file, which are read directly into place.
    ///
    /// # Errors
    /// Weights that do not fit this model, all of them at once, or cannot be read.
    pub fn load(model: &'static Compiled, mut weights: Reader) -> Result<Self> {
        let params = Params::zeros(&model.plan);
        let tables = Tables::read_only(&model.schema, &model.plan);
        let mut scorer = Self::new(model, params, tables);
        scorer.read(&mut weights)?;
        require_fit(&weights.finish())?;
        Ok(scorer)
    }

    /// Moves the plan to this device; until then it runs in host memory.
    pub fn run_on(&mut self, backend: &Backend) {
        self.engine = Engine::new(&self.model.plan, backend);
    }

    /// What the model is.
    pub fn schema(&self) -> &'static Schema {
        &self.model.schema
    }

    /// How it runs.
    pub fn plan(&self) -> &'static Plan {
        &self.model.plan
    }

    /// Number of dense parameters.
    pub fn parameters(&self) -> usize {
        let values = self.index.entries();
        let values = values.filter(|entry| entry.array == Array::Values);
        values.map(|entry| entry.range.len()).sum()
    }

    /// Where the columns of the programs' inputs come from.
    pub fn layout(&self) -> &Arc<TableLayout> {
        self.tables.layout()
    }

    /// The same, with its weights where they are read: to score many batches.
    pub fn ready(&self) -> ReadyScorer<'_> {
        ReadyScorer {
            weights: self.engine.load(&self.params),
            scorer: self,
        }
    }

    /// Scores a batch: one entry per task, in the schema's order.
    pub fn score(&self, batch: &ScoringBatch) -> Vec<TaskPredictions> {
        self.ready().score(batch)
    }

    /// Requires that the rows of tables which stand for missing values are zero.
    ///
    /// # Errors
    /// A table whose row 0 is not.
    pub fn require_zero_rows(&self) -> Result<()> {
        self.tables.require_zero_rows()
    }

    /// Adds all weights to a file that is to be written. Rows of tables must be up to date.
    pub fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        self.params.write(&self.index, writer);
        self.tables.write_weights(writer);
    }

    /// Reads all weights. The reader records arrays that do not fit.
    pub(crate) fn read(&mut self, weights: &mut Reader) -> Result<()> {
        self.params.read(&self.index, weights);
        self.tables.read_weights(weights)
    }
}

/// Keys and places of a model's parameters.
pub fn index(model: &'static Compiled) -> ParameterIndex<'static> {
    let Spec {
        surfaces,
        products,
        tasks,
        ..
    } = &model.schema.spec;
    ParameterIndex::new(
        &model.plan,
        surfaces.domains.iter().map(|domain| &*domain.name),
        products.domains.iter().map(|domain| &*domain.name),
        tasks.iter().map(|task| &*task.name),
    )
}

/// Runs `work` on a thread of the pool that its parallel parts use: the thread takes part in each of
/// them at once, where one from outside would hand it over and sleep.
pub(crate) fn on_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

fn predictions(pairs: &Pairs, scores: &Scores) -> TaskPredictions {
    let float32 = |values: &[f64]| values.iter().map(|value| *value as f32).collect();
    TaskPredictions {
        rows: pairs.rows.clone(),
        lp: float32(&scores.lp),
        lq: float32(&scores.lq),
    }
}
