//! From the experts' outputs to a task's embedding on some rows, forward and backward.

use super::loops::{compose_rows, compose_rows_back, cross, cross_back, dot_rows, dot_rows_back};
use super::plan::{Cross, Dense, Head, Shallow};
use super::rows::{Norm, NormGradient, Normal, softmax, softmax_backward};
use super::weights::{Gradients, Weights};
use crate::exec::host::product::{Matrix, Side};
use crate::kernels::buffer::Buffer;
use crate::kernels::real::{Real, add, add_to_rows};

/// What the backward pass needs of a head's forward pass on some rows.
#[derive(Debug)]
pub struct HeadRows<E: Real> {
    /// `[rows, experts]`; empty without a routing.
    shares: Buffer<E>,
    composed: Composed<E>,
    /// V x and U(V x) + b of each cross.
    crosses: Vec<[Buffer<E>; 2]>,
}

/// A composition of experts.
#[derive(Debug)]
enum Composed<E: Real> {
    /// Normalised.
    Normal(Normal<E>),
    /// As it is, where it has no norm.
    Plain(Buffer<E>),
}

/// Gradients of what a head read, on some rows.
#[derive(Debug)]
pub struct HeadGradient<E: Real> {
    /// Of each expert's output, in the order of the head's experts.
    pub experts: Vec<Buffer<E>>,
    /// Of the hidden layers of the routing.
    pub routing: Buffer<E>,
    /// Of the hidden layers of the shallow expert.
    pub shallow: Buffer<E>,
}

/// Outputs of the stacks on some rows, by the place of the stack.
pub type Outputs<'a, E> = Vec<&'a [E]>;

impl Head {
    /// The task's embedding, `[rows, output]`, of `rows` rows.
    pub(super) fn forward<E: Real>(
        &self,
        outputs: &Outputs<'_, E>,
        rows: usize,
        weights: &Weights<'_, E>,
    ) -> (Buffer<E>, HeadRows<E>) {
        let shares = self.shares(outputs, rows, weights);
        let composed = self.compose(&self.experts(outputs), &shares, rows);
        let (first, composed) = match self.norm(weights) {
            Some(norm) => {
                let (first, normal) = norm.forward(composed, &[]);
                (first, Composed::Normal(normal))
            }
            None => (Buffer::of(&composed), Composed::Plain(composed)),
        };
        let mut x = Buffer::of(&first);
        let crosses = self
            .crosses
            .iter()
            .map(|cross| cross.forward(&first, &mut x, weights));
        let crosses = crosses.collect();
        let mut deep = self.embedding.forward(&x, weights);
        add_to_rows(&mut deep, weights.values(self.embedding.bias));
        let shallow = self.shallow(outputs, rows, weights);
        let saved = HeadRows {
            shares,
            composed,
            crosses,
        };
        (
            beside(&deep, self.embedding.output, &shallow, self.shallow.width()),
            saved,
        )
    }

    /// From the gradient of the task's embedding to those of what it read; adds those of the parameters to `to`.
    pub(super) fn backward<E: Real>(
        &self,
        saved: &HeadRows<E>,
        outputs: &Outputs<'_, E>,
        gradient: &[E],
        weights: &Weights<'_, E>,
        to: &mut Gradients<E>,
    ) -> HeadGradient<E> {
        let (mut gradient, shallow) = apart(gradient, self.embedding.output, self.shallow.width());
        let shallow = self.shallow_backward(outputs, shallow, weights, to);
        to.add_rows(self.embedding.bias, &gradient, self.embedding.output);
        let norm = self.norm(weights);
        let first = match (&saved.composed, norm) {
            (Composed::Normal(normal), Some(norm)) => norm.again(normal),
            (Composed::Normal(normal), None) => Buffer::of(&normal.values),
            (Composed::Plain(composed), _) => Buffer::of(composed),
        };
        let xs = crossed(&first, &saved.crosses);
        let last = Side::passing(
            Matrix::new(xs.last().unwrap_or(&first), self.width),
            weights.way,
        );
        gradient = self.embedding.backward(&gradient, &last, weights, to);
        drop(last);
        let mut to_first = Buffer::zeros(gradient.len());
        let before = std::iter::once(&*first).chain(xs.iter().map(|x| &**x));
        let crosses: Vec<_> = self
            .crosses
            .iter()
            .zip(&saved.crosses)
            .zip(before)
            .collect();
        for ((cross, saved), x) in crosses.into_iter().rev() {
            cross.backward(
                saved,
                [&first, x],
                &mut gradient,
                &mut to_first,
                weights,
                to,
            );
        }
        add(&mut gradient, &to_first);
        if let (Some((weight, bias)), Composed::Normal(normal), Some(norm)) =
            (self.norm, &saved.composed, norm)
        {
            let mut sums = NormGradient::new(self.width, false);
            norm.backward(&mut gradient, normal, &mut sums);
            to.add(weight, &sums.weight);
            to.add(bias, &sums.bias);
        }
        let (experts, shares) =
            self.compose_backward(&self.experts(outputs), &saved.shares, gradient);
        HeadGradient {
            experts,
            routing: self.routing_backward(outputs, &saved.shares, shares, weights, to),
            shallow,
        }
    }

