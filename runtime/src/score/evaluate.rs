//! Scoring parts of the data.

use std::sync::Arc;

use super::{Scorer, ScoringBatch};
use crate::data::{self, Batches, Parts, RowReader, Scan};
use crate::error::Result;
use crate::evaluation::{Evaluator, Report};
use crate::schema::Select;
use crate::vocab::Vocabularies;

/// Rows that are scored together. Figures do not depend on it but for rounding.
const BATCH: usize = 4096;

/// Scores every usable row of `parts`, in the order of the files.
///
/// # Errors
/// Damaged files, rows that the spec says to stop at, and parts without a usable row.
pub fn evaluate(
    scorer: &Scorer,
    reader: &RowReader,
    vocabularies: &Arc<Vocabularies>,
    parts: Parts,
    name: &str,
) -> Result<Report> {
    evaluate_and_count(scorer, reader, vocabularies, parts, name).map(|(report, _)| report)
}

/// The same, with what became of the rows.
///
/// # Errors
/// Those of [`evaluate`].
pub fn evaluate_and_count(
    scorer: &Scorer,
    reader: &RowReader,
    vocabularies: &Arc<Vocabularies>,
    parts: Parts,
    name: &str,
) -> Result<(Report, Option<data::RowReport>)> {
    let mut evaluator = Evaluator::new(reader.schema());
    let mut batches = batches(scorer, reader, vocabularies, parts)?;
    score_all(scorer, &mut batches, &mut evaluator, || false)?;
    Ok((evaluator.report(name), batches.report().cloned()))
}

/// Scores the validation rows; also returns the metric that chooses the model, if the rows have one.
/// `None` if `stop` returns true first.
///
/// # Errors
/// Those of [`evaluate`].
pub fn validate(
    scorer: &Scorer,
    reader: &RowReader,
    vocabularies: &Arc<Vocabularies>,
    select: Option<&Select>,
    stop: impl Fn() -> bool,
) -> Result<Option<(Report, Option<f64>)>> {
    let mut evaluator = Evaluator::new(reader.schema());
    let mut batches = batches(scorer, reader, vocabularies, Parts::VALIDATE)?;
    if !score_all(scorer, &mut batches, &mut evaluator, stop)? {
        return Ok(None);
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
pub fn has_rows(
    reader: &RowReader,
    vocabularies: &Arc<Vocabularies>,
    parts: Parts,
) -> Result<bool> {
    // How far the reader gets before it is stopped is a matter of timing: it writes nothing down.
    let reader = reader.clone().with_quarantine(None);
    let mut batches = reader.batches(vocabularies, scan(parts))?;
    match batches.next() {
        Some(Ok(_)) => Ok(true),
        // A pass without a usable row ends in an error and a report; other errors have no report.
        Some(Err(error)) if batches.report().is_none() => Err(error),
        Some(Err(_)) | None => Ok(false),
    }
}

/// Scores the batches one after another; `false` if `stop` returns true first.
fn score_all(
    scorer: &Scorer,
    batches: &mut Batches<ScoringBatch>,
    evaluator: &mut Evaluator,
    stop: impl Fn() -> bool,
) -> Result<bool> {
    let scorer = scorer.ready();
    for batch in batches {
        if stop() {
            return Ok(false);
        }
        let batch = batch?;
        evaluator.add(&batch.batch, &scorer.score(&batch));
    }
    Ok(true)
}

/// Batches of the rows of some parts, made ready to be scored.
fn batches(
    scorer: &Scorer,
    reader: &RowReader,
    vocabularies: &Arc<Vocabularies>,
    parts: Parts,
) -> Result<Batches<ScoringBatch>> {
    let plan = scorer.plan();
    reader.prepared(vocabularies, scan(parts), move |batch| {
        ScoringBatch::new(plan, batch)
    })
}

fn scan(parts: Parts) -> Scan {
    Scan {
        parts,
        batch: BATCH,
        shuffle: None,
        skip: 0,
    }
}
