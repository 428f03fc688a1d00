//! Strings that a file keeps as codes in a dictionary are read as such: what is made of a string is made once for
//! each entry of the dictionary, not for each row.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::{ConvertedType, Encoding};
use parquet::file::metadata::ColumnChunkMetaData;

use crate::data::arrays::{is_text, text_codes};

/// The fields of a row group: strings, and lists of them, as codes where all of the group's pages hold codes.
pub(super) fn fields(metadata: &ArrowReaderMetadata, group: usize) -> Fields {
    let coded = coded_roots(metadata, group);
    let fields = metadata.schema().fields().iter().zip(coded);
    let fields = fields.map(|(field, coded)| match coded_type(field.data_type()) {
        Some(found) if coded => Arc::new(field.as_ref().clone().with_data_type(found)),
        _ => Arc::clone(field),
    });
    fields.collect()
}

/// For each field of the file, whether its one column in the row group is of codes alone.
fn coded_roots(metadata: &ArrowReaderMetadata, group: usize) -> Vec<bool> {
    let mut coded = vec![true; metadata.schema().fields().len()];
    let columns = metadata.metadata().row_groups().get(group);
    let columns = columns.map(|group| group.columns()).unwrap_or_default();
    for (leaf, column) in columns.iter().enumerate() {
        let root = metadata.parquet_schema().get_column_root_idx(leaf);
        if let Some(coded) = coded.get_mut(root) {
            *coded &= is_coded(column);
        }
    }
    coded
}

fn is_coded(column: &ColumnChunkMetaData) -> bool {
    let only = |encoding| {
        column
            .page_encoding_stats_mask()
            .is_some_and(|mask| mask.is_only(encoding))
    };
    column.column_descr().converted_type() == ConvertedType::UTF8
        && column.dictionary_page_offset().is_some()
        && (only(Encoding::RLE_DICTIONARY) || only(Encoding::PLAIN_DICTIONARY))
}

/// The type of codes in place of a type of strings.
fn coded_type(found: &DataType) -> Option<DataType> {
    match found {
        found if is_text(found) => Some(text_codes()),
        DataType::List(entry) => {
            let entry: &Field = entry;
            let found = coded_type(entry.data_type())?;
            Some(DataType::List(Arc::new(
                entry.clone().with_data_type(found),
            )))
        }
        _ => None,
    }
}
