//! Rows that are skipped, kept in a file: one JSON object a line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use arrow::array::{Array, RecordBatch};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde::{Deserialize, Serialize};

use crate::data::candidates::Fault;
use crate::data::decode::Place;
use crate::data::origin::Origin;
use crate::data::source::Dataset;
use crate::error::{Error, Result};
use crate::hash::BuildMix;

/// Where skipped rows are written, each once however many passes meet it. Lines stand in the order of the first
/// passes over the parts, within one in that of the files; a line is written whole, with others of its block.
#[derive(Debug)]
pub struct Quarantine {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    /// Rows that stand in the file.
    seen: HashSet<Origin, BuildMix>,
}

/// A skipped row. `values` are those of all columns that the model reads, as text; null where missing.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    row: u64,
    column: &'a str,
    value: Option<&'a str>,
    reason: &'a str,
    values: BTreeMap<&'a str, Option<String>>,
}

/// What says which row a line is of.
#[derive(Deserialize)]
struct Key {
    file: String,
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
        Ok(Self::new(path, file, HashSet::default()))
    }

    /// Goes on with the file of a run over the same data; a last line that was cut off goes.
    ///
    /// # Errors
    /// What the system refuses, and a line that no quarantine file holds.
    pub fn resume(path: &Path, dataset: &Dataset) -> Result<Self> {
        let refused = |source| Error::file(path, "go on with the quarantine file", source);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let file = options.open(path).map_err(refused)?;
        let indices: HashMap<String, u32> = dataset
            .files()
            .zip(0..)
            .map(|(path, index)| (path.display().to_string(), index))
            .collect();
        let (mut seen, mut whole) = (HashSet::default(), 0);
        let mut lines = BufReader::new(&file);
        let mut line = String::new();
        while lines.read_line(&mut line).map_err(refused)? > 0 && line.ends_with('\n') {
            let key: Key = serde_json::from_str(&line).map_err(|error| {
                Error::data(
                    path.display().to_string(),
                    format!("no quarantine file of a run: {error}"),
                    "name the run's own file after `--quarantine`, or a new one",
                )
            })?;
            let file = indices.get(&key.file);
            seen.extend(file.map(|&file| Origin { file, row: key.row }));
            whole += line.len() as u64;
            line.clear();
        }
        file.set_len(whole).map_err(refused)?;
        Ok(Self::new(path, file, seen))
    }

    fn new(path: &Path, file: File, seen: HashSet<Origin, BuildMix>) -> Self {
        Self {
            path: path.to_owned(),
            state: Mutex::new(State { file, seen }),
        }
    }

    /// Writes the faulty rows of a record batch that do not stand in the file yet.
    pub(super) fn write(
        &self,
        batch: &RecordBatch,
        place: Place,
        faults: &BTreeMap<u32, Fault>,
    ) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = faults
            .iter()
            .filter(|(row, _)| !state.seen.contains(&place.origin(**row)));
        let fresh: Vec<(&u32, &Fault)> = fresh.collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let file = place.path.display().to_string();
        let mut text = Vec::new();
        for &(&row, fault) in &fresh {
            let values = raw_values(batch, row as usize);
            let value = values.get(fault.column).cloned().flatten();
            let line = Line {
                file: &file,
                row: place.origin(row).row,
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
        let rows = fresh.iter().map(|(row, _)| place.origin(**row));
        let rows: Vec<Origin> = rows.collect();
        state.seen.extend(rows);
        Ok(())
    }

    fn refused(&self, source: io::Error) -> Error {
        Error::file(&self.path, "write the quarantine file", source)
    }
}

/// A row's values as text, by column.
fn raw_values(batch: &RecordBatch, row: usize) -> BTreeMap<&str, Option<String>> {
    let options = FormatOptions::new().with_null("null");
    let schema = batch.schema_ref();
    let columns = schema.fields().iter().zip(batch.columns());
    let text = |array: &dyn Array| {
        let formatter = ArrayFormatter::try_new(array, &options).ok()?;
        let value = (row < array.len() && array.is_valid(row)).then(|| formatter.value(row))?;
        value.try_to_string().ok()
    };
    columns
        .map(|(field, array)| (field.name().as_str(), text(array)))
        .collect()
}
