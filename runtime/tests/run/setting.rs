//! What a run in this very process needs.

use std::path::Path;
use std::sync::Arc;

use mtmd::data::batch::Batch;
use mtmd::data::{Dataset, Parts, Scan, Statistics, Vocabularies};
use mtmd::schema::Schema;
use mtmd::training::{Existing, Files, Fit, Interrupt, RunFolder, State};

/// A data set after its first pass, and the folder of a new run.
pub struct Setting {
    pub folder: RunFolder,
    pub vocabularies: Arc<Vocabularies>,
    dataset: Dataset,
    statistics: Statistics,
    interrupt: Interrupt,
}

impl Setting {
    pub fn new(schema: &'static Schema, data: &Path, out: &Path) -> Self {
        let dataset = Dataset::open(schema, &[data.to_owned()]).unwrap();
        let learned = dataset.learn(Parts::TRAIN).unwrap();
        Self {
            folder: RunFolder::open(out, Existing::Refuse).unwrap(),
            vocabularies: Arc::new(learned.vocabularies),
            dataset,
            statistics: learned.statistics,
            interrupt: Interrupt::default(),
        }
    }

    /// The state before the first step, with the schema's hyperparameters.
    pub fn state(&self) -> State {
        let schema = self.dataset.schema();
        let files = Files::of(&self.dataset);
        let statistics = self.statistics.clone();
        State::new(schema, schema.training.clone(), false, files, statistics)
    }

    /// The batches of a pass.
    pub fn batches(&self, scan: Scan) -> Vec<Batch> {
        let batches = self.dataset.batches(&self.vocabularies, scan).unwrap();
        batches.collect::<Result<_, _>>().unwrap()
    }

    pub fn fit(&self, validate: bool) -> Fit<'_> {
        Fit {
            dataset: &self.dataset,
            vocabularies: &self.vocabularies,
            folder: &self.folder,
            validate,
            quiet: true,
            interrupt: &self.interrupt,
        }
    }
}
