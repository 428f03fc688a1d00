//! Gradients of matrices of parameters: products over rows.

use cubecl::prelude::*;

use super::product::{ACROSS, DEPTH, EACH, FETCHED, STEP, UNITS, multiply, side};
use super::words::{SIDE, domain, weight};

/// `dW = dYᵀ X`, summed over the rows of all sources. A cube makes a block of [`SIDE`] outputs by [`SIDE`] inputs.
#[cube(launch)]
pub fn run(
    words: &[u32],
    domains: &[u32],
    memory: &[f32],
    gradient: &mut [f32],
    first_item: u32,
    items: u32,
    stride: u32,
    #[comptime] rounded: bool,
) {
    let stride = stride as usize;
    // A cube beyond the last item has none: it reads the first one's words, and no sources.
    let mut item = first_item as usize;
    let mut left = Shared::<[f32]>::new_slice(STEP * DEPTH);
    let mut right = Shared::<[f32]>::new_slice(STEP * DEPTH);
    let mut outputs = 0usize;
    let mut sources = 0usize;
    if CUBE_POS < items as usize {
        item += CUBE_POS * weight::WORDS;
        outputs = words[item + weight::OUTPUTS] as usize;
        sources = words[item + weight::SOURCES] as usize;
    }
    let inputs = words[item + weight::INPUTS] as usize;
    let wide = words[item + weight::WIDE] == 1u32;
    let unit = UNIT_POS as usize;
    let mut sums = Array::<f32>::new(EACH * EACH);
    #[unroll]
    for at in 0..EACH * EACH {
        sums[at] = 0.0f32;
    }
    let first = words[item + weight::SOURCE] as usize;
    for source in 0..sources {
        let at = first + source * weight::SOURCE_WORDS;
        let rows_of = words[at + weight::DOMAIN] as usize * domain::WORDS;
        let row = domains[rows_of + domain::ROW] as usize;
        let rows = domains[rows_of + domain::ROWS] as usize;
        let of_output = words[at + weight::GRADIENT] as usize;
        let of_input = words[at + weight::INPUT] as usize;
        for depth in range_stepped(0usize, rows, DEPTH) {
            #[unroll]
            for turn in 0..FETCHED {
                let at = unit + turn * UNITS;
                let (line, x) = (at / SIDE, at % SIDE);
                let base = (row + depth + line) * stride;
                let mut by_output = 0.0f32;
                let mut by_input = 0.0f32;
                if depth + line < rows {
                    if x < outputs {
                        by_output = memory[base + of_output + x];
                    }
                    if x < inputs {
                        by_input = memory[base + of_input + x];
                    }
                }
                left[line * STEP + x] = side(by_output, wide, rounded);
                right[line * STEP + x] = side(by_input, wide, rounded);
            }
            sync_cube();
            multiply(&left, &right, &mut sums);
            sync_cube();
        }
    }
    let add = words[item + weight::ADD] == 1u32;
    #[unroll]
    for line in 0..EACH {
        let output = unit / ACROSS * EACH + line;
        #[unroll]
        for column in 0..EACH {
            let input = unit % ACROSS * EACH + column;
            if output < outputs && input < inputs {
                let at = words[item + weight::AT] as usize
                    + output * words[item + weight::BY_OUTPUT] as usize
                    + input;
                let value = sums[line * EACH + column];
                if add {
                    gradient[at] += value;
                } else {
                    gradient[at] = value;
                }
            }
        }
    }
}
