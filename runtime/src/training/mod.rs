//! Training: schedule, loop, choice of the model, checkpoints, progress.

pub mod checkpoint;
mod checksums;
mod clock;
mod cost_table;
mod events;
mod first_values;
mod fit;
pub mod folder;
mod interrupt;
mod log;
mod monitor;
mod progress;
mod run_folder;
mod schedule;
mod state;
mod trainer;
mod window;

pub use cost_table::cost_table;
pub use first_values::set_first_values;
pub use fit::Fit;
pub use interrupt::{Interrupt, Signal};
pub use progress::{Progress, Tick, duration};
pub use run_folder::{Existing, RunFolder};
pub use schedule::Schedule;
pub use state::{Best, Files, State};
pub use trainer::{Exported, StepError, StepReport, Times, Trainer, TrainingBatch};
