//! Bias, LayerNorm and leaky ReLU of groups of columns, forward and backward.

#![expect(
    clippy::indexing_slicing,
    reason = "columns of a group are within its row, and blocks of N have N"
)]

use std::ops::Range;

use mtmd_schema::plan::{Activate, NormPlace, Write};

use super::memory::{RowsMut, RowsRef};
use super::parameters::{Gradients, Parameters};
use super::real::{LANES, Real, total};

/// A group of columns, and what is done to it.
struct Group<'a, E> {
    columns: Range<usize>,
    /// Added first.
    bias: &'a [E],
    /// Place, weight and bias of its norm.
    norm: Option<(NormPlace, [&'a [E]; 2])>,
    /// Slope below zero.
    slope: E,
    /// Added to a variance before its root is taken.
    eps: E,
}

/// All groups; `zeros` is the bias of those that have none.
#[inline(always)]
fn groups<'a, E: Real>(
    activate: &Activate,
    parameters: Parameters<'a, E>,
    zeros: &'a [E],
    eps: f64,
) -> Vec<Group<'a, E>> {
    let get = |first| parameters.get(first, activate.from.width);
    let bias = activate.bias.map_or(zeros, get);
    let norm = activate
        .norm
        .map(|norm| (norm.place, [get(norm.weight), get(norm.bias)]));
    let mut start = 0;
    let group = |&width: &usize| {
        let columns = start..start + width;
        start += width;
        Group {
            bias: &bias[columns.clone()],
            norm: norm.map(|(place, both)| (place, both.map(|all| &all[columns.clone()]))),
            slope: E::real(activate.slope),
            eps: E::real(eps),
            columns,
        }
    };
    activate.groups.iter().map(group).collect()
}

/// Zeros, as many as a layer without bias has columns.
fn zeros<E: Real>(activate: &Activate) -> Vec<E> {
    match activate.bias {
        Some(_) => Vec::new(),
        None => vec![E::default(); activate.from.width],
    }
}

/// `to = act(norm(from + bias))` by group, with the norm where it is.
#[inline(always)]
pub fn forward<E: Real>(
    activate: &Activate,
    (from, mut to): (RowsRef<'_, E>, RowsMut<'_, E>),
    parameters: Parameters<'_, E>,
    eps: f64,
) {
    let zeros = zeros(activate);
    let groups = groups(activate, parameters, &zeros, eps);
    for (row, from) in from.iter().enumerate() {
        let to = to.row(row);
        for group in &groups {
            let columns = group.columns.clone();
            group.forward(&from[columns.clone()], &mut to[columns]);
        }
    }
}

