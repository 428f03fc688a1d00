//! Training: schedule, loop, checkpoints, progress.

pub mod checkpoint;
pub mod folder;
mod log;
mod progress;
mod run_folder;
mod schedule;
mod state;

pub use log::MetricsLog;
pub use progress::{Progress, Tick};
pub use run_folder::{Existing, RunFolder};
pub use schedule::Schedule;
pub use state::State;
