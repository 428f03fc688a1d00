//! Runs a plan on a device, with burn's tensors.
//!
//! Every operation of a program is a few operations on tensors, in the order of the plan; the backward pass is the
//! plan's own program, without autodiff. A buffer is a tensor of all rows of a domain, and domains run one after another.
//! The parameters are one flat tensor, of which operations read slices, and so are their gradients.
//!
//! Two parts are computed in host memory, by the code of [`super::host`]. One is the means and variances of BatchNorm,
//! whose numbers come from there. The other is heads and loss: the host fetches the towers' embeddings and sends their
//! gradients back. That costs little compared with the towers, and keeps log-space arithmetic in float64.
//!
//! A step sends all parameters to the device and reads all gradients back.

mod activate;
mod element;
mod executor;
mod linear;
mod memory;
mod mix;
mod ops;
mod parameters;

pub use element::DeviceReal;
pub use executor::DeviceExecutor;
