//! Products of rows with matrices of parameters, a [`Block`] by each cube.

use cubecl::prelude::*;

use super::block::{Block, DEPTH, EACH, FETCHED, UNITS, Way, place_of_sum};
use super::words::{NONE, SIDE, product};
use super::{place, work};

/// Neighbouring numbers that memory gives at once. Units that fetch a sector of each of some rows put them into different banks
/// of shared memory.
const SECTOR: usize = 8;

/// Sectors that a cube fetches at once, each of another row.
const AT_ONCE: usize = UNITS / SECTOR;

/// `into = from Wᵀ + bias`, or with the matrix' steps exchanged `into = from W`.
#[cube(launch)]
pub fn run(
    words: &[u32],
    tiles: &[u32],
    parameters: &[f32],
    memory: &mut [f32],
    header: u32,
    stride: u32,
    #[comptime] way: Way,
) {
    let stride = stride as usize;
    let work = work(words, tiles, header, stride, product::WORDS);
    if work.any {
        let from = work.memory + words[work.item + product::FROM] as usize;
        let inputs = words[work.item + product::INPUTS] as usize;
        let outputs = words[work.item + product::OUTPUTS] as usize;
        let weight = place(words[work.item + product::WEIGHT], work.own);
        let by_output = words[work.item + product::BY_OUTPUT] as usize;
        let by_input = words[work.item + product::BY_INPUT] as usize;
        let unit = UNIT_POS as usize;
        let mut block = Block::new(words[work.item + product::WIDE] == 1u32, way);
        for depth in range_stepped(0usize, inputs, DEPTH) {
            #[unroll]
            for turn in 0..FETCHED {
                // What differs from turn to turn is known when the kernel is compiled.
                let line = unit / SECTOR + comptime!(turn * AT_ONCE % SIDE);
                let x = unit % SECTOR + comptime!(turn * AT_ONCE / SIDE * SECTOR);
                let mut value = 0.0f32;
                if line < work.rows && depth + x < inputs {
                    value = memory[from + line * stride + depth + x];
                }
                block.put(false, x, line, value);
                let mut output = line;
                let mut input = x;
                if by_output == 1 {
                    output = unit % SIDE;
                    input = unit / SIDE + comptime!(turn * UNITS / SIDE);
                }
                let mut value = 0.0f32;
                if output < outputs && depth + input < inputs {
                    value = parameters[weight + output * by_output + (depth + input) * by_input];
                }
                block.put(true, input, output, value);
            }
            sync_cube();
            block.multiply((inputs - depth).min(DEPTH));
            sync_cube();
        }
        block.finish();
        let bias = words[work.item + product::BIAS];
        let add = words[work.item + product::ADD] == 1u32;
        let into = work.memory + words[work.item + product::INTO] as usize;
        #[unroll]
        for at in 0..EACH * EACH {
            let (row, output) = place_of_sum(at);
            if row < work.rows && output < outputs {
                let mut value = block.sum(at);
                if bias != NONE {
                    value += parameters[place(bias, work.own) + output];
                }
                let at = into + row * stride + output;
                if add {
                    memory[at] += value;
                } else {
                    memory[at] = value;
                }
            }
        }
    }
}
