//! Linear maps: as products of matrices, or row by row where they are too narrow to gain by it.

use mtmd_schema::plan::{Elements, Linear, Write};

use super::memory::{RowsMut, RowsRef};
use super::parameters::Parameters;
use super::product::{MatrixMut, Side, Way, multiply};
use super::real::{Real, add, add_scaled, dot};
use crate::bug::{bug, check};

/// Outputs of a map up to which each is a dot product by row. Their sides are never rounded.
const NARROW: usize = 8;

/// Whether a map is computed row by row.
pub fn is_narrow(linear: &Linear) -> bool {
    linear.outputs <= NARROW
}

/// The weight of a map, `[outputs, inputs]`.
#[inline(always)]
pub fn weight<'a, E: Real>(linear: &Linear, map: usize, parameters: Parameters<'a, E>) -> &'a [E] {
    let Elements { first, count } = linear.weight_of(map);
    parameters.get(first, count)
}

/// The side that was made ready for a map.
fn side<'a, 'b, E>(ready: &'a [Side<'b, E>], map: usize) -> &'a Side<'b, E> {
    match ready.get(map) {
        Some(side) => side,
        None => bug!("a linear map whose weight was not made ready"),
    }
}

/// `to = from Wᵀ` of the map `map`, without bias.
#[inline(always)]
pub fn forward<E: Real>(
    linear: &Linear,
    map: usize,
    (from, mut to): (RowsRef<'_, E>, RowsMut<'_, E>),
    (parameters, ready, way): (Parameters<'_, E>, &[Side<'_, E>], Way),
) {
    if !is_narrow(linear) {
        let left = Side::left(from.matrix(), way);
        return multiply(&left, side(ready, map), to.matrix(), Write::Set);
    }
    let weight = weight(linear, map, parameters);
    for (row, from) in from.iter().enumerate() {
        let outputs = weight.chunks_exact(linear.inputs);
        for (to, weight) in to.row(row).iter_mut().zip(outputs) {
            *to = dot(from, weight);
        }
    }
}

/// Adds the biases to every row.
#[inline(always)]
pub fn add_bias<E: Real>(mut to: RowsMut<'_, E>, rows: usize, bias: &[E]) {
    for row in 0..rows {
        add(to.row(row), bias);
    }
}

/// Gradient of the input of the map `map`: `to = from W`, or `to += from W`.
#[inline(always)]
pub fn input<E: Real>(
    linear: &Linear,
    map: usize,
    (from, mut to): (RowsRef<'_, E>, RowsMut<'_, E>),
    (parameters, ready, way): (Parameters<'_, E>, &[Side<'_, E>], Way),
    write: Write,
) {
    if !is_narrow(linear) {
        let left = Side::left(from.matrix(), way);
        return multiply(&left, side(ready, map), to.matrix(), write);
    }
    let weight = weight(linear, map, parameters);
    for (row, from) in from.iter().enumerate() {
        let to = to.row(row);
        if write == Write::Set {
            to.fill(E::default());
        }
        for (&factor, weight) in from.iter().zip(weight.chunks_exact(linear.inputs)) {
            add_scaled(to, factor, weight);
        }
    }
}

/// Gradient of a map's weight, `[outputs, inputs]`: `to = gradientᵀ from`, or `to += gradientᵀ from`.
#[inline(always)]
pub fn weight_gradient<E: Real>(
    linear: &Linear,
    (from, gradient): (RowsRef<'_, E>, RowsRef<'_, E>),
    to: &mut [E],
    way: Way,
    write: Write,
) {
    check!(
        to.len() == linear.outputs * linear.inputs,
        "a weight's gradient of {} elements",
        to.len()
    );
    if !is_narrow(linear) {
        let left = Side::left(gradient.matrix().transpose(), way);
        let right = Side::passing(from.matrix(), way);
        return multiply(&left, &right, MatrixMut::new(to, linear.inputs), write);
    }
    if write == Write::Set {
        to.fill(E::default());
    }
    for (from, gradient) in from.iter().zip(gradient.iter()) {
        for (&factor, to) in gradient.iter().zip(to.chunks_exact_mut(linear.inputs)) {
            add_scaled(to, factor, from);
        }
    }
}
