//! The rows that stacks read, and the gradients that they send back.

use std::ops::Range;

use rayon::prelude::*;

use super::columns;
use super::passes::Held;
use super::plan::Source;
use crate::exec::host::product::{Matrix, Side};
use crate::kernels::real::{Real, add_rows_to, dims};

/// The rows that stacks read.
pub enum SourceRows<'a, E> {
    /// All of an input.
    Whole { values: &'a [E], width: usize },
    /// Some columns of an input, by chunk.
    Picked { chunks: Vec<Vec<E>>, width: usize },
}

/// Every source's chunks as sides of products.
pub fn sides<'a, E: Real>(
    sources: &'a [SourceRows<'_, E>],
    chunks: &[(usize, Range<usize>)],
    side: impl Fn(Matrix<'a, E>) -> Side<'a, E> + Sync,
) -> Vec<Vec<Side<'a, E>>> {
    let of = |source: &'a SourceRows<'_, E>| {
        let ready = |(at, chunk): &(usize, Range<usize>)| {
            let view = match source {
                SourceRows::Whole { values, width } => {
                    let rows = values.get(chunk.start * width..chunk.end * width);
                    Matrix::new(rows.unwrap_or_default(), *width)
                }
                SourceRows::Picked { chunks, width } => {
                    Matrix::new(chunks.get(*at).map_or(&[][..], Vec::as_slice), *width)
                }
            };
            side(view)
        };
        chunks.par_iter().map(ready).collect()
    };
    sources.iter().map(of).collect()
}

impl Source {
    /// Adds the gradient of the rows of this source to that of its input, `[rows, width]`.
    pub fn add_back<E: Real>(&self, to: &mut [E], width: usize, from: &[E]) {
        match &self.columns {
            None => add_rows_to(to, from),
            Some(columns) => columns::add_picked(to, width, columns, from),
        }
    }
}

impl Held {
    /// The rows of every source.
    pub fn sources<E: Real>(&self, chunks: &[(usize, Range<usize>)]) -> Vec<SourceRows<'_, E>> {
        let sources = self.plan.sources.iter().filter_map(|source| {
            let input = self.input(source.input)?;
            let (_, width) = dims(input);
            let values = E::slice(input);
            Some(match &source.columns {
                None => SourceRows::Whole { values, width },
                Some(columns) => {
                    let picked = columns.iter().map(Range::len).sum();
                    let gather = |(_, chunk): &(usize, Range<usize>)| {
                        let rows = values
                            .get(chunk.start * width..chunk.end * width)
                            .unwrap_or_default();
                        columns::picked(rows, width, columns)
                    };
                    SourceRows::Picked {
                        chunks: chunks.iter().map(gather).collect(),
                        width: picked,
                    }
                }
            })
        });
        sources.collect()
    }
}
