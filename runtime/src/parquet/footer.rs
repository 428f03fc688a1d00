//! A file's footer: its row groups, and its columns with their types.
//!
//! The type of a column is that of the Parquet schema. Arrow's schema, which some writers put beside it, says how a column looked
//! in the writer's memory: as a dictionary with 8-bit codes, as a list view. It is asked only where Parquet has no type:
//! of plain integers, which may be times of a kind that Parquet lacks. A column that cannot be read spoils no other one.

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, parquet_to_arrow_schema};
use parquet::basic::Type as PhysicalType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, FooterTail, ParquetMetaData, ParquetMetaDataReader,
};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use crate::error::{Error, Result};
use crate::parquet::encryption::encrypted_columns;
use crate::store::guard::{ByteSource, damaged, guarded};

/// Bytes at the end of a file: the footer's length and the format's mark.
const TAIL: usize = 8;

/// What the end of a file says.
#[derive(Debug, Clone)]
pub(crate) struct Footer {
    pub metadata: Arc<ParquetMetaData>,
    /// Rows of each row group.
    pub rows: Arc<[u64]>,
    /// In the file's order.
    columns: Arc<[FooterColumn]>,
}

/// A column, which may be nested.
#[derive(Debug)]
pub(crate) struct FooterColumn {
    pub name: String,
    /// Its type, or what it is that cannot be read.
    pub found: Result<FieldRef, String>,
    /// Its leaves among those of the file.
    pub leaves: Range<usize>,
}

impl Footer {
    /// Reads the footer of a file.
    pub(crate) fn read(path: &Path, bytes: &impl ByteSource) -> Result<Self> {
        let failure = bytes.failure();
        let length = bytes.len();
        let cut = |what| damaged(path, &format!("the file ends within its {what}"));
        let start = length.checked_sub(TAIL as u64).ok_or_else(|| cut("mark"))?;
        let tail = guarded(path, &failure, || {
            FooterTail::try_from(bytes.get_bytes(start, TAIL)?.as_ref())
        })?;
        if tail.is_encrypted_footer() {
            return Err(Error::data(
                path.display().to_string(),
                "the file is encrypted, which cannot be read",
                "write the file again without encryption",
            ));
        }
        let size = tail.metadata_length();
        let start = start
            .checked_sub(size as u64)
            .ok_or_else(|| cut("footer"))?;
        let footer = guarded(path, &failure, || bytes.get_bytes(start, size))?;
        let metadata = guarded(path, &failure, || {
            ParquetMetaDataReader::decode_metadata(&footer)
        })?;
        let mut rows = Vec::with_capacity(metadata.num_row_groups());
        for group in metadata.row_groups() {
            let count = group.num_rows();
            let odd = |_| damaged(path, &format!("a row group has {count} rows"));
            rows.push(u64::try_from(count).map_err(odd)?);
            if let Some(cause) = group.columns().iter().find_map(|it| fault(it, length)) {
                return Err(damaged(path, &cause));
            }
        }
        let columns = guarded(path, &failure, || {
            let encrypted = encrypted_columns(&footer);
            Ok::<_, ParquetError>(columns(&metadata, &encrypted))
        })?;
        Ok(Self {
            metadata: Arc::new(metadata),
            rows: rows.into(),
            columns: columns.into(),
        })
    }

    /// The columns, in the file's order.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &FooterColumn> {
        self.columns.iter()
    }

    /// The schema of Parquet.
    pub(crate) fn schema(&self) -> &SchemaDescriptor {
        self.metadata.file_metadata().schema_descr()
    }

    /// The column of this name that can be read; `None` if there is none.
    fn readable(&self, name: &str) -> Option<(&FooterColumn, &FieldRef)> {
        let column = self.columns().find(|column| column.name == name)?;
        Some((column, column.found.as_ref().ok()?))
    }

    /// The type of a column.
    pub(crate) fn field(&self, name: &str) -> Option<&FieldRef> {
        Some(self.readable(name)?.1)
    }

    /// The place and the type of a column that is not nested.
    pub(crate) fn leaf(&self, name: &str) -> Option<(usize, &FieldRef)> {
        let (column, field) = self.readable(name)?;
        (column.leaves.len() == 1).then_some((column.leaves.start, field))
    }

    /// Where the needed columns of a row group are stored.
    #[cfg(feature = "cloud")]
    pub(crate) fn spans(&self, group: usize, columns: &[&str]) -> Vec<Range<u64>> {
        let group = self.metadata.row_groups().get(group);
        let chunks = group.into_iter().flat_map(|group| group.columns());
        let needed = chunks.filter(|chunk| columns.iter().any(|column| is_of(chunk, column)));
        let spans = needed.filter_map(span);
        spans.filter(|span| !span.is_empty()).collect()
    }
}

/// What a writer has put into a footer, beside what the format puts there.
pub(crate) type Facts = Vec<(String, String)>;

