//! Replaces the tiles on systems where no processor has them. Nothing here is called; a call stops as a bug.

use mtmd_schema::plan::Write;

use super::MatrixMut;
use crate::bug::bug;
use crate::schema::Precision;

/// Parts of a matrix; never constructed.
#[derive(Debug)]
pub struct Tiles(());

impl Tiles {
    pub fn new(_: Precision) -> Self {
        never()
    }

    pub fn rows(&mut self, _: &[f32], _: usize, _: (usize, usize), _: bool) {
        never()
    }

    pub fn columns(&mut self, _: &[f32], _: usize, _: (usize, usize), _: bool) {
        never()
    }

    pub fn precision(&self) -> Precision {
        never()
    }
}

/// Whether the processor has AMX: always false here.
pub fn available() -> bool {
    false
}

pub fn multiply(_: &Tiles, _: &Tiles, _: MatrixMut<'_, f32>, _: usize, _: Write) {
    never()
}

pub fn multiply_columns(
    _: &Tiles,
    _: &Tiles,
    _: Ahead,
    _: &mut MatrixMut<'_, f32>,
    _: (usize, usize),
    _: Write,
) {
    never()
}

/// Columns that are split at a time.
pub const BLOCK: usize = 32;

/// Memory to be asked for: there is none.
#[derive(Debug, Clone, Copy)]
pub struct Ahead(());

impl Ahead {
    pub fn whole(_: &[f32]) -> Self {
        never()
    }

    pub fn strided(_: &[f32], _: usize, _: usize) -> Self {
        never()
    }
}

fn never<T>() -> T {
    bug!("a product by AMX on a system without it")
}
