//! One Parquet file, on disk or in an object store: found, its footer read, its row groups read in slices.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchReader};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;

use crate::data::coded;
use crate::data::footer::{Footer, schema_of};
use crate::data::guard::{Failure, Source, guarded};
use crate::data::lists::{Lists, lists};
use crate::data::object::{self, Object};
use crate::data::pages::Pages;
use crate::data::stamp::{Stamp, changed};
use crate::error::{Error, Result};

/// Rows of a record batch. Blocks of the shuffle end at multiples of it, so the order of training
/// depends on it.
const BATCH_ROWS: usize = 8192;

/// A file, its footer read.
#[derive(Debug, Clone)]
pub(super) struct DataFile {
    /// Its path or URL.
    pub path: PathBuf,
    pub footer: Footer,
    lies: Lies,
}

/// Where a file lies, and what shows that it is still the same.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(feature = "cloud"),
    expect(dead_code, reason = "an object is in a store")
)]
pub(super) enum Lies {
    OnDisk(Stamp),
    InStore(Object),
}

/// The record batches of one row group.
pub(super) struct RowGroup {
    path: PathBuf,
    columns: Columns,
    failure: Failure,
}

/// The needed columns of a row group.
struct Columns {
    /// Those of plain values.
    plain: ParquetRecordBatchReader,
    /// Those that are read as lists, at the end of the schema.
    lists: Vec<Box<dyn Lists>>,
    schema: Arc<Schema>,
}

/// The files at a path or URL: a Parquet file, or a folder of `*.parquet`, sorted by name; not those in folders within,
/// nor those whose name starts with `.` or `_`.
pub(super) fn open(path: &Path) -> Result<Vec<DataFile>> {
    let scheme = path.to_str().and_then(|text| text.split_once("://"));
    match scheme.map(|(scheme, _)| scheme) {
        None => list(path)?.into_iter().map(on_disk).collect(),
        Some("s3" | "gs") => object::open(path),
        Some(scheme) => Err(Error::usage(
            path.display().to_string(),
            format!("data cannot be read from `{scheme}://`"),
            "give a path, or a URL that starts with s3:// or gs://",
        )),
    }
}

fn on_disk(path: PathBuf) -> Result<DataFile> {
    let (file, stamp) = stamped(&path)?;
    DataFile::new(path, &file, Lies::OnDisk(stamp))
}

fn stamped(path: &Path) -> Result<(File, Stamp)> {
    let open = || {
        let file = File::open(path)?;
        let stamp = Stamp::of(&file)?;
        Ok((file, stamp))
    };
    open().map_err(|source| Error::file(path, "read the data", source))
}

impl DataFile {
    /// Reads the footer.
    pub(super) fn new(path: PathBuf, bytes: &impl Source, lies: Lies) -> Result<Self> {
        Ok(Self {
            footer: Footer::read(&path, bytes)?,
            path,
            lies,
        })
    }

    /// Indices and sizes of the row groups.
    pub(super) fn groups(&self) -> impl Iterator<Item = (usize, u64)> {
        let groups = self.footer.metadata.row_groups().iter();
        groups
            .map(|group| u64::try_from(group.num_rows()).unwrap_or(0))
            .enumerate()
    }

    /// Bytes of a column in a row group, once they are decompressed.
    pub(super) fn size(&self, group: usize, column: &str) -> u64 {
        let group = self.footer.metadata.row_groups().get(group);
        let chunks = group.into_iter().flat_map(|group| group.columns());
        let chunks = chunks.filter(|chunk| is_of(chunk, column));
        let sizes = chunks.map(|chunk| u64::try_from(chunk.uncompressed_size()).unwrap_or(0));
        sizes.fold(0, u64::saturating_add)
    }