/// From the gradient of [`forward`]'s output to that of its input, which may be where that is; those
/// of the parameters are set.
#[inline(always)]
pub fn backward<E: Real>(
    activate: &Activate,
    (from, gradient): (RowsRef<'_, E>, RowsRef<'_, E>),
    (mut into, write): (RowsMut<'_, E>, Write),
    (parameters, gradients): (Parameters<'_, E>, &mut Gradients<'_, E>),
    eps: f64,
) {
    let zeros = zeros(activate);
    let groups = groups(activate, parameters, &zeros, eps);
    let width = activate.from.width;
    let empty = || vec![E::default(); width];
    let [mut to_bias, mut to_weight, mut to_shift] = [empty(), empty(), empty()];
    let [mut normal, mut before] = [empty(), empty()];
    for (row, from) in from.iter().enumerate() {
        for group in &groups {
            let columns = group.columns.clone();
            let from = &from[columns.clone()];
            let to_norm = [&mut to_weight, &mut to_shift].map(|sums| &mut sums[columns.clone()]);
            let (normal, before) = (&mut normal[columns.clone()], &mut before[columns.clone()]);
            let found = group.to_normal(
                from,
                &gradient.row(row)[columns.clone()],
                (normal, before),
                to_norm,
            );
            let into = &mut into.row(row)[columns.clone()];
            group.to_input(
                from,
                (normal, before, found),
                (into, write),
                &mut to_bias[columns],
            );
        }
    }
    if let Some(bias) = activate.bias {
        gradients.write(bias, &to_bias, Write::Set);
    }
    if let Some(norm) = activate.norm {
        gradients.write(norm.weight, &to_weight, Write::Set);
        gradients.write(norm.bias, &to_shift, Write::Set);
    }
}

impl<E: Real> Group<'_, E> {
    #[inline(always)]
    fn forward(&self, from: &[E], to: &mut [E]) {
        let leaky = |x| leaky(x, self.slope);
        match self.norm {
            None => {
                shifted(to, from, self.bias, leaky);
            }
            Some((NormPlace::Pre, parameters)) => {
                let sum = shifted(to, from, self.bias, |x| x);
                finish(to, moments(to, sum, self.eps), parameters, leaky);
            }
            Some((NormPlace::Post, parameters)) => {
                let sum = shifted(to, from, self.bias, leaky);
                finish(to, moments(to, sum, self.eps), parameters, |x| x);
            }
        }
    }

    /// From the gradient of the output to `before`, that of what the norm makes of its input, `normal`,
    /// before its weight; without norm, to that of the activation's output. Adds to the gradients of the
    /// norm's weight and bias.
    #[inline(always)]
    fn to_normal(
        &self,
        from: &[E],
        gradient: &[E],
        (normal, before): (&mut [E], &mut [E]),
        to: [&mut [E]; 2],
    ) -> NormGradient<E> {
        match self.norm {
            None => {
                before.copy_from_slice(gradient);
                NormGradient::default()
            }
            Some((NormPlace::Pre, parameters)) => {
                let sum = shifted(normal, from, self.bias, |x| x);
                let moments = moments(normal, sum, self.eps);
                let slope = self.slope;
                weighted(gradient, (normal, before), moments, parameters, to, |x| {
                    steepness(x, slope)
                })
            }
            Some((NormPlace::Post, parameters)) => {
                let sum = shifted(normal, from, self.bias, |x| leaky(x, self.slope));
                let moments = moments(normal, sum, self.eps);
                weighted(gradient, (normal, before), moments, parameters, to, |_| {
                    E::real(1.0)
                })
            }
        }
    }

    /// From there to the gradient of the input; adds to that of the bias.
    #[inline(always)]
    fn to_input(
        &self,
        from: &[E],
        (normal, before, found): (&[E], &[E], NormGradient<E>),
        (into, write): (&mut [E], Write),
        to_bias: &mut [E],
    ) {
        let NormGradient { mean, slant, scale } = found;
        let inputs = from.iter().zip(self.bias).map(|(&x, &bias)| x + bias);
        let through = inputs.map(|x| steepness(x, self.slope));
        let norms = normal.iter().zip(before);
        let norms = norms.map(|(&normal, &before)| scale * (before - mean - normal * slant));
        let to = (into, write, to_bias);
        match self.norm {
            None => put(
                to,
                before.iter().zip(through).map(|(&before, by)| before * by),
            ),
            Some((NormPlace::Pre, _)) => put(to, norms),
            Some((NormPlace::Post, _)) => {
                put(to, norms.zip(through).map(|(before, by)| before * by))
            }
        }
    }
}

/// Writes gradients, and adds them to those of the bias.
#[inline(always)]
fn put<E: Real>(
    (into, write, to_bias): (&mut [E], Write, &mut [E]),
    gradients: impl Iterator<Item = E>,
) {
    let to = into.iter_mut().zip(to_bias).zip(gradients);
    match write {
        Write::Set => {
            for ((into, to_bias), gradient) in to {
                *into = gradient;
                *to_bias += gradient;
            }
        }
        Write::Add => {
            for ((into, to_bias), gradient) in to {
                *into += gradient;
                *to_bias += gradient;
            }
        }
    }
}

/// Of the gradient of normalised numbers: its mean, that of its products with them, and what they were
/// scaled by.
#[derive(Debug, Clone, Copy, Default)]
struct NormGradient<E> {
    mean: E,
    slant: E,
    scale: E,
}

#[inline(always)]
fn leaky<E: Real>(x: E, slope: E) -> E {
    if x >= E::default() { x } else { x * slope }
}

/// The derivative of [`leaky`]; at 0 it is the slope, as in PyTorch.
#[inline(always)]
fn steepness<E: Real>(x: E, slope: E) -> E {
    if x > E::default() {
        E::real(1.0)
    } else {
        slope
    }
}

/// `to = of(from + bias)`; the sum.
#[inline(always)]
fn shifted<E: Real>(to: &mut [E], from: &[E], bias: &[E], of: impl Fn(E) -> E + Copy) -> E {
    #[inline(always)]
    fn part<E: Real, const N: usize>(
        to: &mut [[E; N]],
        from: &[[E; N]],
        bias: &[[E; N]],
        of: impl Fn(E) -> E,
    ) -> E {
        let mut sums = [E::default(); N];
        for (to, (from, bias)) in to.iter_mut().zip(from.iter().zip(bias)) {
            for at in 0..N {
                to[at] = of(from[at] + bias[at]);
                sums[at] += to[at];
            }
        }
        total(sums)
    }
    let (to, to_rest) = to.as_chunks_mut::<LANES>();
    let (from, from_rest) = from.as_chunks::<LANES>();
    let (bias, bias_rest) = bias.as_chunks::<LANES>();
    let blocks = part(to, from, bias, of);
    let rest = part(
        to_rest.as_chunks_mut::<1>().0,
        from_rest.as_chunks::<1>().0,
        bias_rest.as_chunks::<1>().0,
        of,
    );
    blocks + rest
}

