//! From files to batches.
pub mod batch;
