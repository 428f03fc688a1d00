//! The Parquet files of a data set, opened and checked against the schema before anything runs.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::Schema as ArrowSchema;
use parquet::file::metadata::ParquetMetaData;

use crate::data::check;
use crate::data::codecs;
use crate::data::file::{self, DataFile, RowGroup};
use crate::data::quarantine::Quarantine;
use crate::data::split::{Parts, Selector};
use crate::error::{Error, Result};
use crate::schema::{BadRows, Schema};

/// Parquet files that have every column that a schema needs.
#[derive(Debug, Clone)]
pub struct Dataset {
    schema: &'static Schema,
    files: Vec<DataFile>,
    bad_rows: BadRows,
    quarantine: Option<Arc<Quarantine>>,
}

/// A row group of a file: the unit of reading, and of the order of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// Index of the file.
    pub file: usize,
    /// Index of the row group in the file.
    pub group: usize,
    /// Row of the file that is the group's first.
    pub first_row: u64,
    /// Rows of the group.
    pub rows: u64,
}

impl Dataset {
    /// Opens the files at `paths`, each a Parquet file or a folder of `*.parquet` (sorted by name; not
    /// those in folders within, nor those whose name starts with `.` or `_`), and checks their columns. A path may
    /// be an `s3://` or `gs://` URL, with credentials from the environment (feature `cloud`).
    ///
    /// # Errors
    /// A path that cannot be read, a folder without Parquet files, a file that is no whole Parquet file, stands
    /// twice among them or has a needed column in a codec that cannot be read, and, as one error, every column that is missing or of a type that will not do.
    pub fn open(schema: &'static Schema, paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            files.extend(file::open(path)?);
        }
        if files.is_empty() {
            return Err(Error::data(
                "the data",
                "no path is given",
                "give a Parquet file or a folder of them",
            ));
        }
        distinct(&files)?;
        let dataset = Self {
            schema,
            files,
            bad_rows: schema.rows.bad,
            quarantine: None,
        };
        check::check(schema, dataset.columns())?;
        let columns = check::columns(schema);
        for file in &dataset.files {
            codecs::check(&file.path, file.metadata.metadata(), &columns)?;
        }
        Ok(dataset)
    }

    /// The same files, where rows that cannot be used, those of no domain where the spec stops at them among
    /// them, have this fate in place of the spec's.
    #[must_use]
    pub fn with_bad_rows(self, bad_rows: BadRows) -> Self {
        Self { bad_rows, ..self }
    }

    /// The same files, where rows that are skipped are written to a file; `None`: they are not. Rows that
    /// the spec leaves out by `others skip` are no bad rows.
    #[must_use]
    pub fn with_quarantine(self, quarantine: Option<Arc<Quarantine>>) -> Self {
        Self { quarantine, ..self }
    }

    /// The fate of rows that cannot be used.
    pub fn bad_rows(&self) -> BadRows {
        self.bad_rows
    }

    pub(super) fn quarantine(&self) -> Option<&Arc<Quarantine>> {
        self.quarantine.as_ref()
    }

    /// The schema that the files were checked against.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The files, in the order in which rows are numbered.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Rows of all files, whether they can be used or not.
    pub fn rows(&self) -> u64 {
        self.file_rows().sum()
    }

    /// Rows of each file.
    pub(super) fn file_rows(&self) -> impl Iterator<Item = u64> {
        let files = self.files.iter();
        files.map(|file| file.groups().map(|(_, rows)| rows).sum())
    }

    /// The files with their columns, in their order.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&Path, &ArrowSchema)> + Clone {
        let files = self.files.iter();
        files.map(|file| (file.path.as_path(), file.metadata.schema().as_ref()))
    }

    /// What the files' footers say, in their order.
    pub(super) fn metadata(&self) -> impl Iterator<Item = &ParquetMetaData> {
        self.files
            .iter()
            .map(|file| file.metadata.metadata().as_ref())
    }

    /// Row groups that may hold rows of `parts`, in file order, and how many rows the others hold.
    pub(super) fn units(&self, parts: Parts) -> Result<(Vec<Unit>, u64)> {
        let selector = Selector::new(&self.schema.rows.split, parts);
        let (mut units, mut outside) = (Vec::new(), 0);
        for (index, file) in self.files.iter().enumerate() {
            let possible = selector.possible(&file.metadata);
            let mut first_row = 0;
            for (group, rows) in file.groups() {
                if possible.get(group).copied().unwrap_or(true) {
                    units.push(Unit {
                        file: index,
                        group,
                        first_row,
                        rows,
                    });
                } else {
                    outside += rows;
                }
                first_row += rows;
            }
        }
        Ok((units, outside))
    }

    /// The path of a file by its index.
    pub(super) fn path(&self, file: usize) -> &Path {
        self.files
            .get(file)
            .map_or(Path::new(""), |file| &file.path)
    }

    /// The needed columns, shared out to at most so many readers: about as many bytes of this row group to each.
    pub(super) fn shares(&self, unit: Option<&Unit>, readers: usize) -> Vec<Vec<&'static str>> {
        let file = unit.and_then(|unit| Some((self.files.get(unit.file)?, unit.group)));
        let size = |column: &str| file.map_or(0, |(file, group)| file.size(group, column));
        let columns = check::columns(self.schema);
        let mut columns: Vec<_> = columns.into_iter().map(|name| (size(name), name)).collect();
        columns.sort_by_key(|(size, _)| Reverse(*size));
        let mut shares = vec![(0, Vec::new()); readers.clamp(1, columns.len().max(1))];
        for (size, column) in columns {
            let least = shares
                .iter_mut()
                .min_by_key(|(bytes, names)| (*bytes, names.len()));
            if let Some((bytes, names)) = least {
                *bytes += size;
                names.push(column);
            }
        }
        shares.into_iter().map(|(_, columns)| columns).collect()
    }

    /// Reads one row group, these columns only.
    pub(super) fn read(&self, unit: Unit, columns: &[&'static str]) -> Result<RowGroup> {
        let Some(file) = self.files.get(unit.file) else {
            let cause = "a file is gone from the list";
            return Err(Error::run("the data", cause, "report this as a bug"));
        };
        file.read(unit.group, columns)
    }
}

/// Refuses a file that is given twice.
fn distinct(files: &[DataFile]) -> Result<()> {
    let mut seen: HashMap<PathBuf, &Path> = HashMap::with_capacity(files.len());
    for file in files {
        if let Some(first) = seen.insert(file.identity()?, &file.path) {
            return Err(Error::usage(
                file.path.display().to_string(),
                format!("this file is in the data already, as {}", first.display()),
                "give it once: rows that are there twice train twice, or train and validate",
            ));
        }
    }
    Ok(())
}
