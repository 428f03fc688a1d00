//! Products of rows with matrices of parameters.
//!
//! A cube makes a block of [`SIDE`] rows by [`SIDE`] columns: both sides come through shared memory, [`DEPTH`] columns
//! of the input at a time, and each unit keeps [`EACH`] by [`EACH`] sums.

use cubecl::prelude::*;

use super::words::{NONE, SIDE, product};
use super::{LANES, LINES, place, work};

/// Columns of the input that are in shared memory at a time.
pub const DEPTH: usize = 16;

/// Rows and columns of a unit's sums.
pub const EACH: usize = 4;

/// Elements of a side from one column of the input to the next: not a multiple of the banks.
pub const STEP: usize = SIDE + EACH;

/// Units of a cube.
pub const UNITS: usize = LANES * LINES;

/// Elements of a side in shared memory that a unit fetches.
pub const FETCHED: usize = SIDE * DEPTH / UNITS;

/// Units side by side in a block.
pub const ACROSS: usize = SIDE / EACH;

/// `into = from Wᵀ + bias`, or with the matrix' steps exchanged `into = from W`.
#[cube(launch)]
pub fn run(
    words: &[u32],
    tiles: &[u32],
    parameters: &[f32],
    memory: &mut [f32],
    header: u32,
    stride: u32,
    #[comptime] rounded: bool,
) {
    let stride = stride as usize;
    let work = work(words, tiles, header, stride, product::WORDS);
    let mut left = Shared::<[f32]>::new_slice(STEP * DEPTH);
    let mut right = Shared::<[f32]>::new_slice(STEP * DEPTH);
    if work.any {
        let from = words[work.item + product::FROM] as usize;
        let inputs = words[work.item + product::INPUTS] as usize;
        let outputs = words[work.item + product::OUTPUTS] as usize;
        let weight = place(words[work.item + product::WEIGHT], work.own);
        let by_output = words[work.item + product::BY_OUTPUT] as usize;
        let by_input = words[work.item + product::BY_INPUT] as usize;
        let wide = words[work.item + product::WIDE] == 1u32;
        let unit = UNIT_POS as usize;
        let mut sums = Array::<f32>::new(EACH * EACH);
        #[unroll]
        for at in 0..EACH * EACH {
            sums[at] = 0.0f32;
        }
        for depth in range_stepped(0usize, inputs, DEPTH) {
            #[unroll]
            for turn in 0..FETCHED {
                let at = unit + turn * UNITS;
                // Neighbouring units fetch neighbouring elements.
                let (row, x) = (at / DEPTH, at % DEPTH);
                let mut value = 0.0f32;
                if row < work.rows && depth + x < inputs {
                    value = memory[work.memory + row * stride + from + depth + x];
                }
                left[x * STEP + row] = side(value, wide, rounded);
                let mut output = at / DEPTH;
                let mut input = at % DEPTH;
                if by_output == 1 {
                    output = at % SIDE;
                    input = at / SIDE;
                }
                let mut value = 0.0f32;
                if output < outputs && depth + input < inputs {
                    value = parameters[weight + output * by_output + (depth + input) * by_input];
                }
                right[input * STEP + output] = side(value, wide, rounded);
            }
            sync_cube();
            multiply(&left, &right, &mut sums);
            sync_cube();
        }
        let bias = words[work.item + product::BIAS];
        let add = words[work.item + product::ADD] == 1u32;
        let into = words[work.item + product::INTO] as usize;
        #[unroll]
        for line in 0..EACH {
            let row = unit / ACROSS * EACH + line;
            #[unroll]
            for column in 0..EACH {
                let output = unit % ACROSS * EACH + column;
                if row < work.rows && output < outputs {
                    let mut value = sums[line * EACH + column];
                    if bias != NONE {
                        value += parameters[place(bias, work.own) + output];
                    }
                    let at = work.memory + row * stride + into + output;
                    if add {
                        memory[at] += value;
                    } else {
                        memory[at] = value;
                    }
                }
            }
        }
    }
}

/// A factor: as it is, or rounded to bfloat16, ties to even.
#[cube]
pub fn side(value: f32, wide: bool, #[comptime] rounded: bool) -> f32 {
    let mut value = value;
    #[expect(
        clippy::collapsible_if,
        reason = "the first is known when the kernel is compiled"
    )]
    if rounded {
        if wide {
            let bits = u32::reinterpret(value);
            let even = (bits >> 16u32) & 1u32;
            value = f32::reinterpret((bits + 0x7fffu32 + even) & 0xffff_0000u32);
        }
    }
    value
}

/// Adds the products of what is in shared memory to a unit's sums.
#[cube]
pub fn multiply(left: &[f32], right: &[f32], sums: &mut Array<f32>) {
    let unit = UNIT_POS as usize;
    let first_row = unit / ACROSS * EACH;
    let first_column = unit % ACROSS * EACH;
    let mut rows = Array::<f32>::new(EACH);
    let mut columns = Array::<f32>::new(EACH);
    for x in 0..DEPTH {
        #[unroll]
        for at in 0..EACH {
            rows[at] = left[x * STEP + first_row + at];
            columns[at] = right[x * STEP + first_column + at];
        }
        #[unroll]
        for row in 0..EACH {
            #[unroll]
            for column in 0..EACH {
                sums[row * EACH + column] += rows[row] * columns[column];
            }
        }
    }
}
