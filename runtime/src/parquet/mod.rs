//! Parquet files: their footers, the record batches of their row groups, and files that are written.

pub(crate) mod codecs;
pub(crate) mod dictionaries;
mod encryption;
pub(crate) mod file;
pub(crate) mod footer;
mod lists;
pub(crate) mod output;
mod pages;
pub(crate) mod row_group;
