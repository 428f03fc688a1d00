//! Whether raw values are whole numbers or strings: `7` and `"7"` have different rows.

use arrow_schema::DataType;

use crate::arrays::keys::{element, is_text};

pub(crate) const INTS: &str = "whole numbers";
pub(crate) const TEXTS: &str = "strings";

/// The kind of a column's raw values, in words; for a list, the kind of its entries. Booleans and floats
/// count as whole numbers. `None` for a column of Arrow's null type, which has no values.
pub(crate) fn kind(found: &DataType) -> Option<&'static str> {
    let entry = element(found).unwrap_or(found);
    match is_text(entry) {
        true => Some(TEXTS),
        false => (!entry.is_null()).then_some(INTS),
    }
}
