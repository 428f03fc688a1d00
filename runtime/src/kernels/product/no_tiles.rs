//! In place of the tiles, where there are none.

use super::Target;
use crate::kernels::precision::Precision;

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
pub fn multiply(_: &Tiles, _: &Tiles, _: &mut [f32], _: (usize, usize), _: Target) {}

/// Not called.
pub fn multiply_columns(
    _: &Tiles,
    _: &Tiles,
    _: Ahead,
    _: &mut [f32],
    _: (usize, usize, usize),
    _: Target,
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
