//! Runtime of `mtmdc`: layers, tables, data, training and evaluation of multi-task multi-domain
//! (MTMD) ranking models on burn.
//!
//! A generated crate implements [`model::Model`] for its model and calls [`main`]; everything else
//! stands here once. The rooms import downward only: `bug`, `error` and `schema`, then `hash`, `params`,
//! `data`, `exec` and `layers`, then `tables`, `model`, `weights` and `optimiser`, then `evaluation` and
//! `training`, then `cli`.

mod bug;
pub mod cli;
pub mod data;
pub mod error;
pub mod evaluation;
pub mod exec;
pub mod hash;
mod kernels;
pub mod layers;
pub mod model;
pub mod optimiser;
pub mod params;
pub mod schema;
pub mod tables;
pub mod training;
pub mod weights;

pub use cli::{Memory, main};

/// What generated code of this version names, so that a runtime of another version does not compile
/// with it: build the spec again with the `mtmdc` of the runtime's version.
#[expect(
    non_camel_case_types,
    reason = "the name is what the compiler's error shows"
)]
#[derive(Debug, Clone, Copy)]
pub struct Version_0_1_0;

/// What generated code imports.
pub mod prelude {
    /// `#[derive(Module)]` expands to paths of `burn`, which this makes known.
    pub use burn;
    pub use burn::module::Module;
    pub use burn::tensor::Device;

    pub use crate::layers::{
        Adaptation, DomainInput, DomainRows, DomainShared, Domains, Experts, Head, Layout,
        TaskExpert, TowerInput, TowerOutput, task_embeddings,
    };
    pub use crate::model::Model;
    pub use crate::schema::{Schema, Tower};
}
