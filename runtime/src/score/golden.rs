//! Golden rows: some rows as they are in the data, with the scores that the model gave them when it was trained. Whoever
//! reads the model gives them again before it answers anything: an error in the encoding, in the weights or of a
//! machine shows there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_array::{Array as _, ArrayRef, Float64Array, RecordBatch, UInt32Array};
use arrow_cast::cast;
use arrow_schema::{ArrowError, Field, Schema as ArrowSchema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

use super::{ReadyScorer, ScoringBatch};
use crate::arrays::keys::column_of;
use crate::bug::{bug, zip_equal};
use crate::data::{
    Dataset, InputDecoder, Inputs, KeptColumns, Origin, Parts, Purpose, RowReader, Scan, columns,
};
use crate::error::{Error, Result};
use crate::parquet::footer;
use crate::parquet::output::OutputFile;
use crate::schema::BadRows;
use crate::vocab::Vocabularies;

/// The file beside the weights.
pub const GOLDEN: &str = "golden.parquet";

/// Rows at most.
const ROWS: usize = 64;

/// Rows of the data that are looked at, to find some of each cell.
const LOOKED_AT: usize = 200_000;

/// Largest difference of ln P on another machine: its sums are in another order. A value that is encoded in another way
/// makes one far larger.
const TOLERANCE: f64 = 1e-4;

/// The column with the logarithms of a task's probabilities. No column of the data has such a name.
fn column_name(task: &str) -> String {
    format!("mtmdc.lp.{task}")
}

/// Writes golden rows of some part into a folder, spread over the cells. Of a part without usable rows nothing is written.
///
/// # Errors
/// Damaged files, and what the system refuses.
pub fn write(
    scorer: &ReadyScorer<'_>,
    reader: &RowReader,
    vocabularies: &Arc<Vocabularies>,
    parts: Parts,
    folder: &Path,
) -> Result<()> {
    let origins = choose(reader, vocabularies, parts)?;
    let Some(rows) = read(reader, vocabularies, &origins)? else {
        return Ok(());
    };
    let schema = scorer.schema();
    let decoder = InputDecoder::new(schema, Purpose::Score, BadRows::Stop, vocabularies);
    let path = folder.join(GOLDEN);
    let inputs = decoder.inputs(&rows, &path, &mut decoder.report())?;
    let scores = scores(scorer, inputs, rows.num_rows());
    let (fields, mut columns) = (rows.schema(), rows.columns().to_vec());
    let mut fields: Vec<_> = fields.fields().iter().cloned().collect();
    for (task, scores) in zip_equal(&*schema.tasks, scores) {
        let scores = Float64Array::from(scores);
        let name = column_name(&task.name);
        fields.push(Arc::new(Field::new(name, scores.data_type().clone(), true)));
        columns.push(Arc::new(scores) as ArrayRef);
    }
    let fields: SchemaRef = Arc::new(ArrowSchema::new(fields));
    let rows = RecordBatch::try_new(Arc::clone(&fields), columns).map_err(failed)?;
    let mut file = OutputFile::create(&path, fields, [])?;
    file.write(&rows)?;
    file.finish()
}

/// Requires that the golden rows of a model have the scores that they had. Returns how many there are; a folder without
/// any has none.
///
/// # Errors
/// A row with another score, and a file that cannot be read.
pub fn check(
    scorer: &ReadyScorer<'_>,
    vocabularies: &Arc<Vocabularies>,
    folder: &Path,
) -> Result<usize> {
    let path = folder.join(GOLDEN);
    if !path.exists() {
        return Ok(0);
    }
    let schema = scorer.schema();
    let names: Vec<String> = schema
        .tasks
        .iter()
        .map(|task| column_name(&task.name))
        .collect();
    let kept = KeptColumns {
        columns: &names,
        place: "the golden rows",
        user: "a task",
        raw_values: false,
    };
    let dataset = Dataset::open_for(schema, std::slice::from_ref(&path), Purpose::Score, kept)?;
    let reader = RowReader::new(dataset).with_bad_rows(BadRows::Stop);
    let mut rows = 0;
    for groups in reader.share(0, 1) {
        let mut slices = reader.inputs(vocabularies, &groups)?;
        while let Some(slice) = slices.next_slice()? {
            let count = slice.rows.num_rows();
            let found = scores(scorer, slice.inputs, count);
            for (name, found) in zip_equal(&names, found) {
                let expected = column_of(&slice.rows, name).map_err(failed)?;
                compare(&path, name, &expected, &found)?;
            }
            rows += count;
        }
    }
    Ok(rows)
}

/// The types of the columns that a score needs, as they were in the data.
///
/// # Errors
/// A folder without golden rows, and a file that cannot be read.
pub fn types(folder: &Path) -> Result<SchemaRef> {
    let path = folder.join(GOLDEN);
    if !path.exists() {
        return Err(Error::weights(
            folder.display().to_string(),
            format!("no `{GOLDEN}` lies there, which tells the types of requests"),
            "give the folder of a run that has ended, or of its model: a checkpoint has none",
        ));
    }
    footer::types(&path)
}

fn compare(path: &Path, name: &str, expected: &ArrayRef, found: &[Option<f64>]) -> Result<()> {
    let broken = |cause: String| {
        Error::weights(
            path.display().to_string(),
            cause,
            "this program does not score as the one that trained the model: build it and train with one version of \
             mtmdc, and report this as a bug",
        )
    };
    let Some(expected) = expected.as_primitive_opt::<Float64Type>() else {
        return Err(broken(format!("column `{name}` holds no numbers")));
    };
    for (row, (expected, found)) in zip_equal(expected, found).enumerate() {
        let same = match (expected, found) {
            (None, None) => true,
            (Some(expected), Some(found)) => (expected - found).abs() <= TOLERANCE,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            let show = |lp: Option<f64>| lp.map_or("none".to_owned(), |lp| format!("{lp:.6}"));
            return Err(broken(format!(
                "golden row {row} had {} in `{name}`, and has {}",
                show(expected),
                show(*found)
            )));
        }
    }
    Ok(())
}

/// ln P of each row and task, `None` where the task does not exist.
fn scores(scorer: &ReadyScorer<'_>, inputs: Inputs, rows: usize) -> Vec<Vec<Option<f64>>> {
    let places = inputs.rows;
    let batch = ScoringBatch::new(scorer.plan(), inputs.batch);
    let scores = scorer.scores(&batch);
    let of = zip_equal(&batch.pairs, scores).map(|(pairs, scores)| {
        let mut all = vec![None; rows];
        for (row, lp) in zip_equal(&pairs.rows, scores.lp) {
            let place = places.get(*row as usize).copied();
            match place.and_then(|place| all.get_mut(place as usize)) {
                Some(to) => *to = Some(lp),
                None => bug!("row {row} of {rows}"),
            }
        }
        all
    });
    of.collect()
}

/// Some usable rows of each cell, the first ones.
fn choose(
    reader: &RowReader,
    vocabularies: &Arc<Vocabularies>,
    parts: Parts,
) -> Result<Vec<Origin>> {
    let schema = reader.schema();
    let cells = schema.surfaces.domains.len() * schema.products.domains.len();
    // What a pass skips was written down by the pass that trained.
    let reader = reader.clone().with_quarantine(None);
    let reader = reader.with_bad_rows(BadRows::Skip);
    let scan = Scan {
        parts,
        batch: 4096,
        shuffle: None,
        skip: 0,
    };
    let mut found: BTreeMap<(u16, u16), Vec<Origin>> = BTreeMap::new();
    let mut looked_at = 0;
    let mut batches = reader.batches(vocabularies, scan)?;
    while let Some(batch) = batches.next() {
        let batch = match batch {
            Ok(batch) => batch,
            Err(error) if batches.report().is_none() => return Err(error),
            // A pass in which no row can be used ends in an error and a report.
            Err(_) => break,
        };
        looked_at += batch.rows;
        let domains = zip_equal(&batch.surface, &batch.product);
        for ((surface, product), origin) in zip_equal(domains, &batch.origins) {
            let rows = found.entry((*surface, *product)).or_default();
            if rows.len() < ROWS {
                rows.push(*origin);
            }
        }
        let full = found.len() == cells && found.values().all(|rows| rows.len() == ROWS);
        if full || looked_at >= LOOKED_AT {
            break;
        }
    }
    Ok(spread(found.into_values().collect()))
}

/// The first of each cell, the second of each, and so on, as many as are wanted; in the order of the data.
fn spread(cells: Vec<Vec<Origin>>) -> Vec<Origin> {
    let ranks = 0..ROWS;
    let ranked = ranks.flat_map(|rank| cells.iter().filter_map(move |cell| cell.get(rank)));
    let mut chosen: Vec<Origin> = ranked.take(ROWS).copied().collect();
    chosen.sort_unstable();
    chosen
}

/// Some rows as they are in the data, with the columns that a score needs; `None` of no row. Rows of a file whose types are
/// others than the first's are left out.
fn read(
    reader: &RowReader,
    vocabularies: &Arc<Vocabularies>,
    origins: &[Origin],
) -> Result<Option<RecordBatch>> {
    let dataset = reader.dataset().for_purpose(Purpose::Score);
    let reader = RowReader::new(dataset).with_bad_rows(BadRows::Skip);
    let mut parts: Vec<RecordBatch> = Vec::new();
    for groups in reader.groups_of(origins) {
        let mut slices = reader.inputs(vocabularies, &groups)?;
        while let Some(slice) = slices.next_slice()? {
            let rows = slice.first_row..slice.first_row + slice.rows.num_rows() as u64;
            let here = origins
                .iter()
                .filter(|origin| origin.file as usize == slice.file && rows.contains(&origin.row));
            let places: UInt32Array = here
                .map(|origin| (origin.row - slice.first_row) as u32)
                .collect();
            if places.is_empty() {
                continue;
            }
            let rows = take_record_batch(&slice.rows, &places).map_err(failed)?;
            parts.push(plain(&reader, slice.file, &rows).map_err(failed)?);
        }
    }
    let Some(first) = parts.first().map(RecordBatch::schema) else {
        return Ok(None);
    };
    parts.retain(|part| part.schema() == first);
    concat_batches(&first, &parts).map(Some).map_err(failed)
}

/// Rows with the types that their file says, in the order of the columns' names.
fn plain(reader: &RowReader, file: usize, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let names = columns(reader.schema(), Purpose::Score);
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for name in names {
        let Some(field) = reader.field(file, name) else {
            bug!("file {file} was opened without column `{name}`");
        };
        fields.push(Field::new(name, field.data_type().clone(), true));
        arrays.push(cast(&column_of(rows, name)?, field.data_type())?);
    }
    RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), arrays)
}

fn failed(error: ArrowError) -> Error {
    Error::run("the golden rows", error.to_string(), "report this as a bug")
}
