//! The Parquet files of a data set, opened and checked against the schema before anything runs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use crate::data::check;
use crate::data::split::{Parts, Selector};
use crate::error::{Error, Result};
use crate::schema::Schema;

/// Rows of a record batch. Blocks of the shuffle end at multiples of it, so the order of training
/// depends on it.
const BATCH_ROWS: usize = 8192;

/// Parquet files that have every column that a schema needs.
#[derive(Debug, Clone)]
pub struct Dataset {
    schema: &'static Schema,
    files: Vec<DataFile>,
}

/// One file, its footer read.
#[derive(Debug, Clone)]
pub(super) struct DataFile {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
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
    /// those in folders within, nor those whose name starts with `.` or `_`), and checks their columns.
    ///
    /// # Errors
    /// A path that cannot be read, a folder without Parquet files, a file that is no whole Parquet file,
    /// and, as one error, every column that is missing or of a type that will not do.
    pub fn open(schema: &'static Schema, paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        for path in paths {
            for path in list(path)? {
                let metadata = read_footer(&path)?;
                files.push(DataFile { path, metadata });
            }
        }
        if files.is_empty() {
            return Err(Error::data(
                "the data",
                "no path is given",
                "give a Parquet file or a folder of them",
            ));
        }
        let dataset = Self { schema, files };
        check::check(
            schema,
            dataset
                .files
                .iter()
                .map(|file| (file.path.as_path(), file.metadata.schema().as_ref())),
        )?;
        Ok(dataset)
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
        self.files
            .iter()
            .flat_map(DataFile::groups)
            .map(|(_, rows)| rows)
            .sum()
    }

    /// Row groups that may hold rows of `parts`, in file order, and how many rows the others hold.
    pub(super) fn units(&self, parts: Parts) -> Result<(Vec<Unit>, u64)> {
        let selector = Selector::new(&self.schema.split, parts);
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

    /// Reads one row group, the needed columns only.
    pub(super) fn read(
        &self,
        unit: Unit,
        columns: &[&'static str],
    ) -> Result<ParquetRecordBatchReader> {
        let Some(file) = self.files.get(unit.file) else {
            return Err(Error::data(
                "the data",
                "a file is gone from the list",
                "open the data again",
            ));
        };
        let handle =
            File::open(&file.path).map_err(|source| Error::file(&file.path, "read it", source))?;
        let fields = file.metadata.schema().fields();
        let wanted = fields
            .iter()
            .enumerate()
            .filter(|(_, field)| columns.contains(&field.name().as_str()));
        let mask = ProjectionMask::roots(
            file.metadata.parquet_schema(),
            wanted.map(|(index, _)| index),
        );
        ParquetRecordBatchReaderBuilder::new_with_metadata(handle, file.metadata.clone())
            .with_projection(mask)
            .with_row_groups(vec![unit.group])
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(|error| damaged(&file.path, &error))
    }
}

impl DataFile {
    fn groups(&self) -> impl Iterator<Item = (usize, u64)> {
        let groups = self.metadata.metadata().row_groups().iter();
        groups
            .map(|group| u64::try_from(group.num_rows()).unwrap_or(0))
            .enumerate()
    }
}

/// A file whose bytes are no whole Parquet file.
pub(super) fn damaged(path: &Path, error: &impl ToString) -> Error {
    Error::data(
        path.display().to_string(),
        format!(
            "not a whole Parquet file, or a damaged one: {}",
            error.to_string()
        ),
        "write the file again, or leave it out of the data",
    )
}

fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::data(
            path.display().to_string(),
            "there is no such file or folder",
            "name the data with `data` in the spec or `--data` on the command line",
        ),
        _ => Error::file(path, "read the data", source),
    };
    if !fs::metadata(path).map_err(refused)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(refused)? {
        let file = entry.map_err(refused)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".parquet") && !name.starts_with(['.', '_']) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Error::data(
            path.display().to_string(),
            "the folder holds no `*.parquet` file",
            "give a folder with Parquet files right in it, or a file",
        ));
    }
    files.sort();
    Ok(files)
}

fn read_footer(path: &Path) -> Result<ArrowReaderMetadata> {
    let file = File::open(path).map_err(|source| Error::file(path, "read the data", source))?;
    ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(|error| match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => Error::file(path, "read the data", *source),
            Err(other) => damaged(path, &other),
        },
        other => damaged(path, &other),
    })
}
