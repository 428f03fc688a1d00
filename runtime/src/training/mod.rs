//! Training: schedule, loop, choice of the model, checkpoints, progress.

mod batch;
mod begun;
pub mod checkpoint;
pub(crate) mod checksums;
mod clock;
mod cost_table;
#[cfg(feature = "device")]
mod device;
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
mod step;
mod trainer;
mod window;

pub use batch::{Preparation, TrainingBatch};
pub use begun::Begun;
pub use cost_table::cost_table;
pub use first_values::set_first_values;
pub use fit::Fit;
pub use interrupt::{Interrupt, Signal};
pub use progress::{Progress, Tick, duration};
pub use run_folder::{Existing, RunFolder};
pub use schedule::Schedule;
pub use state::{Best, Files, State};
pub use step::{StepError, StepReport, Times};
pub use trainer::{Exported, Trainer};
