//! `eval`: figures of a trained model.

use std::fs;
use std::sync::Arc;

use mtmd_options::Eval;

use super::args::{apply_rows, parts};
use super::{NewLearner, device, say, set_threads, warn};
use crate::data::{self, Dataset};
use crate::error::{Error, Result};
use crate::evaluation::{Report, grouped};
use crate::layers::Precision;
use crate::schema::Schema;
use crate::training::{Existing, checkpoint, evaluate_and_count};

pub fn eval(schema: &'static Schema, args: &Eval, new_learner: &NewLearner<'_>) -> Result<()> {
    set_threads(args.machine.threads)?;
    let device = device::open(args.machine.device)?;
    let dataset = Dataset::open(schema, &args.data)?;
    let dataset = apply_rows(&args.rows, dataset, Existing::Refuse)?;
    let (weights, vocabularies) =
        checkpoint::load_model(&checkpoint::find_model(&args.model)?, schema)?;
    let mut learner = new_learner(&schema.training, Precision::default(), &device);
    learner.import(weights, None)?;
    let (parts, name) = parts(args.part);
    let vocabularies = Arc::new(vocabularies);
    let (report, rows) =
        evaluate_and_count(learner.as_ref(), &dataset, &vocabularies, parts, name)?;
    tell_bad_rows(rows.as_ref());
    if let Some(rows) = dataset.unassigned()? {
        warn(rows.to_string());
    }
    show(&report);
    match &args.json {
        Some(path) => write_json(path, &report),
        None => Ok(()),
    }
}

/// Says which rows a pass skipped because they are bad.
pub fn tell_bad_rows(rows: Option<&data::Report>) {
    if let Some(rows) = rows.filter(|rows| !rows.bad.is_empty()) {
        say(rows.to_string());
    }
}

/// The table, under a line that says of what.
pub fn show(report: &Report) {
    say(format!(
        "{} on {} rows ({})\n",
        report.model,
        grouped(report.rows),
        report.part
    ));
    say(report.table());
}

/// Writes every figure.
pub fn write_json(path: &std::path::Path, report: &Report) -> Result<()> {
    let refused = |source| Error::file(path, "write the evaluation", source);
    let text = report.json().map_err(|error| refused(error.into()))?;
    fs::write(path, text + "\n").map_err(refused)
}
