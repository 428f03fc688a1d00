//! Runs a plan on a device, by kernels of our own on [CubeCL](https://github.com/tracel-ai/cubecl), burn's language for
//! kernels: on CUDA, or by wgpu on Vulkan, Metal and others.
//!
//! Every row of a batch has memory for all buffers of its program, one after another; rows lie one after another, those
//! of a domain together. From the plan the executor makes once, in `Tables`, what each launch has to
//! do: operations of all programs that do not depend on each other and go through one kernel are one launch
//! (`schedule`). So the number of launches follows the depth of the model, not its domains and not the batch. Where
//! the rows of each domain are comes with the batch (`rows`).
//!
//! Sums over rows have a fixed order: a gradient of a matrix is summed by one cube, all others by tile and then over
//! tiles. Nothing is added atomically.
//!
//! Two parts are computed in host memory, by the code of [`super::host`]. One is the means and variances of BatchNorm,
//! whose numbers come from there. The other is heads and loss: the host fetches the towers' embeddings and sends their
//! gradients back. A step sends all parameters to the device and reads all gradients back.

mod array;
mod executor;
mod kernels;
mod layers;
mod lower;
mod piece;
mod rows;
mod schedule;
mod tables;

pub use executor::DeviceExecutor;
