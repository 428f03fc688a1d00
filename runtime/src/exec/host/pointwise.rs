//! Operations on the elements of a row, and on its small groups.

use mtmd_schema::plan::Write;

use super::memory::{RowsMut, RowsRef};
use super::real::{Real, add, dot};

/// Writes these values.
#[inline(always)]
pub fn put<E: Real>(to: &mut [E], write: Write, values: impl Iterator<Item = E>) {
    match write {
        Write::Set => to
            .iter_mut()
            .zip(values)
            .for_each(|(to, value)| *to = value),
        Write::Add => to
            .iter_mut()
            .zip(values)
            .for_each(|(to, value)| *to += value),
    }
}

/// `to = from`, or `to += from`.
#[inline(always)]
pub fn copy<E: Real>(from: &RowsRef<'_, E>, (mut to, write): (RowsMut<'_, E>, Write)) {
    for (row, from) in from.iter().enumerate() {
        match write {
            Write::Set => to.row(row).copy_from_slice(from),
            Write::Add => add(to.row(row), from),
        }
    }
}

/// The same values in every row.
#[inline(always)]
pub fn repeat<E: Real>(values: &[E], mut to: RowsMut<'_, E>, rows: usize) {
    for row in 0..rows {
        to.row(row).copy_from_slice(values);
    }
}

/// `to = 1 / (1 + exp(-from))`.
#[inline(always)]
pub fn sigmoid<E: Real>(from: &RowsRef<'_, E>, mut to: RowsMut<'_, E>) {
    let one = E::real(1.0);
    for (row, from) in from.iter().enumerate() {
        for (to, &x) in to.row(row).iter_mut().zip(from) {
            *to = one / (one + (E::default() - x).exponential());
        }
    }
}

/// Softmax of each group of `width` columns.
#[inline(always)]
pub fn softmax<E: Real>(from: &RowsRef<'_, E>, mut to: RowsMut<'_, E>, width: usize) {
    for (row, from) in from.iter().enumerate() {
        let groups = to.row(row).chunks_exact_mut(width);
        for (to, from) in groups.zip(from.chunks_exact(width)) {
            let lowest = E::real(f64::NEG_INFINITY);
            let top = from.iter().fold(lowest, |top, &x| x.larger(top));
            let mut total = E::default();
            for (to, &x) in to.iter_mut().zip(from) {
                *to = (x - top).exponential();
                total += *to;
            }
            for to in to {
                *to = *to / total;
            }
        }
    }
}

/// `into = gradient · output · (1 - output)`; it may be where `gradient` is.
#[inline(always)]
pub fn sigmoid_back<E: Real>(
    (output, gradient): (&RowsRef<'_, E>, &RowsRef<'_, E>),
    (mut into, write): (RowsMut<'_, E>, Write),
) {
    let one = E::real(1.0);
    let mut found = vec![E::default(); gradient.width()];
    for (row, output) in output.iter().enumerate() {
        found.copy_from_slice(gradient.row(row));
        let values = found.iter().zip(output).map(|(&g, &y)| g * y * (one - y));
        put(into.row(row), write, values);
    }
}

/// By group, `into = output · (gradient - Σ gradient · output)`; it may be where `gradient` is.
#[inline(always)]
pub fn softmax_back<E: Real>(
    (output, gradient): (&RowsRef<'_, E>, &RowsRef<'_, E>),
    (mut into, write): (RowsMut<'_, E>, Write),
    width: usize,
) {
    let mut found = vec![E::default(); gradient.width()];
    for (row, output) in output.iter().enumerate() {
        found.copy_from_slice(gradient.row(row));
        let groups = output.chunks_exact(width).zip(found.chunks_exact(width));
        let into = into.row(row).chunks_exact_mut(width);
        for (into, (output, gradient)) in into.zip(groups) {
            let mean = dot(gradient, output);
            let values = output.iter().zip(gradient);
            put(into, write, values.map(|(&y, &g)| y * (g - mean)));
        }
    }
}

/// `to = first · by + x`.
#[inline(always)]
pub fn cross<E: Real>([first, by, x]: [&RowsRef<'_, E>; 3], mut to: RowsMut<'_, E>) {
    for (row, to_rows) in x.iter().enumerate() {
        let factors = first.row(row).iter().zip(by.row(row));
        let values = factors
            .zip(to_rows)
            .map(|((&first, &by), &x)| first * by + x);
        put(to.row(row), Write::Set, values);
    }
}

/// Where the gradients of a cross layer go.
pub struct CrossGradients<'a, E> {
    /// That of x0: `gradient · by`.
    pub first: (RowsMut<'a, E>, Write),
    /// That of `by`: `gradient · first`.
    pub by: (RowsMut<'a, E>, Write),
    /// That of x, if it is elsewhere than `gradient`.
    pub x: Option<(RowsMut<'a, E>, Write)>,
}

/// From the gradient of [`cross`]'s output to those of its inputs, one after another. One of them may be where
/// that is.
#[inline(always)]
pub fn cross_back<E: Real>(
    [first, by, gradient]: [&RowsRef<'_, E>; 3],
    mut into: CrossGradients<'_, E>,
) {
    let mut found = vec![E::default(); gradient.width()];
    for (row, (first, by)) in first.iter().zip(by.iter()).enumerate() {
        found.copy_from_slice(gradient.row(row));
        let products = |of| found.iter().zip(of).map(|(&gradient, &of)| gradient * of);
        put(into.first.0.row(row), into.first.1, products(by));
        put(into.by.0.row(row), into.by.1, products(first));
        if let Some((to, write)) = &mut into.x {
            put(to.row(row), *write, found.iter().copied());
        }
    }
}

/// The sum over all rows.
#[inline(always)]
pub fn sum_rows<E: Real>(from: &RowsRef<'_, E>, (to, write): (&mut [E], Write)) {
    if write == Write::Set {
        to.fill(E::default());
    }
    for from in from.iter() {
        add(to, from);
    }
}
