//! Training: schedule, loop, choice of the model, checkpoints, progress.

pub mod checkpoint;
mod checksums;
mod evaluate;
mod events;
mod first_values;
mod fit;
pub mod folder;
mod inputs;
mod interrupt;
mod learner;
mod log;
mod model_learner;
mod monitor;
mod progress;
mod run_folder;
mod schedule;
mod state;
mod window;

pub use evaluate::{evaluate, evaluate_and_count, has_rows};
pub use first_values::first_values;
pub use fit::Fit;
pub use interrupt::{Interrupt, Signal};
pub use learner::{Exported, Learner, StepError, StepReport, Times};
pub use model_learner::ModelLearner;
pub use progress::{Progress, Tick, duration};
pub use run_folder::{Existing, RunFolder};
pub use schedule::Schedule;
pub use state::{Best, Files, State};
