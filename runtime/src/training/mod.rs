//! Training: schedule, loop, checkpoints, progress.

pub mod checkpoint;
mod evaluate;
mod fit;
pub mod folder;
mod inputs;
mod learner;
mod log;
mod model_learner;
mod progress;
mod run_folder;
mod schedule;
mod state;

pub use evaluate::{evaluate, has_rows};
pub use fit::Fit;
pub use learner::{Exported, Learner, StepError, StepReport, Times};
pub use model_learner::ModelLearner;
pub use progress::{Progress, Tick, duration};
pub use run_folder::{Existing, RunFolder};
pub use schedule::Schedule;
pub use state::State;
