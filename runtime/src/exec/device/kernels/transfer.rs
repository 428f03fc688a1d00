//! Columns of all rows, between their memory and an array of their own.

use cubecl::prelude::*;

use super::words::transfer;
use super::{LANES, LINES, work};

/// From the array to the rows' memory, or back.
#[cube(launch)]
pub fn run(
    words: &[u32],
    tiles: &[u32],
    array: &mut [f32],
    memory: &mut [f32],
    header: u32,
    stride: u32,
    #[comptime] into_memory: bool,
) {
    let stride = stride as usize;
    let work = work(words, tiles, header, stride, transfer::WORDS);
    if work.any {
        let column = words[work.item + transfer::COLUMN] as usize;
        let width = words[work.item + transfer::WIDTH] as usize;
        let start = tiles[work.tile + words[work.item + transfer::START] as usize] as usize;
        for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
            for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
                let in_memory = work.memory + row * stride + column + x;
                let in_array = start + row * width + x;
                if into_memory {
                    memory[in_memory] = array[in_array];
                } else {
                    array[in_array] = memory[in_memory];
                }
            }
        }
    }
}
