//! From Parquet files to batches.
//!
//! [`Dataset::open`] checks the files against the schema, [`Dataset::learn`] makes a first pass over the
//! training rows for vocabularies and label means, [`Dataset::batches`] reads rows as batches.
//!
//! What raw values mean:
//!
//! - A missing id or category is row 0; a missing list is empty; a missing number takes its default; a
//!   missing vector is zeros. NaN in an id column of floats is missing, as pandas writes it.
//! - A missing label leaves the row out of that task only. An action is the conjunction of its columns: 0
//!   if one is 0, else missing if one is missing.
//! - A row is bad if a label is outside [0, 1] or NaN, an action is not 0 or 1, a number or an entry of
//!   a vector is not finite or above 1e15 in size, a vector has another width or lacks an entry, or an id is a broken number.
//!   Only what the row's cell uses counts. The spec says whether the run stops or skips and counts.
//! - A value of a domain key that no domain names, or a missing one, is skipped and counted or an error,
//!   as the spec says.

pub(crate) mod ahead;
mod arrays;
pub mod batch;
mod blocks;
mod candidates;
mod check;
mod chunk;
mod codecs;
mod coded;
mod counts;
mod decode;
mod domains;
mod earlier;
mod encoder;
mod features;
mod file;
mod fingerprint;
mod kinds;
mod learn;
mod lists;
mod loader;
mod numbers;
#[cfg_attr(not(feature = "cloud"), path = "no_object.rs")]
mod object;
mod ordered;
mod origin;
mod pages;
mod quarantine;
#[cfg(feature = "cloud")]
mod ranges;
mod records;
mod report;
mod requests;
mod slices;
mod source;
mod split;
mod stamp;
mod synth;
mod values;
mod vocabularies;
mod vocabulary;

pub use check::columns;
pub use earlier::{Earlier, Growth, rows_by_value};
pub use learn::{Learned, Statistics, TaskStatistics};
pub use loader::{Batches, Scan, Shuffle};
pub use origin::Origin;
pub use quarantine::Quarantine;
pub use report::{Bad, Report, Unknown};
pub use source::Dataset;
pub use split::Parts;
pub use synth::synth;
pub use vocabularies::{Moments, Vocabularies};
pub use vocabulary::{Raw, Vocabulary};
