//! Parameters, and their gradients.

use mtmd_schema::plan::Write;
use rayon::prelude::*;

use super::passes::Held;
use super::plan::Dense;
use crate::exec::host::product::{Matrix, Side, Way};
use crate::kernels::buffer;
use crate::kernels::real::{Real, add_rows_to};

/// Chunks up to which weights are split anew for each: to write all parts to memory and to read them again takes longer.
const FEW: usize = 2;

/// Parameters as slices, and those that are multiplied with made ready as right sides.
pub struct Weights<'a, E> {
    values: Vec<&'a [E]>,
    rights: Vec<Option<Side<'a, E>>>,
    none: Side<'a, E>,
    /// How they are multiplied.
    pub way: Way,
    /// LeakyReLU's below zero.
    pub slope: E,
}

impl<'a, E: Real> Weights<'a, E> {
    /// For the forward pass weights are right sides as their transposes, for the backward pass as they are. `chunks` of rows are multiplied
    /// with each.
    pub fn new(held: &'a Held, transposed: bool, chunks: usize) -> Self {
        let way = Way::of::<E>(held.cut.rows, held.precision);
        let few = chunks <= FEW;
        let values: Vec<&[E]> = held.parameters.iter().map(E::slice).collect();
        let mut places: Vec<Option<Dense>> = vec![None; values.len()];
        for dense in held.plan.weights() {
            if let Some(place) = places.get_mut(dense.weight) {
                *place = Some(dense);
            }
        }
        let ready = |(dense, values): (Option<Dense>, &&'a [E])| {
            let view = Matrix::new(values, dense?.input);
            let view = if transposed { view.transpose() } else { view };
            Some(match few {
                true => Side::passing(view, way),
                false => Side::right(view, way),
            })
        };
        let rights = places.into_par_iter().zip(&values).map(ready).collect();
        Self {
            values,
            rights,
            none: Side::right(Matrix::new(&[], 0), Way::of::<E>(0, held.precision)),
            way,
            slope: E::real(held.slope),
        }
    }

    /// A parameter.
    pub fn values(&self, place: usize) -> &'a [E] {
        self.values.get(place).copied().unwrap_or_default()
    }

    /// The weight of a map.
    pub fn right(&self, dense: &Dense) -> &Side<'a, E> {
        let side = self.rights.get(dense.weight).and_then(Option::as_ref);
        side.unwrap_or(&self.none)
    }
}

/// Gradients of the parameters that a unit has, by place.
pub struct Gradients<E>(pub Vec<Option<Vec<E>>>);

impl<E: Real> Gradients<E> {
    pub fn new(parameters: usize) -> Self {
        Self(vec![None; parameters])
    }

    /// The gradient of a parameter of so many elements, and whether something is in it; else what it holds has no meaning.
    pub fn slot(&mut self, place: usize, length: usize) -> (&mut [E], Write) {
        match self.0.get_mut(place) {
            Some(Some(found)) => (found, Write::Add),
            Some(empty) => (empty.insert(buffer::values(length)), Write::Set),
            None => (&mut [], Write::Set),
        }
    }

    pub fn add(&mut self, place: usize, values: &[E]) {
        self.add_rows(place, values, values.len());
    }

    /// Adds every row of `width`.
    pub fn add_rows(&mut self, place: usize, values: &[E], width: usize) {
        let (to, target) = self.slot(place, width);
        if target == Write::Set {
            to.fill(E::default());
        }
        add_rows_to(to, values);
    }

    /// The sums over units, in their order.
    pub fn total(parameters: usize, units: Vec<Self>) -> Vec<Option<Vec<E>>> {
        let mut by_place: Vec<Vec<Vec<E>>> = Vec::new();
        by_place.resize_with(parameters, Vec::new);
        for unit in units {
            for (found, place) in unit.0.into_iter().zip(&mut by_place) {
                place.extend(found);
            }
        }
        let sum = |mut found: Vec<Vec<E>>| {
            let (sum, rest) = found.split_first_mut()?;
            for values in rest {
                add_rows_to(sum, values);
                buffer::give_back(std::mem::take(values));
            }
            Some(std::mem::take(sum))
        };
        by_place.into_par_iter().map(sum).collect()
    }
}
