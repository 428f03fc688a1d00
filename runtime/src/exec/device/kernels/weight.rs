//! Gradients of matrices of parameters: products over rows.
//!
//! A cube makes a [`Block`] of outputs by inputs from some of the rows. Where a block has more rows than one cube takes, each of
//! its chunks goes to memory, and [`join`] adds them up in their order.

use cubecl::prelude::*;

use super::block::{Block, DEPTH, EACH, FETCHED, UNITS, Way, place_of_sum};
use super::words::{SIDE, domain, weight};

/// Elements of a block.
const BLOCK: usize = SIDE * SIDE;

/// How the rows of a launch's blocks are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunks {
    /// Rows of a chunk.
    pub rows: usize,
    /// Chunks of the blocks that have most.
    pub count: usize,
}

impl Chunks {
    /// Fewer rows are not worth a way through memory.
    const LEAST_ROWS: usize = 512;
    /// Cubes that keep the largest GPUs busy; more blocks are not split.
    const CUBES: usize = 2048;

    /// Of a number of blocks, none of which has more rows.
    pub fn of(blocks: usize, rows: usize) -> Self {
        let most = (Self::CUBES / blocks.max(1)).max(1);
        let rows_of_one = rows.div_ceil(most).max(Self::LEAST_ROWS);
        Self {
            rows: rows_of_one,
            count: rows.div_ceil(rows_of_one).max(1),
        }
    }

    /// Numbers of the chunks of all blocks in memory.
    pub fn numbers(self, blocks: usize) -> usize {
        match self.count {
            1 => 0,
            count => count * blocks * BLOCK,
        }
    }
}

/// `dW = dYᵀ X`, summed over the rows of all sources; of a block with more rows than a chunk, the chunks to `partial`.
#[cube(launch)]
pub fn run(
    words: &[u32],
    domains: &[u32],
    memory: &[f32],
    gradient: &mut [f32],
    partial: &mut [f32],
    first_item: u32,
    items: u32,
    chunks: u32,
    chunk_rows: u32,
    stride: u32,
    #[comptime] way: Way,
) {
    let (stride, items) = (stride as usize, items as usize);
    let chunk_rows = chunk_rows as usize;
    // A cube beyond the last chunk reads the first item's words, and no rows.
    let any = CUBE_POS < items * chunks as usize;
    let mut item = first_item as usize;
    let mut from = 0usize;
    let mut rows = 0usize;
    let mut sources = 0usize;
    if any {
        item += CUBE_POS % items * weight::WORDS;
        from = CUBE_POS / items * chunk_rows;
        rows = rows_of(words, domains, item);
        sources = words[item + weight::SOURCES] as usize;
    }
    let outputs = words[item + weight::OUTPUTS] as usize;
    let inputs = words[item + weight::INPUTS] as usize;
    let first = words[item + weight::SOURCE] as usize;
    let unit = UNIT_POS as usize;
    let mut block = Block::new(words[item + weight::WIDE] == 1u32, way);
    // Rows of the sources before.
    let mut before = 0usize;
    for source in 0..sources {
        let at = first + source * weight::SOURCE_WORDS;
        let rows_of = words[at + weight::DOMAIN] as usize * domain::WORDS;
        let row = domains[rows_of + domain::ROW] as usize;
        let here = domains[rows_of + domain::ROWS] as usize;
        let of_output = words[at + weight::GRADIENT] as usize;
        let of_input = words[at + weight::INPUT] as usize;
        let start = from.clamp(before, before + here) - before;
        let end = (from + chunk_rows).clamp(before, before + here) - before;
        before += here;
        for depth in range_stepped(start, end, DEPTH) {
            #[unroll]
            for turn in 0..FETCHED {
                let line = unit / SIDE + comptime!(turn * UNITS / SIDE);
                let x = unit % SIDE;
                let base = (row + depth + line) * stride;
                let mut by_output = 0.0f32;
                let mut by_input = 0.0f32;
                if depth + line < end {
                    if x < outputs {
                        by_output = memory[base + of_output + x];
                    }
                    if x < inputs {
                        by_input = memory[base + of_input + x];
                    }
                }
                block.put(false, line, x, by_output);
                block.put(true, line, x, by_input);
            }
            sync_cube();
            block.multiply((end - depth).min(DEPTH));
            sync_cube();
        }
    }
    block.finish();
    let split = rows > chunk_rows;
    let writes = any && (from == 0 || from < rows);
    let kept = CUBE_POS * BLOCK;
    #[unroll]
    for at in 0..EACH * EACH {
        let (output, input) = place_of_sum(at);
        if writes && output < outputs && input < inputs {
            if split {
                partial[kept + output * SIDE + input] = block.sum(at);
            } else {
                write(words, gradient, item, output, input, block.sum(at));
            }
        }
    }
}

/// Adds up the chunks of each block that is split.
#[cube(launch)]
pub fn join(
    words: &[u32],
    domains: &[u32],
    partial: &[f32],
    gradient: &mut [f32],
    first_item: u32,
    items: u32,
    chunk_rows: u32,
) {
    let (items, chunk_rows) = (items as usize, chunk_rows as usize);
    if CUBE_POS < items {
        let item = first_item as usize + CUBE_POS * weight::WORDS;
        let rows = rows_of(words, domains, item);
        if rows > chunk_rows {
            let outputs = words[item + weight::OUTPUTS] as usize;
            let inputs = words[item + weight::INPUTS] as usize;
            for at in range_stepped(UNIT_POS as usize, BLOCK, UNITS) {
                let (output, input) = (at / SIDE, at % SIDE);
                if output < outputs && input < inputs {
                    let mut sum = 0.0f32;
                    for chunk in 0..rows.div_ceil(chunk_rows) {
                        sum += partial[(chunk * items + CUBE_POS) * BLOCK + at];
                    }
                    write(words, gradient, item, output, input, sum);
                }
            }
        }
    }
}

/// Rows of all sources of an item.
#[cube]
fn rows_of(words: &[u32], domains: &[u32], item: usize) -> usize {
    let first = words[item + weight::SOURCE] as usize;
    let mut rows = 0usize;
    for source in 0..words[item + weight::SOURCES] as usize {
        let of = words[first + source * weight::SOURCE_WORDS + weight::DOMAIN] as usize;
        rows += domains[of * domain::WORDS + domain::ROWS] as usize;
    }
    rows
}

/// Writes an element of an item's block, or adds to it.
#[cube]
fn write(
    words: &[u32],
    gradient: &mut [f32],
    item: usize,
    output: usize,
    input: usize,
    value: f32,
) {
    let at = words[item + weight::AT] as usize
        + output * words[item + weight::BY_OUTPUT] as usize
        + input;
    if words[item + weight::ADD] == 1u32 {
        gradient[at] += value;
    } else {
        gradient[at] = value;
    }
}
