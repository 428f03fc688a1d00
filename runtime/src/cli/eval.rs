//! `eval`: figures of a trained model.

use std::fs;
use std::sync::Arc;

use super::args::EvalArgs;
use super::{NewLearner, say, set_threads};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::evaluation::{Report, grouped};
use crate::schema::Schema;
use crate::training::{checkpoint, evaluate};

pub fn eval(schema: &'static Schema, args: &EvalArgs, new_learner: &NewLearner<'_>) -> Result<()> {
    set_threads(args.threads)?;
    let device = args.device.open()?;
    let dataset = Dataset::open(schema, &args.data)?;
    let (weights, vocabularies) = checkpoint::load_model(&checkpoint::find_model(&args.model), schema)?;
    let mut learner = new_learner(&schema.training, &device);
    learner.import(weights, None)?;
    let report = evaluate(
        learner.as_ref(),
        &dataset,
        &Arc::new(vocabularies),
        args.part.parts(),
        args.part.name(),
    )?;
    show(&report);
    match &args.json {
        Some(path) => write_json(path, &report),
        None => Ok(()),
    }
}

/// The table, under a line that says of what.
pub fn show(report: &Report) {
    say(format!("{} on {} rows ({})\n", report.model, grouped(report.rows), report.part));
    say(report.table());
}

/// Writes every figure.
pub fn write_json(path: &std::path::Path, report: &Report) -> Result<()> {
    let refused = |source| Error::file(path, "write the evaluation", source);
    let text = report.json().map_err(|error| refused(error.into()))?;
    fs::write(path, text + "\n").map_err(refused)
}
