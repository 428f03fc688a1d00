//! The loops of a head, compiled for the widest vectors of the machine.

use multiversion::multiversion;

use super::plan::Head;
use crate::kernels::buffer::Buffer;
use crate::kernels::real::{Real, dot};

/// Each row's products with the weights of each expert, plus its bias.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn dot_rows<E: Real>(to: &mut [E], rows: &[E], (weight, bias): (&[E], &[E])) {
    let input = weight.len() / bias.len().max(1);
    for (to, row) in to
        .chunks_exact_mut(bias.len().max(1))
        .zip(rows.chunks_exact(input.max(1)))
    {
        let experts = weight.chunks_exact(input.max(1)).zip(bias);
        for (to, (weight, &bias)) in to.iter_mut().zip(experts) {
            *to = dot(row, weight) + bias;
        }
    }
}

/// From the gradient of [`dot_rows`] to those of the rows and of the weights.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn dot_rows_back<E: Real>(
    gradient: &[E],
    rows: &[E],
    weight: &[E],
    (input, output): (usize, usize),
    (to_rows, to_weight): (&mut [E], &mut [E]),
) {
    let rows = gradient.chunks_exact(output).zip(rows.chunks_exact(input));
    for ((gradient, row), to_row) in rows.zip(to_rows.chunks_exact_mut(input)) {
        let experts = weight
            .chunks_exact(input)
            .zip(to_weight.chunks_exact_mut(input));
        for (&gradient, (weight, to_weight)) in gradient.iter().zip(experts) {
            add_scaled(to_row, gradient, weight);
            add_scaled(to_weight, gradient, row);
        }
    }
}

/// See [`Head::compose`].
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn compose_rows<E: Real>(head: &Head, experts: &[&[E]], shares: &[E], composed: &mut [E]) {
    let rows = composed.len() / head.width.max(1);
    for (row, to) in composed.chunks_exact_mut(head.width.max(1)).enumerate() {
        for (place, (columns, expert)) in head.places(experts, rows, row).enumerate() {
            let share = shares.get(row * experts.len() + place).copied();
            let to = to.get_mut(columns).unwrap_or_default();
            let share = share.unwrap_or(E::real(1.0));
            match head.sum {
                true => add_scaled(to, share, expert),
                false => set_scaled(to, share, expert),
            }
        }
    }
}

/// See [`Head::compose_backward`].
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn compose_rows_back<E: Real>(
    head: &Head,
    experts: &[&[E]],
    shares: &[E],
    gradient: &[E],
    (to_experts, to_shares): (&mut [Buffer<E>], &mut [E]),
) {
    let rows = gradient.len() / head.width.max(1);
    for (row, gradient) in gradient.chunks_exact(head.width.max(1)).enumerate() {
        let places = head.places(experts, rows, row).zip(&mut *to_experts);
        for (place, ((columns, expert), to_expert)) in places.enumerate() {
            let at = row * experts.len() + place;
            let share = shares.get(at).copied().unwrap_or(E::real(1.0));
            let gradient = gradient.get(columns).unwrap_or_default();
            if let Some(to_share) = to_shares.get_mut(at) {
                *to_share = dot(gradient, expert);
            }
            let to = to_expert.get_mut(row * expert.len()..).unwrap_or_default();
            set_scaled(to, share, gradient);
        }
    }
}

/// `to = factor · from`.
#[inline(always)]
pub fn set_scaled<E: Real>(to: &mut [E], factor: E, from: &[E]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = factor * from;
    }
}

/// `to += factor · from`.
#[inline(always)]
pub fn add_scaled<E: Real>(to: &mut [E], factor: E, from: &[E]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// `x += x0 ∘ up`.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn cross<E: Real>(first: &[E], up: &[E], x: &mut [E]) {
    for (x, (&first, &up)) in x.iter_mut().zip(first.iter().zip(up)) {
        *x += first * up;
    }
}

/// From the gradient of x' to that of `up`, and to the part of x0's that comes by the product.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn cross_back<E: Real>(
    (gradient, first, up): (&[E], &[E], &[E]),
    to_up: &mut [E],
    to_first: &mut [E],
) {
    for (to, (&gradient, &first)) in to_up.iter_mut().zip(gradient.iter().zip(first)) {
        *to = gradient * first;
    }
    for (to, (&gradient, &up)) in to_first.iter_mut().zip(gradient.iter().zip(up)) {
        *to += gradient * up;
    }
}
