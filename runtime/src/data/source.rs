//! The Parquet files of a data set, opened and checked against the schema before anything runs.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::{Path, PathBuf};
use std::sync::Once;

use arrow::array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};

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
    pub(super) fn read(&self, unit: Unit, columns: &[&'static str]) -> Result<RowGroup> {
        let Some(file) = self.files.get(unit.file) else {
            let cause = "a file is gone from the list";
            return Err(Error::run("the data", cause, "report this as a bug"));
        };
        let handle = File::open(&file.path)
            .map_err(|source| Error::file(&file.path, "read the data", source))?;
        let fields = file.metadata.schema().fields().iter().enumerate();
        let wanted = fields.filter(|(_, field)| columns.contains(&field.name().as_str()));
        let mask = ProjectionMask::roots(
            file.metadata.parquet_schema(),
            wanted.map(|(index, _)| index),
        );
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(handle, file.metadata.clone())
                .with_projection(mask)
                .with_row_groups(vec![unit.group])
                .with_batch_size(BATCH_ROWS);
        let reader = guarded(&file.path, || builder.build())?;
        Ok(RowGroup {
            path: file.path.clone(),
            reader,
        })
    }
}

/// The record batches of one row group.
pub(super) struct RowGroup {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
}

impl Iterator for RowGroup {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        guarded(&self.path, || self.reader.next().transpose()).transpose()
    }
}

/// Runs a part of the Parquet reader, which panics on some damaged files.
fn guarded<T, E: ToString>(
    path: &Path,
    read: impl FnOnce() -> std::result::Result<T, E>,
) -> Result<T> {
    silence();
    let outer = GUARDED.replace(true);
    // What was in use when the reader panicked is not used again: the error ends the pass.
    let read = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(outer);
    match read {
        Ok(read) => read.map_err(|error| damaged(path, &error)),
        Err(_) => Err(damaged(path, &"its parts contradict each other")),
    }
}

thread_local! {
    /// Whether a panic of this thread becomes an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics that become errors off the terminal; the others go the way they went.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                hook(panic);
            }
        }));
    });
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
    let refused = |source| Error::file(path, "read the data", source);
    let file = File::open(path).map_err(refused)?;
    let length = file.metadata().map_err(refused)?.len();
    let metadata = guarded(path, || {
        ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())
    })?;
    let columns = metadata
        .metadata()
        .row_groups()
        .iter()
        .flat_map(|group| group.columns());
    for column in columns {
        let start = column
            .dictionary_page_offset()
            .unwrap_or(column.data_page_offset());
        let end = start
            .checked_add(column.compressed_size())
            .and_then(|end| u64::try_from(end).ok());
        if start < 0 || column.compressed_size() < 0 || end.is_none_or(|end| end > length) {
            let cause = format!("column `{}` lies outside the file", column.column_path());
            return Err(damaged(path, &cause));
        }
    }
    Ok(metadata)
}
