//! Scoring parts of the data.

use std::sync::Arc;

use super::interrupt::Interrupt;
use super::learner::Learner;
use crate::data::{self, Dataset, Parts, Scan, Vocabularies};
use crate::error::Result;
use crate::evaluation::{Evaluator, Report};
use crate::schema::Select;

/// Rows that are scored together. Figures do not depend on it but for rounding.
const BATCH: usize = 4096;

/// Scores every usable row of `parts`, in the order of the files.
///
/// # Errors
/// Damaged files, rows that the spec says to stop at, and parts without a usable row.
pub fn evaluate(
    learner: &dyn Learner,
    dataset: &Dataset,
    vocabularies: &Arc<Vocabularies>,
    parts: Parts,
    name: &str,
) -> Result<Report> {
    evaluate_and_count(learner, dataset, vocabularies, parts, name).map(|(report, _)| report)
}

/// The same, with what became of the rows.
///
/// # Errors
/// Those of [`evaluate`].
pub fn evaluate_and_count(
    learner: &dyn Learner,
    dataset: &Dataset,
    vocabularies: &Arc<Vocabularies>,
    parts: Parts,
    name: &str,
) -> Result<(Report, Option<data::Report>)> {
    let mut evaluator = Evaluator::new(dataset.schema());
    let mut batches = dataset.batches(vocabularies, scan(parts))?;
    for batch in batches.by_ref() {
        let batch = batch?;
        evaluator.add(&batch, &learner.score(&batch)?);
    }
    Ok((evaluator.report(name), batches.report().cloned()))
}

/// Scores the rows that validate, with the figure that chooses the model, if it has one here; `None` if a signal comes
/// first.
///
/// # Errors
/// Those of [`evaluate`].
pub fn validate(
    learner: &dyn Learner,
    dataset: &Dataset,
    vocabularies: &Arc<Vocabularies>,
    select: Option<&Select>,
    interrupt: &Interrupt,
) -> Result<Option<(Report, Option<f64>)>> {
    let mut evaluator = Evaluator::new(dataset.schema());
    for batch in dataset.batches(vocabularies, scan(Parts::VALIDATE))? {
        if interrupt.signal().is_some() {
            return Ok(None);
        }
        let batch = batch?;
        evaluator.add(&batch, &learner.score(&batch)?);
    }
    let report = evaluator.report("validate");
    let figure = match select {
        Some(select) => evaluator.figure(select),
        None => report.loss,
    };
    Ok(Some((report, figure)))
}

/// Whether the data has a usable row of `parts`.
///
/// # Errors
/// Damaged files, and rows that the spec says to stop at.
pub fn has_rows(dataset: &Dataset, vocabularies: &Arc<Vocabularies>, parts: Parts) -> Result<bool> {
    // How far the reader gets before it is stopped is a matter of timing: it writes nothing down.
    let dataset = dataset.clone().with_quarantine(None);
    let mut batches = dataset.batches(vocabularies, scan(parts))?;
    match batches.next() {
        Some(Ok(_)) => Ok(true),
        // A pass without a usable row ends in an error and a report; other errors have no report.
        Some(Err(error)) if batches.report().is_none() => Err(error),
        Some(Err(_)) | None => Ok(false),
    }
}

fn scan(parts: Parts) -> Scan {
    Scan {
        parts,
        batch: BATCH,
        shuffle: None,
        skip: 0,
    }
}
