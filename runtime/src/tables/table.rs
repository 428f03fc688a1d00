//! The arrays of one table.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::hash::{Random, hash_text};
use crate::schema;
use crate::tables::TableState;
use crate::tables::clock::Clock;

/// Rows that one task of a parallel pass takes.
const PASS_ROWS: usize = 4096;

/// One table: weights and moments, row-major `[rows, dim]`.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub rows: usize,
    pub dim: usize,
    pub weight: Vec<f32>,
    pub first: Vec<f32>,
    pub second: Vec<f32>,
    /// Step at which each row was last brought up to date.
    pub last: Vec<u32>,
    /// Place of each row among the touched ones of a step; `u32::MAX` outside [`super::step`].
    pub slot: Vec<u32>,
}

impl Table {
    pub(super) fn new(declared: &schema::Table, std: f64, seed: u64) -> Self {
        let (rows, dim) = (declared.rows, declared.dim);
        let mut weight = vec![0.0; rows * dim];
        let name = hash_text(declared.name);
        weight
            .par_chunks_mut(dim.max(1))
            .enumerate()
            .skip(1)
            .for_each(|(row, weight)| {
                let mut random = Random::new(seed, &[name, row as u64]);
                for pair in weight.chunks_mut(2) {
                    let (x, y) = random.normals();
                    pair.iter_mut()
                        .zip([x, y])
                        .for_each(|(weight, draw)| *weight = (std * draw) as f32);
                }
            });
        Self::at(
            declared,
            0,
            weight,
            vec![0.0; rows * dim],
            vec![0.0; rows * dim],
        )
    }

    fn at(
        declared: &schema::Table,
        step: u32,
        weight: Vec<f32>,
        first: Vec<f32>,
        second: Vec<f32>,
    ) -> Self {
        let (rows, dim) = (declared.rows, declared.dim);
        Self {
            rows,
            dim,
            weight,
            first,
            second,
            last: vec![step; rows],
            slot: vec![u32::MAX; rows],
        }
    }

    pub(super) fn restore(
        declared: &schema::Table,
        state: &TableState,
        steps: u32,
    ) -> Result<Self> {
        let wrong = |cause: String| {
            let place = format!("tables.{}.weight", declared.name);
            Err(Error::weights(
                place,
                cause,
                "use the checkpoint of this spec, or train again",
            ))
        };
        let size = declared.rows * declared.dim;
        let arrays = [state.weight, state.first_moment, state.second_moment];
        if (state.rows, state.dim) != (declared.rows, declared.dim)
            || arrays.iter().any(|array| array.len() != size)
        {
            return wrong(format!(
                "shape [{}, {}] where the model has [{}, {}]",
                state.rows, state.dim, declared.rows, declared.dim
            ));
        }
        if arrays
            .iter()
            .any(|array| array.iter().take(declared.dim).any(|value| *value != 0.0))
        {
            return wrong("row 0 stands for missing values and must be zero".to_owned());
        }
        let [weight, first, second] = arrays.map(<[f32]>::to_vec);
        Ok(Self::at(declared, steps, weight, first, second))
    }

    pub(super) fn state(&self, name: &'static str) -> TableState<'_> {
        TableState {
            name,
            rows: self.rows,
            dim: self.dim,
            weight: &self.weight,
            first_moment: &self.first,
            second_moment: &self.second,
        }
    }

    /// Columns of a row in the arrays.
    #[inline]
    pub(super) fn span(&self, row: usize) -> std::ops::Range<usize> {
        row * self.dim..(row + 1) * self.dim
    }

    pub(super) fn flush(&mut self, clock: &Clock) {
        let (dim, now) = (self.dim.max(1), clock.now());
        let passes = self.last.par_chunks_mut(PASS_ROWS);
        let passes = passes.zip(self.weight.par_chunks_mut(PASS_ROWS * dim));
        let passes = passes.zip(self.first.par_chunks_mut(PASS_ROWS * dim));
        let passes = passes.zip(self.second.par_chunks_mut(PASS_ROWS * dim));
        passes.for_each(|(((last, weight), first), second)| {
            let rows = weight
                .chunks_mut(dim)
                .zip(first.chunks_mut(dim))
                .zip(second.chunks_mut(dim));
            for (last, ((weight, first), second)) in last.iter_mut().zip(rows) {
                if *last < now {
                    clock.catch_up(*last).apply(weight, first, second);
                    *last = now;
                }
            }
        });
    }
}
