//! `load` of `--serve`: the reader alone, without a step that uses its batches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mtmd_options::Bench;

use crate::data::{Dataset, Parts, RowReader, Scan, Shuffle};
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::vocab::Vocabularies;

/// What a pass over all rows of the data does.
#[derive(Clone, Copy)]
pub enum Pass {
    /// Learns vocabularies and means, as the first pass of a run.
    First,
    /// Makes batches in the order of the files, as validation does.
    Ordered,
    /// Makes batches in random order, as an epoch does.
    Shuffled,
}

/// The data that passes are made over.
pub struct Loads {
    reader: RowReader,
    vocabularies: Arc<Vocabularies>,
    batch: usize,
    shuffle: Shuffle,
}

/// Some passes.
pub struct Loaded {
    /// Rows of all passes.
    pub rows: u64,
    pub elapsed: Duration,
}

fn all() -> Parts {
    Parts::TRAIN | Parts::VALIDATE | Parts::TEST
}

impl Pass {
    pub fn find(word: &str) -> Option<Self> {
        match word {
            "first" => Some(Self::First),
            "ordered" => Some(Self::Ordered),
            "shuffled" => Some(Self::Shuffled),
            _ => None,
        }
    }
}

impl Loads {
    /// Opens the data and learns its vocabularies; batches have `batch` rows.
    pub fn open(schema: &'static Schema, args: &Bench, batch: usize) -> Result<Self> {
        if args.data.is_empty() {
            return Err(Error::usage(
                "`load`",
                "there is no data to read",
                "name it with `--data`",
            ));
        }
        let reader = RowReader::new(Dataset::open(schema, &args.data)?);
        let vocabularies = Arc::new(reader.learn(all())?.vocabularies);
        let shuffle = Shuffle {
            seed: schema.training.seed,
            epoch: 0,
            buffer: schema.training.shuffle,
        };
        Ok(Self {
            reader,
            vocabularies,
            batch,
            shuffle,
        })
    }

    pub fn run(&self, pass: Pass, count: usize) -> Result<Loaded> {
        let started = Instant::now();
        let mut rows = 0;
        for _ in 0..count {
            rows += self.pass(pass)?;
        }
        Ok(Loaded {
            rows,
            elapsed: started.elapsed(),
        })
    }

    fn pass(&self, pass: Pass) -> Result<u64> {
        let shuffle = match pass {
            Pass::First => return Ok(self.reader.learn(all())?.report.read),
            Pass::Ordered => None,
            Pass::Shuffled => Some(self.shuffle),
        };
        let scan = Scan {
            parts: all(),
            batch: self.batch,
            shuffle,
            skip: 0,
        };
        let mut batches = self.reader.batches(&self.vocabularies, scan)?;
        for batch in &mut batches {
            drop(batch?);
        }
        Ok(batches.report().map_or(0, |report| report.read))
    }
}
