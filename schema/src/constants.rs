//! Constants of the model and of its optimisers, which no spec declares.
//!
//! The compiler's `graph::blocks::VERSION` covers those of the model: raise it with every change.

/// Added to a variance before its root is taken, in LayerNorm and BatchNorm: PyTorch's default.
pub const NORM_EPS: f64 = 1e-5;

/// Momentum of BatchNorm's running statistics, the step towards a batch's: PyTorch's default.
pub const BATCH_NORM_MOMENTUM: f64 = 0.1;

/// Slope of LeakyReLU below zero.
pub const LEAKY_RELU_SLOPE: f64 = 0.2;

/// Decay of AdamW's mean of the gradient: PyTorch's default, as the two that follow.
pub const ADAMW_BETA_1: f64 = 0.9;

/// Decay of AdamW's mean of the squared gradient.
pub const ADAMW_BETA_2: f64 = 0.999;

/// Added to the root of AdamW's second moment, and to that of row-wise Adagrad's sum.
pub const ADAMW_EPSILON: f64 = 1e-8;
