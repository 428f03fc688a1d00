//! How much a step does: what a prediction of its time is made from.

use super::kernels::words::product;
use super::piece::{Kind, Piece, PieceWork};
use crate::bug::bug;

/// What the operations of a program do to one row, forward and backward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowWork {
    /// Numbers of the row's memory that are read and written. What one launch reads several times counts once: it is
    /// taken to come from a cache.
    pub numbers: usize,
    /// Multiplications, each with an addition, of matrix products.
    pub multiplications: usize,
}

impl RowWork {
    /// Of some pieces.
    pub fn of(pieces: &[Piece]) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            let touched = piece.reads.iter().chain(&piece.writes);
            all.numbers += touched.map(ExactSizeIterator::len).sum::<usize>();
            all.multiplications += match &piece.work {
                PieceWork::Rows(Kind::Product, items) => items.iter().map(|item| block(item)).sum(),
                PieceWork::Rows(..) => 0,
                PieceWork::Weight(of) => of.maps.batch * of.maps.inputs * of.maps.outputs,
            };
        }
        all
    }

    /// One number for it: what takes longer by far on a GPU of today, of a product of usual width.
    pub fn weight(self) -> usize {
        self.multiplications.max(self.numbers)
    }

    /// That of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            numbers: self.numbers + other.numbers,
            multiplications: self.multiplications + other.multiplications,
        }
    }

    /// That of so many rows.
    pub fn times(self, rows: usize) -> Self {
        Self {
            numbers: self.numbers * rows,
            multiplications: self.multiplications * rows,
        }
    }
}

/// Multiplications of an item of a product, for one row.
fn block(item: &[u32]) -> usize {
    let word = |at: usize| match item.get(at) {
        Some(word) => *word as usize,
        None => bug!("word {at} of an item of {}", item.len()),
    };
    word(product::INPUTS) * word(product::OUTPUTS)
}
