//! Running a plan: forward, backward and the loss.
//!
//! [`heads`] says which rows of a batch each task scores and learns from; it depends on the data
//! alone, so that the loader's threads can make it. [`host`] runs the plan in host memory, `device` (a feature) on a
//! GPU; an [`Engine`] is one of the two.

#[cfg(feature = "device")]
pub mod device;
mod engine;
pub mod heads;
pub mod host;

pub use engine::{Backend, Engine, Loaded, rows};
