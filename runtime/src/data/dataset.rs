//! The Parquet files of a data set, opened and checked against the schema before anything runs.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use parquet::file::metadata::ParquetMetaData;

use crate::data::check;
use crate::data::origin::{Origin, describe};
use crate::data::split::{Bounds, Parts, Splitter};
use crate::error::{Error, Result};
use crate::parquet::codecs;
use crate::parquet::file::{self, DataFile};
use crate::parquet::footer::Footer;
use crate::parquet::row_group::RowGroup;
use crate::schema::Schema;

/// Parquet files that have every column that a schema needs.
#[derive(Debug, Clone)]
pub struct Dataset {
    schema: &'static Schema,
    files: Vec<DataFile>,
}

/// A row group of a file: the unit of reading, and of the order of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowGroupRef {
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
        let dataset = Self { schema, files };
        check::check(schema, dataset.footers())?;
        let columns = check::columns(schema);
        for file in &dataset.files {
            codecs::check(&file.path, &file.footer.metadata, &columns)?;
        }
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
        self.file_rows().sum()
    }

    /// Rows of each file.
    pub(super) fn file_rows(&self) -> impl Iterator<Item = u64> {
        let files = self.files.iter();
        files.map(|file| file.groups().map(|(_, rows)| rows).sum())
    }

    /// The files with their footers, in their order.
    pub(super) fn footers(&self) -> impl Iterator<Item = (&Path, &Footer)> + Clone {
        let files = self.files.iter();
        files.map(|file| (file.path.as_path(), &file.footer))
    }

    /// What the files' footers say, in their order.
    pub(super) fn metadata(&self) -> impl Iterator<Item = &ParquetMetaData> {
        self.files.iter().map(|file| file.footer.metadata.as_ref())
    }

    /// Row groups that may hold rows of `parts`, in file order, and how many rows the others hold.
    pub(super) fn units(&self, parts: Parts) -> (Vec<RowGroupRef>, u64) {
        let splitter = Splitter::new(&self.schema.rows.split);
        let units = self.choose(&splitter, |bounds, group| {
            bounds.allow(&splitter, group, parts)
        });
        let rows: u64 = units.iter().map(|unit| unit.rows).sum();
        (units, self.rows() - rows)
    }

    /// The row groups whose statistics say nothing or are as wanted, in file order.
    pub(super) fn choose(
        &self,
        splitter: &Splitter,
        wanted: impl Fn(&Bounds, usize) -> bool,
    ) -> Vec<RowGroupRef> {
        let mut units = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            let bounds = splitter.bounds(&file.footer);
            let mut first_row = 0;
            for (group, rows) in file.groups() {
                if bounds.as_ref().is_none_or(|bounds| wanted(bounds, group)) {
                    units.push(RowGroupRef {
                        file: index,
                        group,
                        first_row,
                        rows,
                    });
                }
                first_row += rows;
            }
        }
        units
    }

    /// Rows in words, for messages: `rows 17, 39 to 41 of part-0.parquet; row 3 of part-1.parquet`. By file and
    /// row; of many, the first of each file and how many more.
    pub fn describe(&self, origins: &[Origin]) -> String {
        describe(origins, |file| match self.files.get(file as usize) {
            Some(file) => file.path.display().to_string(),
            None => "?".to_owned(),
        })
    }

    /// The path of a file by its index.
    pub(super) fn path(&self, file: usize) -> &Path {
        self.files
            .get(file)
            .map_or(Path::new(""), |file| &file.path)
    }

    /// The needed columns, shared out to at most so many readers: about as many bytes of this row group to each.
    pub(super) fn shares(
        &self,
        unit: Option<&RowGroupRef>,
        readers: usize,
    ) -> Vec<Vec<&'static str>> {
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
    pub(super) fn read(&self, unit: RowGroupRef, columns: &[&'static str]) -> Result<RowGroup> {
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