/// What the footer of a file on disk says of it, as its writer has put it there, and the names of its columns.
pub(crate) fn facts_and_columns(path: &Path) -> Result<(Facts, Vec<String>)> {
    let file = File::open(path).map_err(|source| Error::file(path, "read it", source))?;
    let footer = Footer::read(path, &file)?;
    let facts = footer.metadata.file_metadata().key_value_metadata();
    let facts = facts.into_iter().flatten();
    // Arrow puts its schema there.
    let facts = facts.filter(|fact| fact.key != ARROW_SCHEMA_META_KEY);
    let facts = facts.map(|fact| (fact.key.clone(), fact.value.clone().unwrap_or_default()));
    let names = footer.columns().map(|column| column.name.clone());
    Ok((facts.collect(), names.collect()))
}

/// The columns of a file on disk that can be read, with their types.
pub(crate) fn types(path: &Path) -> Result<SchemaRef> {
    let file = File::open(path).map_err(|source| Error::file(path, "read it", source))?;
    let footer = Footer::read(path, &file)?;
    let fields = footer
        .columns()
        .filter_map(|column| column.found.as_ref().ok());
    Ok(Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>())))
}

/// The error in a column chunk of a file of this length.
fn fault(column: &ColumnChunkMetaData, length: u64) -> Option<String> {
    let name = column.column_path();
    if span(column).is_none_or(|span| span.end > length) {
        return Some(format!("column `{name}` lies outside the file"));
    }
    let size = column.uncompressed_size();
    (size < 0).then(|| format!("column `{name}` has {size} bytes once it is decompressed"))
}

/// Where a column chunk lies in its file.
pub(crate) fn span(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    let start = column.dictionary_page_offset();
    let start = u64::try_from(start.unwrap_or(column.data_page_offset())).ok()?;
    let size = u64::try_from(column.compressed_size()).ok()?;
    Some(start..start.checked_add(size)?)
}

/// Whether a column chunk holds a column, or a part of it.
pub(crate) fn is_of(chunk: &ColumnChunkMetaData, column: &str) -> bool {
    let root = chunk.column_path().parts().first();
    root.is_some_and(|root| root == column)
}

/// The schema of these columns alone.
pub(crate) fn schema_of(roots: Vec<TypePtr>) -> Result<SchemaDescriptor, ParquetError> {
    let root = Type::group_type_builder("schema").with_fields(roots);
    Ok(SchemaDescriptor::new(Arc::new(root.build()?)))
}

fn columns(metadata: &ParquetMetaData, encrypted: &BTreeSet<usize>) -> Vec<FooterColumn> {
    let file = metadata.file_metadata();
    // A schema of Arrow that this version cannot read has nothing to say.
    let arrow = parquet_to_arrow_schema(file.schema_descr(), file.key_value_metadata()).ok();
    let mut end = 0;
    let roots = file.schema_descr().root_schema().get_fields().iter();
    roots
        .map(|root| {
            let start = end;
            end += leaves(root);
            let hint = arrow.as_ref().map(|schema| schema.fields());
            let unsupported = |error| format!("a type that is not supported ({error})");
            FooterColumn {
                name: root.name().to_owned(),
                found: match encrypted.range(start..end).next() {
                    Some(_) => Err("an encrypted column".to_owned()),
                    None => field(root, hint).map_err(unsupported),
                },
                leaves: start..end,
            }
        })
        .collect()
}

fn leaves(column: &Type) -> usize {
    match column.is_primitive() {
        true => 1,
        false => column.get_fields().iter().map(|field| leaves(field)).sum(),
    }
}

fn field(root: &TypePtr, arrow: Option<&Fields>) -> Result<FieldRef, ParquetError> {
    let schema = schema_of(vec![Arc::clone(root)])?;
    let read = parquet_to_arrow_schema(&schema, None)?;
    let field = read.fields().first();
    let field = field.ok_or_else(|| ParquetError::General("a column without fields".to_owned()))?;
    let is = |physical| root.is_primitive() && root.get_physical_type() == physical;
    let named = |field: &&FieldRef| field.name() == root.name();
    let told = arrow.and_then(|fields| fields.iter().find(named));
    let found = match (field.data_type(), told.map(|field| field.data_type())) {
        // Of nanoseconds, 64 bits hold 292 years before and after 1970 only; of milliseconds, all days that
        // the 12 bytes can name.
        (DataType::Timestamp(..), _) if is(PhysicalType::INT96) => {
            DataType::Timestamp(TimeUnit::Millisecond, None)
        }
        (
            DataType::Int32 | DataType::Int64,
            Some(
                told @ (DataType::Date64
                | DataType::Timestamp(..)
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Duration(_)),
            ),
        ) => told.clone(),
        _ => return Ok(Arc::clone(field)),
    };
    Ok(Arc::new(Field::new(
        field.name(),
        found,
        field.is_nullable(),
    )))
}
