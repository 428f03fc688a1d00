//! The record batches of a row group. The Parquet reader decodes plain columns; some lists have their own readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, Schema};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::errors::ParquetError;

use crate::error::Result;
use crate::parquet::dictionaries;
use crate::parquet::footer::{Footer, schema_of};
use crate::parquet::lists::{ListReader, lists};
use crate::parquet::pages::Pages;
use crate::store::guard::{ByteSource, Failure, guarded};

/// Rows of a record batch. Blocks of the shuffle end at multiples of it, so the order of training
/// depends on it.
const BATCH_ROWS: usize = 8192;

/// The record batches of one row group.
pub(crate) struct RowGroup {
    path: PathBuf,
    columns: ColumnReaders,
    failure: Failure,
}

/// The needed columns of a row group.
struct ColumnReaders {
    /// Those of plain values.
    plain: ParquetRecordBatchReader,
    /// Those that are read as lists, at the end of the schema.
    lists: Vec<Box<dyn ListReader>>,
    schema: Arc<Schema>,
}

impl RowGroup {
    /// Reads one row group from bytes of the file at `path`, the needed columns only.
    pub(crate) fn open(
        path: &Path,
        footer: &Footer,
        bytes: impl ByteSource,
        group: usize,
        columns: &[&str],
    ) -> Result<Self> {
        let failure = bytes.failure();
        let open = || ColumnReaders::open(footer, bytes, group, columns);
        Ok(Self {
            path: path.to_owned(),
            columns: guarded(path, &failure, open)?,
            failure,
        })
    }
}

impl Iterator for RowGroup {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = || self.columns.next();
        guarded(&self.path, &self.failure, next).transpose()
    }
}

impl ColumnReaders {
    fn open(
        footer: &Footer,
        bytes: impl ByteSource,
        group: usize,
        columns: &[&str],
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
            let field = dictionaries::field(footer, column, field, group);
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

#[cfg(test)]
mod tests {
    use arrow_array::types::{Float32Type, Int32Type};
    use arrow_array::{ArrayRef, Float32Array, ListArray, StringArray};
    use arrow_cast::cast;
    use bytes::Bytes;
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::basic::{Compression, GzipLevel, ZstdLevel};
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use proptest::prelude::*;

    use super::*;

    impl ByteSource for Bytes {}

    proptest! {
        /// Rows read here equal those that the Parquet reader alone decodes from a file.
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
            let mut columns = ColumnReaders::open(&footer, file.clone(), 0, &names).unwrap();
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
