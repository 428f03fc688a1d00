//! `predict`: the scores of rows.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use mtmd_options::Predict;
use mtmd_schema::TablePlace;

use super::args::apply_rows;
use super::{device, say, set_threads, warn};
use crate::data::{Dataset, KeptColumns, Purpose, RowReport};
use crate::error::{Error, Result};
use crate::evaluation::grouped;
use crate::schema::{Compiled, Schema};
use crate::score::{PredictedFile, Prediction, Scorer, logit_column};
use crate::training::{Existing, checkpoint};

pub fn predict(model: &'static Compiled, args: &Predict) -> Result<()> {
    let started = Instant::now();
    set_threads(args.machine.threads)?;
    let backend = device::open(args.machine.device, TablePlace::DEFAULT)?;
    let schema = &model.schema;
    require_names(schema, args)?;
    let kept = KeptColumns {
        columns: &args.keep,
        place: "--keep",
        user: "the output",
        raw_values: false,
    };
    let dataset = Dataset::open_for(schema, &args.data, Purpose::Score, kept)?;
    let reader = apply_rows(&args.bad_rows, dataset, Existing::Refuse)?;
    let path = checkpoint::find_model(&args.model)?;
    let (weights, vocabularies) = checkpoint::load_model(&path, schema)?;
    let identity = checkpoint::identity(&path)?;
    let mut scorer = Scorer::load(model, weights)?;
    scorer.run_on(&backend);
    let vocabularies = Arc::new(vocabularies);
    fs::create_dir_all(&args.out)
        .map_err(|source| Error::file(&args.out, "create the folder", source))?;
    let prediction = Prediction {
        scorer: &scorer.ready(),
        weights: &identity,
        reader: &reader,
        vocabularies: &vocabularies,
        keep: &args.keep,
        logits: args.logits,
        folder: &args.out,
        replace: args.force,
    };
    let mut found = Found::default();
    for groups in reader.share(args.shard.number - 1, args.shard.count) {
        found.add(prediction.predict(&groups)?);
    }
    found.tell(args, started.elapsed().as_secs_f64());
    Ok(())
}

/// Refuses columns of the output that would have one name.
fn require_names(schema: &Schema, args: &Predict) -> Result<()> {
    let mut names: Vec<String> = args.keep.clone();
    for task in schema.tasks.iter() {
        names.push(task.name.to_string());
        names.extend(args.logits.then(|| logit_column(&task.name)));
    }
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair.first() == pair.last());
    match twice.and_then(|pair| pair.first()) {
        None => Ok(()),
        Some(name) => Err(Error::usage(
            "--keep",
            format!("two columns of the output would be called `{name}`"),
            "leave it out, or rename the column of the data",
        )),
    }
}

/// What became of the rows of all files.
#[derive(Default)]
struct Found {
    written: Option<RowReport>,
    /// Files that were there.
    there: usize,
}

impl Found {
    fn add(&mut self, file: PredictedFile) {
        match (file, &mut self.written) {
            (PredictedFile::There, _) => self.there += 1,
            (PredictedFile::Written(report), Some(all)) => all.add(report),
            (PredictedFile::Written(report), none) => *none = Some(report),
        }
    }

    fn tell(&self, args: &Predict, seconds: f64) {
        if self.there > 0 {
            say(format!(
                "{} left as they are: of this model and these rows already",
                counted(self.there, "file")
            ));
        }
        let Some(report) = &self.written else {
            if self.there == 0 {
                warn(format!("shard {} has no rows", args.shard));
            }
            return;
        };
        say(format!(
            "{} of {} rows scored in {seconds:.1} s, into {}",
            grouped(report.used),
            grouped(report.read),
            args.out.display()
        ));
        for unknown in [&report.surfaces, &report.products] {
            if unknown.rows > 0 {
                let rows = grouped(unknown.rows);
                say(format!("  {rows} not scored: of no domain: {unknown}"));
            }
        }
        for (column, bad) in &report.bad {
            let rows = grouped(bad.rows);
            say(format!(
                "  {rows} not scored: bad `{column}`, the first in {}",
                bad.first
            ));
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}
