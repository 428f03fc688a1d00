//! Scoring rows with a model's weights.

mod evaluate;
pub mod golden;
mod predict;

use std::sync::Arc;

use mtmd_schema::plan::{Output, Plan};

use crate::bug::{bug, zip_equal};
use crate::data::batch::Batch;
use crate::error::Result;
use crate::evaluation::TaskPredictions;
use crate::exec::heads::{self, Pairs};
use crate::exec::host::{self, Scores, TowerRows};
use crate::exec::{Backend, Engine, Loaded};
use crate::params::{Array, ParameterIndex, Params, Reader, Writer, require_fit};
use crate::schema::Precision;
use crate::schema::{Compiled, Schema, Spec, TaskId, Tower};
use crate::tables::{Inputs, TableLayout, Tables};

pub use evaluate::{evaluate, evaluate_and_count, has_rows, validate};
pub use predict::{PredictedFile, Prediction, logit_column};

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
    /// The rows that each task scores.
    pub pairs: Vec<Pairs>,
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
    /// What the model is.
    pub fn schema(&self) -> &'static Schema {
        self.scorer.schema()
    }

    /// How it runs.
    pub fn plan(&self) -> &'static Plan {
        self.scorer.plan()
    }

    /// Scores a batch: one entry per task, in the schema's order.
    pub fn score(&self, batch: &ScoringBatch) -> Vec<TaskPredictions> {
        let scores = self.scores(batch);
        let tasks = zip_equal(&batch.pairs, scores);
        tasks
            .map(|(pairs, scores)| predictions(pairs, &scores))
            .collect()
    }

    /// The same, before it is rounded to float32: of the rows of each task's pairs.
    pub fn scores(&self, batch: &ScoringBatch) -> Vec<Scores> {
        let Scorer { engine, tables, .. } = self.scorer;
        on_pool(|| {
            let mut inputs = Inputs::default();
            tables.gather(&batch.batch, &mut inputs);
            let rows = (&batch.batch, inputs.both());
            engine.score(&self.weights, rows, &batch.pairs, Precision::Float32)
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

    /// The tasks that a domain has, as columns of the tower's output.
    pub fn outputs(&self, tower: Tower, domain: usize) -> &'static [Output] {
        let plan = self.plan().tower(tower);
        let place = plan.domains.get(domain);
        match place.and_then(|place| plan.programs.get(place.program)) {
            Some(program) => &program.outputs,
            None => bug!("no domain {domain} in the {} tower", tower.name()),
        }
    }

    /// The embeddings of one tower's rows, `[places, width]`, by the host's processor: those of all tasks side by side, 0
    /// for a task that the row's domain has not.
    pub fn embed(&self, tower: Tower, batch: &Batch) -> Vec<f32> {
        on_pool(|| {
            let mut inputs = Inputs::default();
            self.tables.gather(batch, &mut inputs);
            let rows = TowerRows::new(batch.tower(tower), inputs.of(tower));
            let host = self.engine.host();
            host.embed(&self.params, tower, rows, Precision::Float32)
        })
    }

    /// What is added to a task's logit.
    pub fn bias(&self, task: TaskId) -> f64 {
        match self.plan().heads.get(task.0) {
            Some(head) => host::bias(head, &self.params.values),
            None => bug!("no task {}", task.0),
        }
    }

    /// A task's logit by its two embeddings (paper §2.3): of a task with a parent, that of P(task) / P(parent).
    pub fn logit(&self, task: TaskId, query: &[f32], item: &[f32]) -> f64 {
        let Some(head) = self.plan().heads.get(task.0) else {
            bug!("no task {}", task.0);
        };
        host::logit(head, query, item, &self.params.values)
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
