//! Strings that a file keeps as codes in a dictionary are read as such: what is made of a string is made once for
//! each entry of the dictionary, not for each row.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef};
use parquet::basic::{ConvertedType, Encoding};
use parquet::file::metadata::ColumnChunkMetaData;

use crate::arrays::keys::{is_text, text_codes};
use crate::bug::bug;
use crate::parquet::footer::{Footer, FooterColumn};

/// The field of a column in a row group: strings, and lists of them, as codes where all of the group's pages hold codes.
pub(crate) fn field(
    footer: &Footer,
    column: &FooterColumn,
    field: &FieldRef,
    group: usize,
) -> FieldRef {
    let chunks = footer.metadata.row_group(group).columns();
    let leaves = column.leaves.clone();
    let Some(chunks) = chunks.get(leaves.clone()) else {
        bug!("leaves {leaves:?} of a row group of {}", chunks.len());
    };
    match coded_type(field.data_type()) {
        Some(found) if chunks.iter().all(is_coded) => {
            Arc::new(field.as_ref().clone().with_data_type(found))
        }
        _ => Arc::clone(field),
    }
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
