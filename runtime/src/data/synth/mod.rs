//! Made-up data for a schema, with something in it to learn.
//!
//! The files hold every column that the schema needs: raw values of the declared domains (and a few
//! others where the spec skips them), ids with a long tail, lists of varied length, missing values.
//! Labels come from a hidden model (see [`signal`]): effects of domains, values and numbers, and a
//! low-rank interaction of the towers. Scores are the true probability with slight noise, actions are
//! drawn from it. Same schema, rows and seed: same files.

mod builder;
mod columns;
mod draws;
mod plan;
mod signal;

use std::fs;
use std::path::{Path, PathBuf};

use crate::data::synth::columns::{RequestStream, SynthColumns};
use crate::data::synth::plan::SynthPlan;
use crate::data::synth::signal::LabelSignal;
use crate::error::{Error, Result};
use crate::hash::Random;
use crate::parquet::output::OutputFile;
use crate::schema::Schema;

/// Rows of a file.
const SHARD_ROWS: u64 = 50_000;

/// Writes `rows` rows as Parquet files into `folder`, which is made if need be. If the schema has
/// requests, each is of `per_request` rows, which share what the query tower alone reads. Where a column splits
/// the data, the first eight tenths of the rows train, the next one validates, the last one tests.
///
/// # Errors
/// A folder that holds Parquet files already, and what the disk refuses. No file is left half-written
/// under its name.
pub fn synth(
    schema: &'static Schema,
    rows: u64,
    per_request: u64,
    seed: u64,
    folder: &Path,
) -> Result<Vec<PathBuf>> {
    prepare(folder)?;
    let plan = SynthPlan::new(schema, rows);
    let signal = LabelSignal::new(schema, seed);
    let mut files = Vec::new();
    for (shard, first) in (0..rows).step_by(SHARD_ROWS as usize).enumerate() {
        let mut columns = SynthColumns::new(&plan);
        let mut random = Random::new(seed, &[shard as u64]);
        for row in first..rows.min(first + SHARD_ROWS) {
            let request = schema.rows.request.is_some().then(|| RequestStream {
                seed,
                number: row / per_request.max(1),
            });
            let position = row as f64 / rows as f64;
            columns.push(&plan, &signal, position, request.as_ref(), &mut random);
        }
        let batch = columns.finish().map_err(|error| {
            Error::run(
                "the made-up rows",
                error.to_string(),
                "report this as a bug",
            )
        })?;
        let path = folder.join(format!("part-{shard:05}.parquet"));
        let mut file = OutputFile::create(&path, batch.schema(), [])?;
        file.write(&batch)?;
        file.finish()?;
        files.push(path);
    }
    Ok(files)
}

fn prepare(folder: &Path) -> Result<()> {
    let refused = |source| Error::file(folder, "write into the folder", source);
    fs::create_dir_all(folder).map_err(refused)?;
    for entry in fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "parquet")
        {
            return Err(Error::usage(
                folder.display().to_string(),
                "the folder holds Parquet files already",
                "give a new folder, or remove the files",
            ));
        }
    }
    Ok(())
}