    fn norm<'a, E: Real>(&self, weights: &Weights<'a, E>) -> Option<Norm<'a, E>> {
        self.norm.map(|(weight, bias)| Norm {
            weight: weights.values(weight),
            bias: weights.values(bias),
            slope: E::real(1.0),
        })
    }

    fn experts<'a, E>(&self, outputs: &Outputs<'a, E>) -> Vec<&'a [E]> {
        let experts = self.experts.iter();
        experts
            .filter_map(|&expert| outputs.get(expert).copied())
            .collect()
    }

    /// The experts' shares in each row; empty without a routing.
    fn shares<E: Real>(
        &self,
        outputs: &Outputs<'_, E>,
        rows: usize,
        weights: &Weights<'_, E>,
    ) -> Buffer<E> {
        let Some((stack, dense)) = &self.routing else {
            return Buffer::new(0);
        };
        let hidden = outputs.get(*stack).copied().unwrap_or_default();
        let mut shares = Buffer::new(rows * dense.output);
        let weight = weights.values(dense.weight);
        let parameters = (weight, weights.values(dense.bias));
        dot_rows(&mut shares, hidden, parameters);
        softmax(&mut shares, dense.output);
        shares
    }

    /// From the gradient of the shares to that of the hidden layers of the routing.
    fn routing_backward<E: Real>(
        &self,
        outputs: &Outputs<'_, E>,
        shares: &[E],
        mut gradient: Buffer<E>,
        weights: &Weights<'_, E>,
        to: &mut Gradients<E>,
    ) -> Buffer<E> {
        let Some((stack, dense)) = &self.routing else {
            return Buffer::new(0);
        };
        let (input, output) = (dense.input.max(1), dense.output.max(1));
        softmax_backward(&mut gradient, shares, output);
        to.add_rows(dense.bias, &gradient, output);
        let hidden = outputs.get(*stack).copied().unwrap_or_default();
        let weight = weights.values(dense.weight);
        let mut before = Buffer::zeros(hidden.len());
        let mut sums = Buffer::zeros(weight.len());
        let to_rows = (&mut before[..], &mut sums[..]);
        dot_rows_back(&gradient, hidden, weight, (input, output), to_rows);
        to.add(dense.weight, &sums);
        before
    }

    /// `[rows, width]`: the experts' outputs, each times its share, side by side or summed.
    fn compose<E: Real>(&self, experts: &[&[E]], shares: &[E], rows: usize) -> Buffer<E> {
        let mut composed = match self.sum {
            true => Buffer::zeros(rows * self.width),
            false => Buffer::new(rows * self.width),
        };
        compose_rows(self, experts, shares, &mut composed);
        composed
    }

    /// Gradients of the experts' outputs, and of the shares.
    fn compose_backward<E: Real>(
        &self,
        experts: &[&[E]],
        shares: &[E],
        gradient: Buffer<E>,
    ) -> (Vec<Buffer<E>>, Buffer<E>) {
        let mut to_experts: Vec<Buffer<E>> = experts
            .iter()
            .map(|expert| Buffer::new(expert.len()))
            .collect();
        let mut to_shares = Buffer::new(shares.len());
        let to = (&mut to_experts[..], &mut to_shares[..]);
        compose_rows_back(self, experts, shares, &gradient, to);
        (to_experts, to_shares)
    }

    /// Columns of the composition that each expert fills, and its output in this row.
    #[inline(always)]
    pub(super) fn places<'a, E>(
        &self,
        experts: &'a [&'a [E]],
        rows: usize,
        row: usize,
    ) -> impl Iterator<Item = (std::ops::Range<usize>, &'a [E])> + use<'a, E> {
        let sum = self.sum;
        let mut start = 0;
        experts.iter().map(move |expert| {
            let width = expert.len() / rows.max(1);
            let columns = start..start + width;
            if !sum {
                start += width;
            }
            (
                columns,
                expert
                    .get(row * width..(row + 1) * width)
                    .unwrap_or_default(),
            )
        })
    }

    fn shallow<E: Real>(
        &self,
        outputs: &Outputs<'_, E>,
        rows: usize,
        weights: &Weights<'_, E>,
    ) -> Buffer<E> {
        match &self.shallow {
            Shallow::Vector(place, _) => Buffer::of(&weights.values(*place).repeat(rows)),
            Shallow::Dense { stack, output } => {
                let hidden = outputs.get(*stack).copied().unwrap_or_default();
                let mut shallow = output.forward(hidden, weights);
                add_to_rows(&mut shallow, weights.values(output.bias));
                shallow
            }
        }
    }

    /// From the gradient of emb_shallow to that of the hidden layers of the shallow expert.
    fn shallow_backward<E: Real>(
        &self,
        outputs: &Outputs<'_, E>,
        gradient: Buffer<E>,
        weights: &Weights<'_, E>,
        to: &mut Gradients<E>,
    ) -> Buffer<E> {
        match &self.shallow {
            Shallow::Vector(place, width) => {
                to.add_rows(*place, &gradient, *width);
                Buffer::new(0)
            }
            Shallow::Dense { stack, output } => {
                to.add_rows(output.bias, &gradient, output.output);
                let hidden = outputs.get(*stack).copied().unwrap_or_default();
                let input = Side::passing(Matrix::new(hidden, output.input), weights.way);
                output.backward(&gradient, &input, weights, to)
            }
        }
    }
}

