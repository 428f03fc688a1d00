//! The batches that the benchmark cycles through, in memory.

use std::path::PathBuf;
use std::sync::Arc;

use mtmd_options::Bench;

use crate::data::batch::Batch;
use crate::data::{Dataset, Parts, RowReader, Scan, Shuffle, synth};
use crate::error::Result;
use crate::schema::Schema;
use crate::training::folder;

/// Rows of a synthetic request, if the spec has requests.
const PER_REQUEST: u64 = 10;

/// `args.batches` training batches of `size` rows, of the data or of synthetic rows.
pub fn batches(schema: &'static Schema, args: &Bench, size: usize) -> Result<Vec<Batch>> {
    if args.data.is_empty() {
        synthetic(schema, size, args.batches)
    } else {
        read(schema, &args.data, size, args.batches)
    }
}

/// Training batches of the data, in memory.
fn read(
    schema: &'static Schema,
    paths: &[PathBuf],
    size: usize,
    count: usize,
) -> Result<Vec<Batch>> {
    let reader = RowReader::new(Dataset::open(schema, paths)?);
    let vocabularies = Arc::new(reader.learn(Parts::TRAIN)?.vocabularies);
    let shuffle = Shuffle {
        seed: schema.training.seed,
        epoch: 0,
        buffer: schema.training.shuffle,
    };
    let scan = Scan {
        parts: Parts::TRAIN,
        batch: size,
        shuffle: Some(shuffle),
        skip: 0,
    };
    reader.batches(&vocabularies, scan)?.take(count).collect()
}

/// Batches of synthetic rows, in memory.
fn synthetic(schema: &'static Schema, size: usize, count: usize) -> Result<Vec<Batch>> {
    let path = std::env::temp_dir().join(format!("{}-bench-{}", schema.name, std::process::id()));
    // A part of the rows validates or tests.
    let rows = (size * count * 2) as u64;
    let batches = synth(schema, rows, PER_REQUEST, 1, &path)
        .and_then(|files| read(schema, &files, size, count));
    let removed = folder::remove(&path);
    let batches = batches?;
    removed?;
    Ok(batches)
}