    /// Reads one row group, the needed columns only.
    pub(super) fn read(&self, group: usize, columns: &[&'static str]) -> Result<RowGroup> {
        match &self.lies {
            Lies::InStore(object) => object.read(self, group, columns),
            Lies::OnDisk(stamp) => {
                let (file, found) = stamped(&self.path)?;
                match found == *stamp {
                    true => self.rows(file, group, columns),
                    false => Err(changed(&self.path, "file")),
                }
            }
        }
    }

    /// Its path or URL in the one spelling that all of its names come down to.
    pub(super) fn identity(&self) -> Result<PathBuf> {
        match self.lies {
            Lies::InStore(_) => Ok(self.path.clone()),
            Lies::OnDisk(_) => fs::canonicalize(&self.path)
                .map_err(|source| Error::file(&self.path, "read the data", source)),
        }
    }

    /// Reads one row group from bytes of the file.
    pub(super) fn rows(
        &self,
        bytes: impl Source,
        group: usize,
        columns: &[&'static str],
    ) -> Result<RowGroup> {
        let failure = bytes.failure();
        let open = || Columns::open(&self.footer, bytes, group, columns);
        Ok(RowGroup {
            path: self.path.clone(),
            columns: guarded(&self.path, &failure, open)?,
            failure,
        })
    }

    /// Where the needed columns of a row group lie.
    #[cfg(feature = "cloud")]
    pub(super) fn spans(
        &self,
        group: usize,
        columns: &[&'static str],
    ) -> Vec<std::ops::Range<u64>> {
        let group = self.footer.metadata.row_groups().get(group);
        let chunks = group.into_iter().flat_map(|group| group.columns());
        let needed = chunks.filter(|chunk| columns.iter().any(|column| is_of(chunk, column)));
        let spans = needed.filter_map(crate::data::footer::span);
        spans.filter(|span| !span.is_empty()).collect()
    }
}

impl Iterator for RowGroup {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = || self.columns.next();
        guarded(&self.path, &self.failure, next).transpose()
    }
}

impl Columns {
    fn open(
        footer: &Footer,
        bytes: impl Source,
        group: usize,
        columns: &[&'static str],
    ) -> std::result::Result<Self, ParquetError> {
        let pages = Pages::new(bytes, &footer.metadata, group);
        let schema = footer.schema();
        let roots = schema.root_schema().get_fields();
        let (mut plain, mut fields, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
        let (mut read, mut added) = (Vec::new(), Vec::new());
        for (column, root) in footer.columns().zip(roots) {
            if !columns.contains(&column.name.as_str()) {
                continue;
            }
            let field = column.found.as_ref();
            let field = field.map_err(|cause| ParquetError::NYI(cause.clone()))?;
            let field = coded::field(footer, column, field, group);
            let found = match column.leaves.len() {
                1 => {
                    let leaf = column.leaves.start;
                    lists(&field, &schema.column(leaf), || pages.column(leaf))?
                }
                _ => None,
            };
            match found {
                Some((field, lists)) => {
                    added.push(field);
                    read.push(lists);
                }
                None => {
                    plain.push(Arc::clone(root));
                    fields.push(field);
                    leaves.extend(column.leaves.clone());
                }
            }
        }
        // Of the needed columns alone: whatever the others are, the reader does not meet them.
        let levels = parquet_to_arrow_field_levels(
            &schema_of(plain)?,
            ProjectionMask::all(),
            Some(&fields.into()),
        )?;
        let pages = pages.of(leaves);
        let plain =
            ParquetRecordBatchReader::try_new_with_row_groups(&levels, &pages, BATCH_ROWS, None)?;
        let found = plain.schema();
        let fields = found.fields().iter().cloned().chain(added);
        Ok(Self {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            plain,
            lists: read,
        })
    }

    fn next(&mut self) -> std::result::Result<Option<RecordBatch>, ArrowError> {
        let Some(rows) = self.plain.next().transpose()? else {
            return Ok(None);
        };
        let count = rows.num_rows();
        let (_, mut columns, _) = rows.into_parts();
        for lists in &mut self.lists {
            columns.push(lists.read(count)?);
        }
        RecordBatch::try_new(Arc::clone(&self.schema), columns).map(Some)
    }
}

/// Whether a column chunk holds a column, or a part of it.
pub(super) fn is_of(chunk: &ColumnChunkMetaData, column: &str) -> bool {
    let root = chunk.column_path().parts().first();
    root.is_some_and(|root| root == column)
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
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(refused)? {
        let entry = entry.map_err(refused)?.path();
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(['.', '_']) {
            continue;
        }
        let is_folder = entry.is_dir();
        if name.ends_with(".parquet") && !is_folder {
            files.push(entry);
        } else if is_folder {
            folders.push(entry);
        }
    }
    files.sort();
    folders.sort();
    let within = |folder: &Path| {
        let folder = folder.display();
        format!("folders within are not read: give each that has files, as `--data {folder}`")
    };
    // Some programs write one table as a folder of such a name.
    let table = |folder: &&PathBuf| folder.extension().is_some_and(|it| it == "parquet");
    if let Some(folder) = folders.iter().find(table) {
        let place = folder.display().to_string();
        return Err(Error::data(place, "a folder, not a file", within(folder)));
    }
    if files.is_empty() {
        let fix = match folders.first() {
            Some(folder) => within(folder),
            None => "give a folder with Parquet files right in it, or a file".to_owned(),
        };
        let cause = "the folder holds no `*.parquet` file";
        return Err(Error::data(path.display().to_string(), cause, fix));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Float32Array, ListArray, StringArray};
    use arrow::compute::cast;
    use arrow::datatypes::{Float32Type, Int32Type};
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::basic::{Compression, GzipLevel, ZstdLevel};
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use proptest::prelude::*;

    use super::*;

    impl Source for Bytes {}

    proptest! {
        /// What is read here is what the Parquet reader makes of a file by itself.
        #[test]
        fn columns_are_those_of_the_reader(
            rows in prop::collection::vec(
                (prop::option::of(prop::collection::vec(prop::option::of(0..9_i32), 0..30)), prop::option::of(0..4_i32)),
                1..200,
            ),
            packing in prop::sample::select(vec![
                Compression::UNCOMPRESSED,
                Compression::SNAPPY,
                Compression::GZIP(GzipLevel::default()),
                Compression::LZ4,
                Compression::LZ4_RAW,
                Compression::ZSTD(ZstdLevel::default()),
            ]),
            version in prop::sample::select(vec![WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]),
            dictionary: bool,
            whole: bool,
            page in 1_usize..100,
        ) {
            // Lists with and without entries that are missing.
            let list = |list: &Option<Vec<Option<i32>>>| {
                let list = list.clone()?;
                Some(list.into_iter().map(|entry| entry.or(whole.then_some(7))).collect::<Vec<_>>())
            };
            let ints = ListArray::from_iter_primitive::<Int32Type, _, _>(rows.iter().map(|(entries, _)| list(entries)));
            let floats = rows.iter().map(|(entries, _)| {
                Some(list(entries)?.into_iter().map(|entry| entry.map(|entry| entry as f32)).collect::<Vec<_>>())
            });
            let floats = ListArray::from_iter_primitive::<Float32Type, _, _>(floats);
            let number: Float32Array = rows.iter().map(|(_, value)| value.map(|value| value as f32)).collect();
            let text: StringArray = rows.iter().map(|(_, value)| value.map(|value| value.to_string())).collect();
            let columns: [(&'static str, ArrayRef); 4] =
                [("ints", Arc::new(ints)), ("number", Arc::new(number)), ("floats", Arc::new(floats)), ("text", Arc::new(text))];
            let names = columns.each_ref().map(|(name, _)| *name);
            let written = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
            let properties = WriterProperties::builder()
                .set_compression(packing)
                .set_writer_version(version)
                .set_dictionary_enabled(dictionary)
                .set_write_batch_size(page)
                .set_data_page_row_count_limit(page);
            let mut file = Vec::new();
            let mut writer = ArrowWriter::try_new(&mut file, written.schema(), Some(properties.build())).unwrap();
            writer.write(&written).unwrap();
            writer.close().unwrap();
            let file = Bytes::from(file);
            let footer = Footer::read(Path::new("a.parquet"), &file).unwrap();
            let mut columns = Columns::open(&footer, file.clone(), 0, &names).unwrap();
            let found = columns.next().unwrap().unwrap();
            prop_assert!(columns.next().unwrap().is_none());
            let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
            let expected = reader.next().unwrap().unwrap();
            prop_assert_eq!(&expected, &written);
            for name in names {
                let (expected, found) = (expected.column_by_name(name).unwrap(), found.column_by_name(name).unwrap());
                prop_assert_eq!(&cast(found, expected.data_type()).unwrap(), expected);
            }
        }
    }
}
