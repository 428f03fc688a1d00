//! In place of the tiles, where there are none.

use super::Target;

/// Nothing.
#[derive(Debug, Default)]
pub struct Tiles;

impl Tiles {
    pub fn rows(&mut self, _: &[f32], _: usize, _: (usize, usize), _: bool) {}
    pub fn columns(&mut self, _: &[f32], _: usize, _: (usize, usize), _: bool) {}
}

/// Never.
pub fn available() -> bool {
    false
}

/// Not called.
pub fn multiply(_: &Tiles, _: &Tiles, _: &mut [f32], _: (usize, usize), _: Target) {}
