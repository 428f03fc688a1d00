//! Running a plan on a device, by burn's tensors.
//!
//! Every operation of a program is a few operations on tensors, in the order of the plan; the backward pass is the
//! plan's own program, without autodiff. A buffer is a tensor of all rows of a domain, and domains run one after another.
//! The parameters are one flat tensor, of which operations read slices, and so are their gradients.
//!
//! Two parts are computed in host memory, by the code of [`super::host`]. Means and variances of BatchNorm are of the
//! batch's numbers, which come from there. And heads and loss: the towers' embeddings go down and their gradients come
//! up, which is little beside the towers' work, and keeps log-space arithmetic in float64.
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
