//! In place of the tiles, where there are none.

use super::Target;

/// Nothing.
#[derive(Debug)]
pub struct Tiles;

impl Tiles {
    pub fn rows(_: &[f32], _: usize, _: (usize, usize), _: bool) -> Self {
        Self
    }
    pub fn columns(_: &[f32], _: usize, _: (usize, usize), _: bool) -> Self {
        Self
    }
}

/// Never.
pub fn available() -> bool {
    false
}

/// Not called.
pub fn multiply(_: &Tiles, _: &Tiles, _: &mut [f32], _: (usize, usize), _: Target) {}
