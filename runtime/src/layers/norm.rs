//! Normalisations, with PyTorch's semantics and an epsilon of 1e-5.

use burn::module::{Module, Param, RunningState};
use burn::tensor::{Device, Tensor};

use super::Repeats;
use crate::kernels;

/// Added to the variance.
pub const EPSILON: f64 = kernels::composed::EPSILON;

/// Weight of a batch in BatchNorm's running statistics.
pub const MOMENTUM: f64 = 0.1;

/// LayerNorm over the columns of each row.
#[derive(Module, Debug)]
pub struct LayerNorm {
    /// `[width]`, initially one.
    pub weight: Param<Tensor<1>>,
    /// `[width]`, initially zero.
    pub bias: Param<Tensor<1>>,
}

impl LayerNorm {
    /// A norm over `width` columns.
    pub fn new(width: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([width], device)),
            bias: Param::from_tensor(Tensor::zeros([width], device)),
        }
    }

    /// `[rows, width]` → `[rows, width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let zero = Tensor::zeros([x.dims()[1]], (&x.device(), x.dtype()));
        self.activate(x, zero, 1.0)
    }

    /// LeakyReLU of this slope after the norm of `x + shift`, with `shift` `[width]`.
    pub(super) fn activate(&self, x: Tensor<2>, shift: Tensor<1>, slope: f64) -> Tensor<2> {
        kernels::norm_activate(x, shift, self.weight.val(), self.bias.val(), slope)
    }
}

/// BatchNorm over the rows of each column.
///
/// In training it normalises by the rows' mean and biased variance, and moves the running
/// statistics by a tenth towards the mean and the unbiased variance. A single row has no
/// variance: then, as in evaluation, the running statistics normalise and stay as they are.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// `[width]`, initially one.
    pub weight: Param<Tensor<1>>,
    /// `[width]`, initially zero.
    pub bias: Param<Tensor<1>>,
    /// `[width]`, initially zero; not trained.
    pub running_mean: RunningState<Tensor<1>>,
    /// `[width]`, initially one; not trained.
    pub running_var: RunningState<Tensor<1>>,
}

impl BatchNorm {
    /// A norm over the rows of `width` columns.
    pub fn new(width: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([width], device)),
            bias: Param::from_tensor(Tensor::zeros([width], device)),
            running_mean: RunningState::new(Tensor::zeros([width], device)),
            running_var: RunningState::new(Tensor::ones([width], device)),
        }
    }

    /// `[rows, width]` → `[rows, width]`. `repeats` and `training` as in [`super::DomainInput`].
    pub fn forward(&self, x: Tensor<2>, repeats: Option<&Repeats>, training: bool) -> Tensor<2> {
        let rows = repeats.map_or(x.dims()[0], |repeats| repeats.rows);
        let mean_of = |x: Tensor<2>| match repeats {
            Some(repeats) => (x * repeats.share.clone()).sum_dim(0),
            None => x.mean_dim(0),
        };
        let (centred, variance) = if training && rows > 1 {
            let mean = mean_of(x.clone());
            let centred = x - mean.clone();
            let variance = mean_of(centred.clone().square());
            let unbiased = rows as f64 / (rows - 1) as f64;
            advance(&self.running_mean, mean.squeeze_dim(0));
            advance(
                &self.running_var,
                variance.clone().squeeze_dim(0) * unbiased,
            );
            (centred, variance)
        } else {
            let mean: Tensor<2> = self.running_mean.value().unsqueeze();
            (x - mean, self.running_var.value().unsqueeze())
        };
        let normal = centred / (variance + EPSILON).sqrt();
        normal * self.weight.val().unsqueeze() + self.bias.val().unsqueeze()
    }
}

/// Moves a running statistic towards that of a batch.
fn advance(statistic: &RunningState<Tensor<1>>, batch: Tensor<1>) {
    let moved = statistic.value() * (1.0 - MOMENTUM) + batch.detach() * MOMENTUM;
    statistic.update(moved);
    // An update is pending until the next one of this thread; a reader of the weights sees it now.
    statistic.value_sync();
}
