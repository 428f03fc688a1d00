//! In place of the tiles, where no processor has them: types without values, so that nothing here can run.

use mtmd_schema::plan::Write;

use super::MatrixMut;
use crate::bug::bug;
use crate::exec::Precision;

/// Parts of a matrix: there are none.
#[derive(Debug)]
pub enum Tiles {}

impl Tiles {
    pub fn new(_: Precision) -> Self {
        bug!("a product by AMX on a system without it")
    }

    pub fn rows(&mut self, _: &[f32], _: usize, _: (usize, usize), _: bool) {
        match *self {}
    }

    pub fn columns(&mut self, _: &[f32], _: usize, _: (usize, usize), _: bool) {
        match *self {}
    }

    pub fn precision(&self) -> Precision {
        match *self {}
    }
}

/// Whether there is AMX: never.
pub fn available() -> bool {
    false
}

pub fn multiply(left: &Tiles, _: &Tiles, _: MatrixMut<'_, f32>, _: usize, _: Write) {
    match *left {}
}

pub fn multiply_columns(
    left: &Tiles,
    _: &Tiles,
    _: Ahead,
    _: &mut MatrixMut<'_, f32>,
    _: (usize, usize),
    _: Write,
) {
    match *left {}
}

/// Columns that are split at a time.
pub const BLOCK: usize = 32;

/// Memory to be asked for: there is none.
#[derive(Debug, Clone, Copy)]
pub enum Ahead {}

impl Ahead {
    pub fn whole(_: &[f32]) -> Self {
        bug!("a product by AMX on a system without it")
    }

    pub fn strided(_: &[f32], _: usize, _: usize) -> Self {
        bug!("a product by AMX on a system without it")
    }
}
