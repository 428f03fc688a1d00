//! Parquet files: their footers, and the record batches of their row groups.

pub(crate) mod codecs;
pub(crate) mod dictionaries;
mod encryption;
pub(crate) mod file;
pub(crate) mod footer;
mod lists;
mod pages;
pub(crate) mod row_group;
