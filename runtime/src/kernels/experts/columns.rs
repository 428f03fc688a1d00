//! Some columns of a matrix.

use std::ops::Range;

use crate::kernels::real::{Real, add};

/// These columns of every row, side by side.
pub fn picked<E: Real>(rows: &[E], width: usize, columns: &[Range<usize>]) -> Vec<E> {
    let rows = rows.chunks_exact(width.max(1));
    let row = |row: &'_ [E]| -> Vec<E> {
        let parts = columns
            .iter()
            .filter_map(|columns| row.get(columns.clone()));
        parts.flatten().copied().collect()
    };
    rows.flat_map(row).collect()
}

/// Adds rows that have these columns side by side to the columns of `to`.
pub fn add_picked<E: Real>(to: &mut [E], width: usize, columns: &[Range<usize>], from: &[E]) {
    let picked: usize = columns.iter().map(Range::len).sum();
    let rows = to.chunks_exact_mut(width.max(1));
    for (to, mut from) in rows.zip(from.chunks_exact(picked.max(1))) {
        for columns in columns {
            let (part, rest) = from.split_at(columns.len().min(from.len()));
            add(to.get_mut(columns.clone()).unwrap_or_default(), part);
            from = rest;
        }
    }
}
