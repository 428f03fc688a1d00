//! Runs a plan on a device, by kernels of our own on [CubeCL](https://github.com/tracel-ai/cubecl), burn's language for
//! kernels: on CUDA, or by wgpu on Vulkan, Metal and others.
//!
//! Every row of a batch has memory for all buffers of its program, one after another; rows lie one after another, those
//! of a domain together. From the plan the executor makes once, in `Launches`, what each launch has to
//! do: operations of all programs that do not depend on each other and go through one kernel are one launch
//! (`schedule`). So the number of launches follows the depth of the model, not its domains and not the batch. Where
//! the rows of each domain are comes with the batch (`rows`).
//!
//! Sums over rows have a fixed order: a gradient of a matrix is summed by one cube or by chunks of rows and then over
//! chunks, all others by tile and then over tiles. Nothing is added atomically.
//!
//! A [`Pass`] takes a batch from its fields to the loss and back, in float32, heads and BatchNorm's moments included.
//! What steps the weights on the device stands with what steps them on the host: `optimiser::device`, `tables::device`.

mod array;
mod executor;
mod frame;
pub(crate) mod kernels;
mod launches;
mod layers;
mod lower;
mod pass;
mod piece;
mod rows;
mod schedule;
mod tables;
mod watch;
mod work;

pub use array::Traffic;
pub use executor::DeviceExecutor;
pub use pass::Weights;
pub use work::RowWork;
pub(crate) use {
    array::{Array as DeviceArray, Device, read},
    executor::task_losses,
    pass::{Pass, by_item},
    piece::word,
    rows::{BatchHeads, by_domain},
    watch::Doing,
};
