//! Parts of a row: their means, and the parts scaled and put together.

#![expect(
    clippy::indexing_slicing,
    reason = "a weight by part, and parts within their row: widths are verified"
)]

use mtmd_schema::plan::Write;

use super::memory::{RowsMut, RowsRef};
use super::pointwise::put;
use super::real::{Real, add_scaled, dot, set_scaled, sum};

/// The mean of each part, a column each.
#[inline(always)]
pub fn means<E: Real>(parts: &[RowsRef<'_, E>], mut to: RowsMut<'_, E>, rows: usize) {
    for row in 0..rows {
        for (to, part) in to.row(row).iter_mut().zip(parts) {
            *to = sum(part.row(row)) * E::real(1.0 / part.width() as f64);
        }
    }
}

/// From the gradient of the means to those of the parts.
#[inline(always)]
pub fn means_back<E: Real>(
    gradient: &RowsRef<'_, E>,
    into: &mut [Option<(RowsMut<'_, E>, Write)>],
) {
    for (row, gradient) in gradient.iter().enumerate() {
        for (into, &gradient) in into.iter_mut().zip(gradient) {
            let Some((into, write)) = into else { continue };
            let share = gradient * E::real(1.0 / into.width() as f64);
            put(into.row(row), *write, std::iter::repeat(share));
        }
    }
}

/// The parts, each times its weight in the row, side by side or summed.
#[inline(always)]
pub fn mix<E: Real>(
    parts: &[RowsRef<'_, E>],
    by: Option<&RowsRef<'_, E>>,
    summed: bool,
    mut to: RowsMut<'_, E>,
    rows: usize,
) {
    for row in 0..rows {
        let (to, by) = (to.row(row), by.map(|by| by.row(row)));
        let mut start = 0;
        for (part, from) in parts.iter().enumerate() {
            let weight = by.map_or(E::real(1.0), |by| by[part]);
            let from = from.row(row);
            match (summed, part) {
                (true, 0) => set_scaled(to, weight, from),
                (true, _) => add_scaled(to, weight, from),
                (false, _) => set_scaled(&mut to[start..start + from.len()], weight, from),
            }
            start += from.len();
        }
    }
}

/// Parts and weights of a [`mix`], and their gradients.
pub struct MixBack<'a, E> {
    /// The parts, where the gradient of the weights is wanted.
    pub parts: Vec<RowsRef<'a, E>>,
    /// The weights, if there are any.
    pub by: Option<RowsRef<'a, E>>,
    /// Whether the parts are summed.
    pub summed: bool,
    /// Gradients of the parts.
    pub into: Vec<Option<(RowsMut<'a, E>, Write)>>,
    /// Gradient of the weights.
    pub into_by: Option<(RowsMut<'a, E>, Write)>,
    /// Columns of each part.
    pub widths: Vec<usize>,
}

/// From the gradient of a [`mix`]'s output to those of its parts and weights.
#[inline(always)]
pub fn mix_back<E: Real>(gradient: &RowsRef<'_, E>, mut back: MixBack<'_, E>) {
    for (row, gradient) in gradient.iter().enumerate() {
        let by = back.by.as_ref().map(|by| by.row(row));
        let mut start = 0;
        for (part, &width) in back.widths.iter().enumerate() {
            let gradient = match back.summed {
                true => gradient,
                false => &gradient[start..start + width],
            };
            start += width;
            if let Some((into_by, write)) = &mut back.into_by {
                let found = dot(gradient, back.parts[part].row(row));
                put(
                    &mut into_by.row(row)[part..=part],
                    *write,
                    std::iter::once(found),
                );
            }
            if let Some((into, write)) = &mut back.into[part] {
                let weight = by.map_or(E::real(1.0), |by| by[part]);
                match write {
                    Write::Set => set_scaled(into.row(row), weight, gradient),
                    Write::Add => add_scaled(into.row(row), weight, gradient),
                }
            }
        }
    }
}
