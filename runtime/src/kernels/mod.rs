//! Products of matrices, and elementwise work in one pass over host memory.
//!
//! On the CPU backend (flex) each of these is one operation with a backward pass of its own, in
//! parallel over rows; [`experts`] is all experts of a Domain Expert. On any other backend it is the
//! composition of tensor operations in [`composed`], which says what it computes, or the layers one
//! by one.
//!
//! A sum over rows is made of pieces whose size does not depend on the number of threads, so that
//! results do not either.

mod buffer;
pub mod composed;
mod cross;
mod excite;
pub mod experts;
mod linear;
mod norm;
mod op;
mod pair;
mod real;
mod route;
#[cfg(test)]
mod tests;

pub use crate::exec::Precision;
pub(crate) use crate::exec::host::product::without_amx;
pub(crate) use buffer::give_back_tensor;
pub use cross::cross;
pub use excite::{Fields, excite, squeeze};
pub use linear::{linear, linear_without_bias};
pub use norm::norm_activate;
pub(crate) use op::{host, is_host};
pub use pair::pair_dot;
pub(crate) use real::vectorised;
pub use route::route;
