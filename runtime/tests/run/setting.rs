//! What a run in this very process needs.

use std::path::Path;
use std::sync::Arc;

use mtmd::data::batch::Batch;
use mtmd::data::{Dataset, Parts, RowReader, Scan, Statistics};
use mtmd::schema::Schema;
use mtmd::training::{Existing, Files, Fit, Interrupt, RunFolder, State};
use mtmd::vocab::Vocabularies;

/// A data set after its first pass, and the folder of a new run.
pub struct Setting {
    pub folder: RunFolder,
    pub vocabularies: Arc<Vocabularies>,
    reader: RowReader,
    statistics: Statistics,
    interrupt: Interrupt,
}

impl Setting {
    pub fn new(schema: &'static Schema, data: &Path, out: &Path) -> Self {
        let reader = RowReader::new(Dataset::open(schema, &[data.to_owned()]).unwrap());
        let learned = reader.learn(Parts::TRAIN).unwrap();
        Self {
            folder: RunFolder::open(out, Existing::Refuse).unwrap(),
            vocabularies: Arc::new(learned.vocabularies),
            reader,
            statistics: learned.statistics,
            interrupt: Interrupt::default(),
        }
    }

    /// The state before the first step, with the schema's hyperparameters.
    pub fn state(&self) -> State {
        let schema = self.reader.schema();
        let files = Files::of(&self.reader);
        let statistics = self.statistics.clone();
        State::new(schema, schema.training.clone(), false, files, statistics)
    }

    /// The batches of a pass.
    pub fn batches(&self, scan: Scan) -> Vec<Batch> {
        let batches = self.reader.batches(&self.vocabularies, scan).unwrap();
        batches.collect::<Result<_, _>>().unwrap()
    }

    pub fn fit(&self, validate: bool) -> Fit<'_> {
        Fit {
            reader: &self.reader,
            vocabularies: &self.vocabularies,
            folder: &self.folder,
            validate,
            quiet: true,
            recorder: None,
            interrupt: &self.interrupt,
        }
    }
}