/// Mean, and 1/√(variance + ε), of numbers with this sum.
#[inline(always)]
fn moments<E: Real>(values: &[E], sum: E, eps: E) -> (E, E) {
    #[inline(always)]
    fn squares<E: Real, const N: usize>(values: &[[E; N]], mean: E) -> E {
        let mut sums = [E::default(); N];
        for values in values {
            for at in 0..N {
                sums[at] += (values[at] - mean) * (values[at] - mean);
            }
        }
        total(sums)
    }
    let share = E::real(1.0 / values.len() as f64);
    let mean = sum * share;
    let (blocks, rest) = values.as_chunks::<LANES>();
    let squares = squares(blocks, mean) + squares(rest.as_chunks::<1>().0, mean);
    (mean, E::real(1.0) / (squares * share + eps).root())
}

/// From the input of a norm to its output, passed on.
#[inline(always)]
fn finish<E: Real>(
    values: &mut [E],
    (mean, scale): (E, E),
    [weight, bias]: [&[E]; 2],
    of: impl Fn(E) -> E,
) {
    for (x, (&weight, &bias)) in values.iter_mut().zip(weight.iter().zip(bias)) {
        *x = of((*x - mean) * scale * weight + bias);
    }
}

/// Makes the input of a norm its normalised numbers, and takes the gradient of `of` its output back to
/// them, `before`; adds to those of weight and bias.
#[inline(always)]
fn weighted<E: Real>(
    gradient: &[E],
    (normal, before): (&mut [E], &mut [E]),
    (mean, scale): (E, E),
    [weight, bias]: [&[E]; 2],
    [to_weight, to_bias]: [&mut [E]; 2],
    steepness: impl Fn(E) -> E + Copy,
) -> NormGradient<E> {
    #[inline(always)]
    fn part<E: Real, const N: usize>(
        gradient: &[[E; N]],
        (normal, before): (&mut [[E; N]], &mut [[E; N]]),
        (mean, scale): (E, E),
        [weight, bias]: [&[[E; N]]; 2],
        [to_weight, to_bias]: [&mut [[E; N]]; 2],
        steepness: impl Fn(E) -> E,
    ) -> (E, E) {
        let (mut sums, mut products) = ([E::default(); N], [E::default(); N]);
        let parameters = weight.iter().zip(bias);
        let to = to_weight.iter_mut().zip(to_bias);
        let rows = gradient.iter().zip(normal.iter_mut().zip(before));
        for ((gradient, (normal, before)), ((weight, bias), (to_weight, to_bias))) in
            rows.zip(parameters.zip(to))
        {
            for at in 0..N {
                let x = (normal[at] - mean) * scale;
                let inner = gradient[at] * steepness(x * weight[at] + bias[at]);
                to_weight[at] += inner * x;
                to_bias[at] += inner;
                let back = inner * weight[at];
                sums[at] += back;
                products[at] += back * x;
                normal[at] = x;
                before[at] = back;
            }
        }
        (total(sums), total(products))
    }
    let share = E::real(1.0 / normal.len() as f64);
    let (gradient, gradient_rest) = gradient.as_chunks::<LANES>();
    let (normal, normal_rest) = normal.as_chunks_mut::<LANES>();
    let (before, before_rest) = before.as_chunks_mut::<LANES>();
    let (weight, weight_rest) = weight.as_chunks::<LANES>();
    let (bias, bias_rest) = bias.as_chunks::<LANES>();
    let (to_weight, to_weight_rest) = to_weight.as_chunks_mut::<LANES>();
    let (to_bias, to_bias_rest) = to_bias.as_chunks_mut::<LANES>();
    let blocks = part(
        gradient,
        (normal, before),
        (mean, scale),
        [weight, bias],
        [to_weight, to_bias],
        steepness,
    );
    let rest = part(
        gradient_rest.as_chunks::<1>().0,
        (
            normal_rest.as_chunks_mut::<1>().0,
            before_rest.as_chunks_mut::<1>().0,
        ),
        (mean, scale),
        [weight_rest.as_chunks::<1>().0, bias_rest.as_chunks::<1>().0],
        [
            to_weight_rest.as_chunks_mut::<1>().0,
            to_bias_rest.as_chunks_mut::<1>().0,
        ],
        steepness,
    );
    NormGradient {
        mean: (blocks.0 + rest.0) * share,
        slant: (blocks.1 + rest.1) * share,
        scale,
    }
}
