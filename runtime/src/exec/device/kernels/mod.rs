//! The kernels.
//!
//! Every kernel runs on one group of rows and one item of work at a time, in cubes of [`LANES`] by [`LINES`] units.
//! What it is to do comes from tables in device memory ([`words`]), so one launch does the work of any number of
//! operations of any number of programs.
//!
//! An index outside an array, which only a bug in a table could cause, is caught by wgpu and by the emulated CUDA of
//! `python -m bench.emulated`. On a GPU nothing checks it: cubecl 0.11 writes no check of a slice's index into CUDA C++, though
//! launches are `launch` and not `launch_unchecked`.

#![expect(clippy::indexing_slicing, reason = "kernels index arrays")]

pub mod activate;
pub mod block;
#[cfg(test)]
#[cfg(feature = "cuda")]
pub mod cuda;
pub mod gather;
pub mod heads;
pub mod light;
pub mod moments;
pub mod product;
pub mod sums;
#[cfg(test)]
#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod tests;
pub mod transfer;
pub mod weight;
pub mod words;

use cubecl::prelude::*;

use words::{OWN, tile};

/// Units of a cube that work on neighbouring columns.
pub const LANES: usize = 32;

/// Units of a cube that work on neighbouring rows.
pub const LINES: usize = 8;

/// The units of a cube.
pub fn cube_dim() -> CubeDim {
    CubeDim::new_2d(LANES as u32, LINES as u32)
}

/// What a cube works on.
#[derive(CubeType, Clone, Copy)]
pub struct Work {
    /// Where its item is among the words.
    pub item: usize,
    /// Whether it has one, and rows.
    pub any: bool,
    /// Number of rows.
    pub rows: usize,
    /// Where its first row is in the memory.
    pub memory: usize,
    /// Where its tile is among the tiles' words.
    pub tile: usize,
    /// Where the block of its domain's parameters starts.
    pub own: u32,
}

/// The work of a cube whose x is a tile and whose y is an item of the tile's program. `header` is where the words say
/// which of the launch's items are each program's.
#[cube]
pub fn work(
    words: &[u32],
    tiles: &[u32],
    header: u32,
    stride: usize,
    #[comptime] item_words: usize,
) -> Work {
    let at = CUBE_POS_X as usize * tile::WORDS;
    let rows = tiles[at + tile::ROWS] as usize;
    let head = header as usize + 2 * tiles[at + tile::PROGRAM] as usize;
    Work {
        item: words[head] as usize + CUBE_POS_Y as usize * item_words,
        any: rows > 0 && CUBE_POS_Y < words[head + 1],
        rows,
        memory: tiles[at + tile::ROW] as usize * stride,
        tile: at,
        own: tiles[at + tile::OWN_BLOCK],
    }
}

/// Where an address is in the flat array.
#[cube]
pub fn place(address: u32, own: u32) -> usize {
    let mut at = address;
    if address >= OWN {
        at = address - OWN + own;
    }
    at as usize
}

/// The sum of the values of a line's units, which all of them get.
#[cube]
pub fn over_lanes(shared: &mut [f32], value: f32) -> f32 {
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    #[unroll]
    for level in 0..5u32 {
        let step = comptime!(16u32 >> level);
        if UNIT_POS_X < step {
            let other = shared[unit + step as usize];
            shared[unit] += other;
        }
        sync_cube();
    }
    let sum = shared[UNIT_POS_Y as usize * LANES];
    sync_cube();
    sum
}

/// The sum of the values of a cube's units, which all of them get.
#[cube]
pub fn over_cube(shared: &mut [f32], value: f32) -> f32 {
    let by_line = over_lanes(shared, value);
    if UNIT_POS_X == 0 {
        shared[UNIT_POS_Y as usize] = by_line;
    }
    sync_cube();
    let mut sum = shared[0];
    for line in range_stepped(1usize, LINES, 1usize) {
        sum += shared[line];
    }
    sync_cube();
    sum
}

/// `x` where `x >= 0`, else `slope · x`.
#[cube]
pub fn leaky(x: f32, slope: f32) -> f32 {
    if x >= 0.0f32 { x } else { x * slope }
}

/// From the gradient of [`leaky`]'s output to that of its input. At 0 the derivative is the slope, as in PyTorch.
#[cube]
pub fn leaky_back(gradient: f32, x: f32, slope: f32) -> f32 {
    if x > 0.0f32 {
        gradient
    } else {
        gradient * slope
    }
}
