//! The layers of a Domain Expert (paper §2.1).
//!
//! Parameters have PyTorch's names and layouts: a linear map's `weight` is `[out, in]`. A layer is
//! made with zero weights (norms: ones and zeros, as PyTorch's); [`crate::model::initialise`]
//! draws the values, [`crate::weights`] loads them.

mod adaptation;
mod cross;
mod domains;
mod expert;
mod ffn;
mod fused;
mod head;
mod io;
mod layout;
mod linear;
mod norm;
mod routing;
mod shallow;
mod shared;

use burn::tensor::Tensor;

pub use adaptation::{Adaptation, Adapted};
pub use cross::{Cross, CrossLayer};
pub use domains::Domains;
pub use expert::TaskExpert;
pub use ffn::{Experts, Ffn, FfnLayer};
pub use fused::{DomainRows, task_embeddings};
pub use head::Head;
pub use io::{DomainInput, Repeats, TaskEmbeddings, TowerInput, TowerOutput};
pub use layout::{Field, FieldKind, Layout};
pub use linear::Linear;
pub use norm::{BatchNorm, EPSILON, LayerNorm};
pub use routing::Routing;
pub use shallow::Shallow;
pub use shared::{DomainShared, SharedExperts};

pub use crate::kernels::Precision;

/// Matrices side by side.
fn beside(parts: Vec<Tensor<2>>) -> Tensor<2> {
    match <[Tensor<2>; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => Tensor::cat(parts, 1),
    }
}
