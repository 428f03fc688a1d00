//! Columns of all rows, between their memory and arrays of their own.

use cubecl::prelude::*;

use super::words::transfer;
use super::{LANES, LINES, work};

/// From an array to the rows' memory.
#[cube(launch)]
pub fn load(
    words: &[u32],
    tiles: &[u32],
    array: &[f32],
    memory: &mut [f32],
    header: u32,
    stride: u32,
) {
    let stride = stride as usize;
    let work = work(words, tiles, header, stride, transfer::WORDS);
    if work.any {
        let column = words[work.item + transfer::COLUMN] as usize;
        let width = words[work.item + transfer::WIDTH] as usize;
        let start = tiles[work.tile + words[work.item + transfer::START] as usize] as usize;
        for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
            for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
                memory[work.memory + row * stride + column + x] = array[start + row * width + x];
            }
        }
    }
}

/// From the rows' memory to an array.
#[cube(launch)]
pub fn store(
    words: &[u32],
    tiles: &[u32],
    array: &mut [f32],
    memory: &[f32],
    header: u32,
    stride: u32,
) {
    let stride = stride as usize;
    let work = work(words, tiles, header, stride, transfer::WORDS);
    if work.any {
        let column = words[work.item + transfer::COLUMN] as usize;
        let width = words[work.item + transfer::WIDTH] as usize;
        let start = tiles[work.tile + words[work.item + transfer::START] as usize] as usize;
        for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
            for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
                array[start + row * width + x] = memory[work.memory + row * stride + column + x];
            }
        }
    }
}
