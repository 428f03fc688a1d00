//! Steps that were begun.

use super::batch::TrainingBatch;
#[cfg(feature = "device")]
use super::step::judge;
use super::step::{StepError, StepReport};
#[cfg(feature = "device")]
use crate::exec::device::{Device, task_losses};
#[cfg(feature = "device")]
use crate::exec::heads::HeadRows;
#[cfg(feature = "device")]
use crate::optimiser::device::PendingVerdict;

/// A step that was begun.
#[derive(Debug)]
pub enum Begun {
    /// It has been made.
    Made(Result<StepReport, StepError>),
    /// A device may still be at it.
    #[cfg(feature = "device")]
    Sent(PendingStep),
}

impl Begun {
    /// Whether there is nothing to wait for.
    pub fn is_made(&self) -> bool {
        matches!(self, Self::Made(_))
    }

    /// Waits for it. `batch` is the one that it was begun with.
    ///
    /// # Errors
    /// A loss or a gradient that is not finite; nothing has been stepped then, nor by any step that was begun after it.
    #[cfg_attr(
        not(feature = "device"),
        expect(unused_variables, reason = "on the host a step has been made")
    )]
    pub fn finish(self, batch: &TrainingBatch) -> Result<StepReport, StepError> {
        match self {
            Self::Made(result) => result,
            #[cfg(feature = "device")]
            Self::Sent(pending) => pending.wait(&batch.heads),
        }
    }
}

/// A step that a device may still be at.
#[cfg(feature = "device")]
pub struct PendingStep {
    pub(super) device: Device,
    pub(super) verdict: PendingVerdict,
}

#[cfg(feature = "device")]
impl std::fmt::Debug for PendingStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingStep")
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "device")]
impl PendingStep {
    /// Waits for it.
    pub(super) fn wait(&self, heads: &[HeadRows]) -> Result<StepReport, StepError> {
        let verdict = self.verdict.wait(&self.device);
        let tasks = task_losses(heads, &verdict.losses);
        judge(tasks, verdict.fields_are_finite, verdict.norm)
    }
}
