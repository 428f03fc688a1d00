//! Bias, LayerNorm and leaky ReLU of groups of columns, forward and backward.

use burn::tensor::Tensor;
use mtmd_schema::plan::{Activate, Address, NormPlace};

use super::parameters::Parameters;

/// Neighbouring groups of one width, which are one tensor `[rows, groups, width]`.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: usize,
    groups: usize,
    width: usize,
}

/// The groups of a layer.
fn runs(activate: &Activate) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut start = 0;
    for &width in activate.groups.iter() {
        match runs.last_mut() {
            Some(last) if last.width == width => last.groups += 1,
            _ => runs.push(Run {
                start,
                groups: 1,
                width,
            }),
        }
        start += width;
    }
    runs
}

impl Run {
    /// Its columns.
    fn of(self, all: &Tensor<2>) -> Tensor<3> {
        let [rows, _] = all.dims();
        let columns = all.clone().narrow(1, self.start, self.groups * self.width);
        columns.reshape([rows, self.groups, self.width])
    }
}

/// From the groups of runs back to columns.
fn columns(parts: Vec<Tensor<3>>) -> Tensor<2> {
    let flat = |part: Tensor<3>| {
        let [rows, groups, width] = part.dims();
        part.reshape([rows, groups * width])
    };
    Tensor::cat(parts.into_iter().map(flat).collect(), 1)
}

/// Parameters of a layer, as rows.
struct Layer {
    bias: Option<Tensor<2>>,
    /// Place, weight and bias of its norm.
    norm: Option<(NormPlace, [Tensor<2>; 2])>,
    slope: f64,
    eps: f64,
}

impl Layer {
    fn new(activate: &Activate, parameters: &Parameters, eps: f64) -> Self {
        let get = |first| parameters.row(first, activate.from.width);
        Self {
            bias: activate.bias.map(get),
            norm: activate
                .norm
                .map(|norm| (norm.place, [norm.weight, norm.bias].map(get))),
            slope: activate.slope,
            eps,
        }
    }

    /// With its bias.
    fn shifted(&self, from: Tensor<2>) -> Tensor<2> {
        match &self.bias {
            Some(bias) => from + bias.clone(),
            None => from,
        }
    }
}

/// `act(norm(from + bias))`, or `norm(act(from + bias))`, by group.
pub fn forward(
    activate: &Activate,
    from: Tensor<2>,
    parameters: &Parameters,
    eps: f64,
) -> Tensor<2> {
    let layer = Layer::new(activate, parameters, eps);
    let from = layer.shifted(from);
    let Some((place, [weight, bias])) = &layer.norm else {
        return leaky(from, layer.slope);
    };
    let of = |run: Run| {
        let mut x = run.of(&from);
        if *place == NormPlace::Post {
            x = leaky(x, layer.slope);
        }
        let (normal, _) = normalised(x, eps);
        let found = normal * run.of(weight) + run.of(bias);
        match place {
            NormPlace::Pre => leaky(found, layer.slope),
            NormPlace::Post => found,
        }
    };
    columns(runs(activate).into_iter().map(of).collect())
}

/// Gradients of a layer.
pub struct Gradients {
    /// That of the input.
    pub input: Tensor<2>,
    /// Those of the parameters.
    pub parameters: Vec<(Address, Tensor<1>)>,
}

/// From the gradient of [`forward`]'s output to that of its input and those of its parameters.
pub fn backward(
    activate: &Activate,
    from: Tensor<2>,
    gradient: Tensor<2>,
    parameters: &Parameters,
    eps: f64,
) -> Gradients {
    let layer = Layer::new(activate, parameters, eps);
    let from = layer.shifted(from);
    let mut found = Vec::new();
    let input = match (&layer.norm, activate.norm) {
        (Some((place, norm)), Some(addresses)) => {
            let of = |run| layer.run_back(run, *place, norm, [&from, &gradient]);
            let runs: Vec<_> = runs(activate).into_iter().map(of).collect();
            let [mut input, mut weight, mut bias] = [const { Vec::new() }; 3];
            for [by_input, by_weight, by_bias] in runs {
                input.push(by_input);
                weight.push(by_weight);
                bias.push(by_bias);
            }
            found.push((addresses.weight, over_rows(columns(weight))));
            found.push((addresses.bias, over_rows(columns(bias))));
            columns(input)
        }
        _ => leaky_back(gradient, from, layer.slope),
    };
    if let Some(bias) = activate.bias {
        found.push((bias, over_rows(input.clone())));
    }
    Gradients {
        input,
        parameters: found,
    }
}

impl Layer {
    /// Gradient of a run's input, and by row those of the norm's weight and bias.
    fn run_back(
        &self,
        run: Run,
        place: NormPlace,
        [weight, bias]: &[Tensor<2>; 2],
        [from, gradient]: [&Tensor<2>; 2],
    ) -> [Tensor<3>; 3] {
        let (from, gradient, weight) = (run.of(from), run.of(gradient), run.of(weight));
        let input = match place {
            NormPlace::Pre => from.clone(),
            NormPlace::Post => leaky(from.clone(), self.slope),
        };
        let (normal, scale) = normalised(input, self.eps);
        let inner = match place {
            NormPlace::Pre => {
                let output = normal.clone() * weight.clone() + run.of(bias);
                leaky_back(gradient, output, self.slope)
            }
            NormPlace::Post => gradient,
        };
        let by_weight = inner.clone() * normal.clone();
        let before = inner.clone() * weight;
        let mean = before.clone().mean_dim(2);
        let slant = (before.clone() * normal.clone()).mean_dim(2);
        let by_input = (before - mean - normal * slant) * scale;
        let by_input = match place {
            NormPlace::Pre => by_input,
            NormPlace::Post => leaky_back(by_input, from, self.slope),
        };
        [by_input, by_weight, inner]
    }
}

/// Each group minus its mean, over its deviation; and 1/√(variance + ε).
fn normalised(x: Tensor<3>, eps: f64) -> (Tensor<3>, Tensor<3>) {
    let mean = x.clone().mean_dim(2);
    let centred = x - mean;
    let variance = centred.clone().square().mean_dim(2);
    let scale = (variance + eps).sqrt().recip();
    (centred * scale.clone(), scale)
}

/// `x` where `x >= 0`, else `slope · x`.
fn leaky<const D: usize>(x: Tensor<D>, slope: f64) -> Tensor<D> {
    if slope == 1.0 {
        return x;
    }
    let below = x.clone().lower_scalar(0.0);
    let scaled = x.clone() * slope;
    x.mask_where(below, scaled)
}

/// From the gradient of [`leaky`]'s output to that of its input. At 0 the derivative is the slope, as in PyTorch.
fn leaky_back<const D: usize>(gradient: Tensor<D>, x: Tensor<D>, slope: f64) -> Tensor<D> {
    if slope == 1.0 {
        return gradient;
    }
    let below = x.lower_equal_scalar(0.0);
    let scaled = gradient.clone() * slope;
    gradient.mask_where(below, scaled)
}

/// The sum over rows.
pub fn over_rows(by_row: Tensor<2>) -> Tensor<1> {
    let [_, width] = by_row.dims();
    by_row.sum_dim(0).reshape([width])
}
