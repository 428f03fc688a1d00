//! `eval`: figures of a trained model.

use std::fs;
use std::sync::Arc;

use super::args::EvalArgs;
use super::{say, set_threads};
use crate::data::{self, Dataset};
use crate::error::{Error, Result};
use crate::evaluation::{Report, grouped};
use crate::schema::Compiled;
use crate::score::{Scorer, evaluate_and_count};
use crate::training::{Existing, checkpoint};

pub fn eval(model: &'static Compiled, args: &EvalArgs) -> Result<()> {
    set_threads(args.threads)?;
    args.device.open()?;
    let schema = &model.schema;
    let dataset = args
        .rows
        .apply(Dataset::open(schema, &args.data)?, Existing::Refuse)?;
    let (weights, vocabularies) =
        checkpoint::load_model(&checkpoint::find_model(&args.model)?, schema)?;
    let scorer = Scorer::load(model, weights)?;
    let (report, rows) = evaluate_and_count(
        &scorer,
        &dataset,
        &Arc::new(vocabularies),
        args.part.parts(),
        args.part.name(),
    )?;
    tell_bad_rows(rows.as_ref());
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
