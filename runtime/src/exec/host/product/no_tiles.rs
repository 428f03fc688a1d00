//! In place of the tiles, where there are none.

use mtmd_schema::plan::Write;

use super::MatrixMut;
use crate::exec::Precision;

/// Nothing.
#[derive(Debug)]
pub struct Tiles;

impl Tiles {
    pub fn new(_: Precision) -> Self {
        Self
    }

    pub fn rows(&mut self, _: &[f32], _: usize, _: (usize, usize), _: bool) {}

    pub fn columns(&mut self, _: &[f32], _: usize, _: (usize, usize), _: bool) {}

    pub fn precision(&self) -> Precision {
        Precision::default()
    }
}

/// Never.
pub fn available() -> bool {
    false
}

/// Not called.
pub fn multiply(_: &Tiles, _: &Tiles, _: MatrixMut<'_, f32>, _: usize, _: Write) {}

/// Not called.
pub fn multiply_columns(
    _: &Tiles,
    _: &Tiles,
    _: Ahead,
    _: &mut MatrixMut<'_, f32>,
    _: (usize, usize),
    _: Write,
) {
}

/// Columns that nothing is done to at a time.
pub const BLOCK: usize = 32;

/// Nothing to ask for.
#[derive(Debug, Clone, Copy)]
pub struct Ahead;

impl Ahead {
    pub fn whole(_: &[f32]) -> Self {
        Self
    }
    pub fn strided(_: &[f32], _: usize, _: usize) -> Self {
        Self
    }
}
