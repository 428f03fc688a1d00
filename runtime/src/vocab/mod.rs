//! What is learned from the data: vocabularies, and means and deviations of numbers.

pub(crate) mod counts;
mod earlier;
pub(crate) mod encoder;
pub(crate) mod exact;
pub(crate) mod moments;
mod starting;
pub(crate) mod vocabularies;
mod vocabulary;

pub use earlier::{Earlier, Growth, rows_by_value};
pub use moments::{NumberMoments, RunningMoments};
pub use starting::{NumberStatistics, StartingStatistics};
pub use vocabularies::Vocabularies;
pub(crate) use vocabularies::key as number_key;
pub use vocabulary::{RawValue, Vocabulary};
