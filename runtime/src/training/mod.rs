//! Training: schedule, loop, checkpoints, progress.

pub mod checkpoint;
mod evaluate;
mod fit;
pub mod folder;
mod learner;
mod log;
mod progress;
mod run_folder;
mod schedule;
mod state;

pub use evaluate::{evaluate, has_rows};
pub use fit::Fit;
pub use learner::{Exported, Learner, ModelLearner, StepError, StepReport, Times};
pub use progress::{Progress, Tick, duration};
pub use run_folder::{Existing, RunFolder};
pub use schedule::Schedule;
pub use state::State;
