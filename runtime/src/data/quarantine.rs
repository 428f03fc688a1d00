//! Rows that are skipped, kept in a file: one JSON object a line.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arrow_array::{Array, ArrayRef, RecordBatch, make_array};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::DataType;
use serde::{Deserialize, Serialize};

use crate::data::dataset::Dataset;
use crate::data::fault::Fault;
use crate::data::origin::{BatchOrigin, Origin};
use crate::error::{Error, Result};

/// How every line begins.
const START: &[u8] = br#"{"file":"#;

/// Where skipped rows are written, each once however many passes meet it. Lines stand in the order of the first
/// passes over the parts, within one in that of the files; a line is written whole, with others of its block.
#[derive(Debug)]
pub struct Quarantine {
    path: PathBuf,
    state: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    /// Rows that stand in the file.
    seen: Seen,
}

/// Rows by file: one bit each, up to the last that is there.
#[derive(Debug, Default)]
struct Seen(Vec<Vec<u64>>);

/// A skipped row. `index` is the file's place in the data, from 0. `values` are those of all columns that the model reads, as text; null where missing.
#[derive(Serialize)]
struct SkippedRow<'a> {
    file: &'a str,
    index: u32,
    row: u64,
    column: &'a str,
    value: Option<&'a str>,
    reason: &'a str,
    values: BTreeMap<&'a str, Option<String>>,
}

/// What says which row a line is of. Its file may have another path by now.
#[derive(Deserialize)]
struct SkippedKey {
    index: u32,
    row: u64,
}

impl Quarantine {
    /// A new file; `replace` takes the place of one that is there.
    ///
    /// # Errors
    /// A file that is there, and what the system refuses.
    pub fn create(path: &Path, replace: bool) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        match replace {
            true => options.create(true).truncate(true),
            false => options.create_new(true),
        };
        let file = options.open(path).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Error::usage(
                path.display().to_string(),
                "a file already stands there",
                "name another file after `--quarantine`, or delete this one",
            ),
            _ => Error::file(path, "write the quarantine file", source),
        })?;
        Ok(Self::new(path, file, Seen::default()))
    }

    /// Goes on with the file of a run over the same data; a last line that was cut off goes.
    ///
    /// # Errors
    /// What the system refuses, and a file that is none of such a run, which is left as it is.
    pub fn resume(path: &Path, dataset: &Dataset) -> Result<Self> {
        let refused = |source| Error::file(path, "go on with the quarantine file", source);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = options.open(path).map_err(refused)?;
        let rows: Vec<u64> = dataset.file_rows().collect();
        let (mut seen, mut whole) = (Seen::default(), 0);
        let mut lines = BufReader::new(&file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).map_err(refused)? > 0 {
            if !line.ends_with(b"\n") {
                if !line.starts_with(START) && !START.starts_with(&line) {
                    return Err(foreign(path, &"its last line is none of such a file"));
                }
                break;
            }
            let SkippedKey { index, row } =
                serde_json::from_slice(&line).map_err(|error| foreign(path, &error))?;
            if rows.get(index as usize).is_none_or(|rows| row >= *rows) {
                return Err(foreign(path, &"it has a row that the data has not"));
            }
            seen.insert(Origin { file: index, row });
            whole += line.len() as u64;
            line.clear();
        }
        file.set_len(whole).map_err(refused)?;
        Ok(Self::new(path, file, seen))
    }

    fn new(path: &Path, file: File, seen: Seen) -> Self {
        Self {
            path: path.to_owned(),
            state: Mutex::new(Written { file, seen }),
        }
    }

    /// Writes the faulty rows of a record batch that do not stand in the file yet.
    pub(super) fn write(
        &self,
        batch: &RecordBatch,
        place: BatchOrigin,
        faults: &BTreeMap<u32, Fault>,
    ) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = faults
            .iter()
            .filter(|(row, _)| !state.seen.contains(place.origin(**row)));
        let fresh: Vec<(&u32, &Fault)> = fresh.collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let file = place.path.display().to_string();
        let mut text = Vec::new();
        for &(&row, fault) in &fresh {
            let values = raw_values(batch, row as usize);
            let value = values.get(fault.column).cloned().flatten();
            let origin = place.origin(row);
            let line = SkippedRow {
                file: &file,
                index: origin.file,
                row: origin.row,
                column: fault.column,
                value: value.as_deref(),
                reason: &fault.cause,
                values,
            };
            let written = serde_json::to_writer(&mut text, &line);
            written.map_err(|error| self.refused(error.into()))?;
            text.push(b'\n');
        }
        let written = state.file.write_all(&text);
        written.map_err(|source| self.refused(source))?;
        for (row, _) in fresh {
            state.seen.insert(place.origin(*row));
        }
        Ok(())
    }

    fn refused(&self, source: io::Error) -> Error {
        Error::file(&self.path, "write the quarantine file", source)
    }
}

impl Seen {
    fn contains(&self, row: Origin) -> bool {
        let words = self.0.get(row.file as usize);
        let word = words.and_then(|words| words.get((row.row / 64) as usize));
        word.is_some_and(|word| (word >> (row.row % 64)) & 1 == 1)
    }

    fn insert(&mut self, row: Origin) {
        if let Some(word) = slot(&mut self.0, row.file as usize)
            .and_then(|words| slot(words, (row.row / 64) as usize))
        {
            *word |= 1 << (row.row % 64);
        }
    }
}

/// What stands at a place, which is made if need be.
fn slot<T: Clone + Default>(all: &mut Vec<T>, at: usize) -> Option<&mut T> {
    if all.len() <= at {
        all.resize(at + 1, T::default());
    }
    all.get_mut(at)
}

fn foreign(path: &Path, cause: &dyn fmt::Display) -> Error {
    Error::usage(
        path.display().to_string(),
        format!("no quarantine file of this run: {cause}"),
        "name the run's own file after `--quarantine`, or a new one",
    )
}

/// A row's values as text, by column.
fn raw_values(batch: &RecordBatch, row: usize) -> BTreeMap<&str, Option<String>> {
    let schema = batch.schema_ref();
    let columns = schema.fields().iter().zip(batch.columns());
    columns
        .map(|(field, array)| (field.name().as_str(), text(array, row)))
        .collect()
}

/// A value as text; `None` if it is missing.
fn text(array: &ArrayRef, row: usize) -> Option<String> {
    if row >= array.len() || array.is_null(row) || *array.data_type() == DataType::Null {
        return None;
    }
    let value = array.slice(row, 1);
    let shown = |array: &ArrayRef| {
        let options = FormatOptions::new().with_null("null");
        let formatter = ArrayFormatter::try_new(array.as_ref(), &options)?;
        formatter.value(0).try_to_string()
    };
    let text = match value.data_type() {
        // The formatter knows no time zones; of Parquet there is UTC alone.
        DataType::Timestamp(unit, Some(_)) => {
            let plain = value.to_data().into_builder();
            let plain = plain.data_type(DataType::Timestamp(*unit, None)).build();
            plain.and_then(|plain| Ok(shown(&make_array(plain))? + "Z"))
        }
        _ => shown(&value),
    };
    // A time in no year that a date can have is written as the file has it.
    let text = text.or_else(|error| match cast(&value, &DataType::Int64) {
        Ok(number) => shown(&number),
        Err(_) => Err(error),
    });
    Some(text.unwrap_or_else(|error| format!("(not shown: {error})")))
}
