//! From Parquet files to batches.
//!
//! [`Dataset::open`] checks the files against the schema, [`RowReader::learn`] makes a first pass over the
//! training rows for vocabularies and label means, [`RowReader::batches`] reads rows as batches.
//!
//! What raw values mean:
//!
//! - A missing id or category is row 0; a missing list is empty; a missing number takes its default; a
//!   missing vector is zeros. NaN in an id or time column of floats is missing, as pandas writes it.
//! - A missing label leaves the row out of that task only. An action is the conjunction of its columns: 0
//!   if one is 0, else missing if one is missing.
//! - A row is bad if a label is outside [0, 1] or NaN, an action is not 0 or 1, a number or an entry of
//!   a vector is not finite or above 1e15 in size, a vector has another width or lacks an entry, an id is a broken number or a
//!   float that is not exact, or a time is outside the years 1 to 9999.
//!   Only what the row's cell uses counts. The spec says whether the run stops or skips and counts.
//! - A value of a domain key that no domain names, or a missing one, is skipped and counted or an error,
//!   as the spec says.

pub mod batch;
mod check;
mod dataset;
mod decode;
mod fault;
mod fingerprint;
mod inputs;
mod learn;
mod learned_kinds;
mod loader;
mod origin;
pub(crate) mod prefetch;
mod purpose;
mod quarantine;
mod reader;
mod report;
mod scan;
mod split;
mod synth;
mod unassigned;
mod vectors;

pub use check::{KeptColumns, columns};
pub use dataset::{Dataset, RowGroups};
pub use decode::encode_feature;
pub use inputs::{InputDecoder, InputSlice, InputSlices, Inputs};
pub use learn::{Learned, Statistics, TaskStatistics};
pub use loader::Batches;
pub use origin::Origin;
pub use purpose::Purpose;
pub use quarantine::Quarantine;
pub use reader::RowReader;
pub use report::{Bad, RowReport, Unknown};
pub use scan::{Scan, Shuffle};
pub use split::Parts;
pub use synth::synth;
pub use unassigned::Unassigned;
pub use vectors::VectorSize;
