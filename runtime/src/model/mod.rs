//! A whole model: its towers, the scores that come of them, and the loss.

mod heads;
mod initialise;
mod loss;

use burn::module::Module;
use burn::tensor::Device;

pub use heads::{Scores, TaskScores, forward, scores};
pub use initialise::initialise;
pub use loss::{Loss, TaskLoss, loss};

use crate::layers::{Head, TowerInput, TowerOutput};
use crate::schema::Schema;

/// A generated model: two towers and one head per task.
pub trait Model: Module + 'static {
    /// What the spec makes concrete.
    fn schema() -> &'static Schema;

    /// A model on this device with undrawn weights (see [`crate::layers`]), to be
    /// [`initialise`]d or loaded.
    fn new(device: &Device) -> Self;

    /// Embeddings of the query tower.
    fn query(&self, input: TowerInput) -> TowerOutput;

    /// Embeddings of the item tower.
    fn item(&self, input: TowerInput) -> TowerOutput;

    /// One head per task, in the schema's order.
    fn heads(&self) -> Vec<&Head>;

    /// A model on this device with weights drawn from `seed`.
    fn seeded(device: &Device, seed: u64) -> Self {
        initialise(Self::new(device), seed)
    }
}