impl Cross {
    /// Moves x on; returns V x and U(V x) + b.
    fn forward<E: Real>(
        &self,
        first: &[E],
        x: &mut [E],
        weights: &Weights<'_, E>,
    ) -> [Buffer<E>; 2] {
        let down = self.down().forward(x, weights);
        let mut up = self.up.forward(&down, weights);
        add_to_rows(&mut up, weights.values(self.up.bias));
        cross(first, &up, x);
        [down, up]
    }

    /// Turns the gradient of x' into that of x and adds that of x0 to `to_first`.
    fn backward<E: Real>(
        &self,
        [down, up]: &[Buffer<E>; 2],
        [first, x]: [&[E]; 2],
        gradient: &mut [E],
        to_first: &mut [E],
        weights: &Weights<'_, E>,
        to: &mut Gradients<E>,
    ) {
        let mut to_up = Buffer::new(up.len());
        let inputs = (&*gradient, first, &up[..]);
        cross_back(inputs, &mut to_up, to_first);
        to.add_rows(self.up.bias, &to_up, self.up.output);
        let side = Side::passing(Matrix::new(down, self.up.input), weights.way);
        let to_down = self.up.backward(&to_up, &side, weights, to);
        drop(side);
        let side = Side::passing(Matrix::new(x, self.up.output), weights.way);
        let to_x = self.down().backward(&to_down, &side, weights, to);
        add(gradient, &to_x);
    }

    fn down(&self) -> Dense {
        Dense {
            weight: self.down,
            bias: self.down,
            input: self.up.output,
            output: self.up.input,
        }
    }
}

/// x after each cross.
fn crossed<E: Real>(first: &[E], crosses: &[[Buffer<E>; 2]]) -> Vec<Buffer<E>> {
    let mut xs: Vec<Buffer<E>> = Vec::with_capacity(crosses.len());
    for [_, up] in crosses {
        let mut x = Buffer::of(xs.last().map_or(first, |x| x));
        cross(first, up, &mut x);
        xs.push(x);
    }
    xs
}

/// Two matrices side by side.
fn beside<E: Real>(left: &[E], left_width: usize, right: &[E], right_width: usize) -> Buffer<E> {
    let mut both = Buffer::new(left.len() + right.len());
    let rows = left
        .chunks_exact(left_width.max(1))
        .zip(right.chunks_exact(right_width.max(1)));
    let to = both.chunks_exact_mut((left_width + right_width).max(1));
    for (to, (left, right)) in to.zip(rows) {
        let (one, other) = to.split_at_mut(left_width);
        one.copy_from_slice(left);
        other.copy_from_slice(right);
    }
    both
}

/// The two matrices that stand side by side.
fn apart<E: Real>(both: &[E], left_width: usize, right_width: usize) -> (Buffer<E>, Buffer<E>) {
    let width = (left_width + right_width).max(1);
    let rows = both.len() / width;
    let mut left = Buffer::new(rows * left_width);
    let mut right = Buffer::new(rows * right_width);
    let to = left
        .chunks_exact_mut(left_width.max(1))
        .zip(right.chunks_exact_mut(right_width.max(1)));
    for (row, (left, right)) in both.chunks_exact(width).zip(to) {
        let (one, other) = row.split_at(left_width);
        left.copy_from_slice(one);
        right.copy_from_slice(other);
    }
    (left, right)
}
