//! `eval`: figures of a trained model.

use std::fs;
use std::sync::Arc;

use mtmd_options::Eval;
use mtmd_schema::TablePlace;

use super::args::{apply_rows, parts};
use super::{device, say, set_threads, warn};
use crate::data::{self, Dataset};
use crate::error::{Error, Result};
use crate::evaluation::{Report, grouped};
use crate::schema::{Choice as _, Compiled};
use crate::score::{Scorer, evaluate_and_count};
use crate::training::{Existing, checkpoint};

pub fn eval(model: &'static Compiled, args: &Eval) -> Result<()> {
    set_threads(args.machine.threads)?;
    let backend = device::open(args.machine.device, TablePlace::DEFAULT)?;
    let schema = &model.schema;
    let dataset = Dataset::open(schema, &args.data)?;
    let reader = apply_rows(&args.bad_rows, dataset, Existing::Refuse)?;
    let (weights, vocabularies) =
        checkpoint::load_model(&checkpoint::find_model(&args.model)?, schema)?;
    let mut scorer = Scorer::load(model, weights)?;
    scorer.run_on(&backend);
    let vocabularies = Arc::new(vocabularies);
    let (report, rows) = evaluate_and_count(
        &scorer,
        &reader,
        &vocabularies,
        parts(args.part),
        args.part.word(),
    )?;
    tell_bad_rows(rows.as_ref());
    if let Some(rows) = reader.unassigned()? {
        warn(rows.to_string());
    }
    show(&report);
    match &args.json {
        Some(path) => write_json(path, &report),
        None => Ok(()),
    }
}

/// Says which rows a pass skipped because they are bad.
pub fn tell_bad_rows(rows: Option<&data::RowReport>) {
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
