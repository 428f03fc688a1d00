//! The Parquet files of a data set, opened and checked against the schema before anything runs.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_schema::FieldRef;
use parquet::file::metadata::ParquetMetaData;

use crate::data::check::{self, KeptColumns};
use crate::data::origin::{Origin, describe};
use crate::data::purpose::Purpose;
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
    purpose: Purpose,
    files: Vec<DataFile>,
    /// Columns that are read: those that the purpose needs, and others that were asked for.
    columns: Arc<[String]>,
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

/// Neighbouring row groups of one file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowGroups {
    /// Index of the file.
    pub file: usize,
    /// Row of the file that is the first here.
    pub first_row: u64,
    /// Rows of all.
    pub rows: u64,
    units: Vec<RowGroupRef>,
}

impl RowGroups {
    /// Whether a row is here.
    fn holds(&self, origin: Origin) -> bool {
        let rows = self.first_row..self.first_row + self.rows;
        origin.file as usize == self.file && rows.contains(&origin.row)
    }

    pub(super) fn units(&self) -> &[RowGroupRef] {
        &self.units
    }
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
        Self::open_for(schema, paths, Purpose::Learn, KeptColumns::default())
    }

    /// The same with the columns that a purpose needs, and some others.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_for(
        schema: &'static Schema,
        paths: &[PathBuf],
        purpose: Purpose,
        kept: KeptColumns<'_>,
    ) -> Result<Self> {
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
        let needed = check::columns(schema, purpose).into_iter();
        let mut columns: Vec<String> = needed.map(str::to_owned).collect();
        let more = kept.columns.iter();
        columns.extend(
            more.filter(|name| !columns.contains(name))
                .cloned()
                .collect::<Vec<_>>(),
        );
        let dataset = Self {
            schema,
            purpose,
            files,
            columns: columns.into(),
        };
        check::check(schema, purpose, &kept, dataset.footers())?;
        for file in &dataset.files {
            codecs::check(&file.path, &file.footer.metadata, &dataset.columns)?;
        }
        Ok(dataset)
    }

    /// The same files, read for a purpose that needs no column more.
    pub(crate) fn for_purpose(&self, purpose: Purpose) -> Self {
        let columns = check::columns(self.schema, purpose).into_iter();
        Self {
            purpose,
            columns: columns.map(str::to_owned).collect(),
            ..self.clone()
        }
    }

    /// The row groups with some rows, in file order.
    pub(crate) fn groups_of(&self, origins: &[Origin]) -> Vec<RowGroups> {
        let mut groups = self.each_group();
        groups.retain(|group| origins.iter().any(|origin| group.holds(*origin)));
        groups
    }

    /// Every row group by itself, in file order.
    fn each_group(&self) -> Vec<RowGroups> {
        let mut found = Vec::new();
        for (file, data) in self.files.iter().enumerate() {
            let mut first_row = 0;
            for (group, rows) in data.groups() {
                let unit = RowGroupRef {
                    file,
                    group,
                    first_row,
                    rows,
                };
                found.push(RowGroups {
                    file,
                    first_row,
                    rows,
                    units: vec![unit],
                });
                first_row += rows;
            }
        }
        found
    }

    /// What the rows are read for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The schema that the files were checked against.
    pub fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// The columns that are read.
    pub(super) fn columns(&self) -> &[String] {
        &self.columns
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

    /// The row groups of share number `index` of `count`, by file, in order. Shares are cut where row groups begin, each of
    /// about as many rows.
    pub fn share(&self, index: u64, count: u64) -> Vec<RowGroups> {
        let all = u128::from(self.rows()).max(1);
        let mut before = 0;
        let mut found: Vec<RowGroups> = Vec::new();
        for group in self.each_group() {
            let share = before * u128::from(count) / all;
            before += u128::from(group.rows);
            if share != u128::from(index) {
                continue;
            }
            match found.last_mut().filter(|last| last.file == group.file) {
                Some(last) => {
                    last.rows += group.rows;
                    last.units.extend(group.units);
                }
                None => found.push(group),
            }
        }
        found
    }

    /// The type of a column in a file; `None` if it is not there.
    pub(crate) fn field(&self, file: usize, column: &str) -> Option<&FieldRef> {
        self.files.get(file)?.footer.field(column)
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
    pub(crate) fn path(&self, file: usize) -> &Path {
        self.files
            .get(file)
            .map_or(Path::new(""), |file| &file.path)
    }

    /// The columns, shared out to at most so many readers: about as many bytes of this row group to each.
    pub(super) fn shares(&self, unit: Option<&RowGroupRef>, readers: usize) -> Vec<Vec<String>> {
        let file = unit.and_then(|unit| Some((self.files.get(unit.file)?, unit.group)));
        let size = |column: &str| file.map_or(0, |(file, group)| file.size(group, column));
        let columns = self.columns.iter();
        let mut columns: Vec<_> = columns.map(|name| (size(name), name)).collect();
        columns.sort_by_key(|(size, _)| Reverse(*size));
        let mut shares = vec![(0, Vec::new()); readers.clamp(1, columns.len().max(1))];
        for (size, column) in columns {
            let least = shares
                .iter_mut()
                .min_by_key(|(bytes, names)| (*bytes, names.len()));
            if let Some((bytes, names)) = least {
                *bytes += size;
                names.push(column.clone());
            }
        }
        shares.into_iter().map(|(_, columns)| columns).collect()
    }

    /// Reads one row group, these columns only.
    pub(super) fn read(&self, unit: RowGroupRef, columns: &[impl AsRef<str>]) -> Result<RowGroup> {
        let Some(file) = self.files.get(unit.file) else {
            let cause = "a file is gone from the list";
            return Err(Error::run("the data", cause, "report this as a bug"));
        };
        let columns: Vec<&str> = columns.iter().map(AsRef::as_ref).collect();
        file.read(unit.group, &columns)
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
