//! A server of scores, over HTTP.
//!
//! A model and an index of its items are one version: they are loaded together, give the golden rows' scores, and take the
//! place of the version before in one step. A request holds the version that it began with.

mod answer;
mod connections;
mod features;
mod http;
mod inference;
mod metrics;
mod openapi;
mod rank;
mod tensors;
mod version;

pub use connections::run;
pub use http::{Server, Settings};
pub use version::{Source, Version};
