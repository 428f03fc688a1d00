//! Scores of rows, written beside them: Parquet in, Parquet out, as many rows and in the same order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef};

use super::{ReadyScorer, ScoringBatch};
use crate::arrays::keys::column_of;
use crate::bug::{bug, zip_equal};
use crate::data::{InputSlice, RowGroups, RowReader, RowReport};
use crate::error::{Error, Result};
use crate::exec::host::Scores;
use crate::parquet::footer;
use crate::parquet::output::OutputFile;
use crate::vocab::Vocabularies;

/// What is predicted, and where it is written.
#[derive(Debug)]
pub struct Prediction<'a> {
    /// The model.
    pub scorer: &'a ReadyScorer<'a>,
    /// Its weights' identity.
    pub weights: &'a str,
    /// The rows, read to be scored, with the columns to keep.
    pub reader: &'a RowReader,
    /// How their raw values become rows of tables.
    pub vocabularies: &'a Arc<Vocabularies>,
    /// Columns of the data that stand in the output, before the tasks'.
    pub keep: &'a [String],
    /// Whether the logits stand beside the probabilities.
    pub logits: bool,
    /// The folder that is written to.
    pub folder: &'a Path,
    /// Whether files of other predictions are replaced.
    pub replace: bool,
}

/// What became of one file's rows.
#[derive(Debug)]
pub enum PredictedFile {
    /// They were scored.
    Written(RowReport),
    /// The file was there, whole, from the same model and rows.
    There,
}

/// Keys of the facts in the footer of a file, by which a file that is there is known again.
const WEIGHTS: &str = "mtmdc.weights";
const SOURCE: &str = "mtmdc.source";

impl Prediction<'_> {
    /// Scores some neighbouring rows of a file, into a file of their own.
    ///
    /// # Errors
    /// Damaged files, a bad row where rows are not to be skipped, a file of another prediction that is in the way, and
    /// what the system refuses.
    pub fn predict(&self, groups: &RowGroups) -> Result<PredictedFile> {
        let path = self.path(groups);
        let schema = self.columns(groups.file);
        let facts = self.facts(groups);
        if path.exists() && !self.replace {
            return match footer::facts_and_columns(&path)? {
                found if found == (facts.clone(), names(&schema)) => Ok(PredictedFile::There),
                _ => Err(self.in_the_way(&path)),
            };
        }
        let mut output = OutputFile::create(&path, Arc::clone(&schema), facts)?;
        let mut slices = self.reader.inputs(self.vocabularies, groups)?;
        while let Some(slice) = slices.next_slice()? {
            output.write(&self.scored(slice, &schema)?)?;
        }
        output.finish()?;
        Ok(PredictedFile::Written(slices.report().clone()))
    }

    /// `part-FILE-ROW.parquet`: sorted by name, files are in the order of the data.
    fn path(&self, groups: &RowGroups) -> PathBuf {
        let name = format!("part-{:05}-{:012}.parquet", groups.file, groups.first_row);
        self.folder.join(name)
    }

    fn in_the_way(&self, path: &Path) -> Error {
        Error::usage(
            path.display().to_string(),
            "a file of another model, of other rows or with other columns is there",
            "give another folder by `--out`, or replace it by `--force`",
        )
    }

    fn facts(&self, groups: &RowGroups) -> Vec<(String, String)> {
        let source = self.reader.fingerprints().nth(groups.file);
        let Some(source) = source else {
            bug!("no file {}", groups.file);
        };
        let source = format!(
            "{source:032x} rows {} to {}",
            groups.first_row,
            groups.first_row + groups.rows
        );
        vec![
            (WEIGHTS.to_owned(), self.weights.to_owned()),
            (SOURCE.to_owned(), source),
        ]
    }

    /// The columns of the output: those that are kept, then the tasks'.
    fn columns(&self, file: usize) -> SchemaRef {
        let kept = self.keep.iter().map(|name| {
            let Some(field) = self.reader.field(file, name) else {
                bug!("file {file} was opened without column `{name}`");
            };
            Field::new(name, field.data_type().clone(), true)
        });
        let tasks = self.scorer.schema().tasks.iter().flat_map(|task| {
            let logit = self.logits.then(|| logit_column(&task.name));
            [task.name.to_string()].into_iter().chain(logit)
        });
        let tasks = tasks.map(|name| Field::new(name, DataType::Float32, true));
        Arc::new(ArrowSchema::new(kept.chain(tasks).collect::<Vec<_>>()))
    }

    /// The output of some rows.
    fn scored(&self, slice: InputSlice, schema: &SchemaRef) -> Result<RecordBatch> {
        let InputSlice { rows, inputs, .. } = slice;
        let batch = ScoringBatch::new(self.scorer.plan(), inputs.batch);
        let scores = self.scorer.scores(&batch);
        let build = || {
            let kept = schema.fields().iter().take(self.keep.len());
            let kept = kept.map(|field| cast(&column_of(&rows, field.name())?, field.data_type()));
            let mut columns = kept.collect::<Result<Vec<_>, _>>()?;
            for (pairs, scores) in zip_equal(&batch.pairs, &scores) {
                let places = pairs
                    .rows
                    .iter()
                    .map(|row| match inputs.rows.get(*row as usize) {
                        Some(place) => *place as usize,
                        None => bug!("row {row} of {}", inputs.rows.len()),
                    });
                let places: Vec<usize> = places.collect();
                columns.push(column(rows.num_rows(), &places, scores, probability));
                if self.logits {
                    columns.push(column(rows.num_rows(), &places, scores, logit));
                }
            }
            RecordBatch::try_new(Arc::clone(schema), columns)
        };
        build().map_err(|error| Error::run("the scores", error.to_string(), "report this as a bug"))
    }
}

/// The names of columns.
fn names(schema: &SchemaRef) -> Vec<String> {
    let fields = schema.fields().iter();
    fields.map(|field| field.name().clone()).collect()
}

/// The name of the column with a task's logits.
pub fn logit_column(task: &str) -> String {
    format!("{task}_logit")
}

/// P of a row.
fn probability(lp: f64, _: f64) -> f64 {
    lp.exp()
}

/// ln(P / (1 - P)) of a row.
fn logit(lp: f64, lq: f64) -> f64 {
    lp - lq
}

/// A value for each row at `places`, null elsewhere.
fn column(rows: usize, places: &[usize], scores: &Scores, value: fn(f64, f64) -> f64) -> ArrayRef {
    let mut values: Vec<Option<f32>> = vec![None; rows];
    let scores = zip_equal(&scores.lp, &scores.lq);
    for (place, (&lp, &lq)) in zip_equal(places, scores) {
        let Some(to) = values.get_mut(*place) else {
            bug!("row {place} of {rows}");
        };
        *to = Some(value(lp, lq) as f32);
    }
    Arc::new(Float32Array::from(values))
}
