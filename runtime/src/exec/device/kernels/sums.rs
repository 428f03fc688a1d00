//! Gradients that are sums over rows: what each tile has summed, put together.

use cubecl::prelude::*;

use super::words::{domain, sum};
use super::{LANES, LINES};

/// A column of units for each element: each of its units adds up every [`LINES`]th tile, and the first one adds what they
/// have found. So the order of a sum is fixed.
#[cube(launch)]
pub fn run(
    words: &[u32],
    domains: &[u32],
    sums: &[f32],
    gradient: &mut [f32],
    first_item: u32,
    items: u32,
    sum_columns: u32,
) {
    let sum_columns = sum_columns as usize;
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    let item = first_item as usize + CUBE_POS * sum::WORDS;
    let (column, line) = (UNIT_POS_X as usize, UNIT_POS_Y as usize);
    let mut width = 0usize;
    if CUBE_POS < items as usize {
        width = words[item + sum::WIDTH] as usize;
    }
    let mut total = 0.0f32;
    if column < width {
        let first = words[item + sum::SOURCE] as usize;
        for source in 0..words[item + sum::SOURCES] as usize {
            let at = first + source * sum::SOURCE_WORDS;
            let tiles_of = words[at + sum::DOMAIN] as usize * domain::WORDS;
            let column = words[at + sum::COLUMN] as usize + column;
            let tile = domains[tiles_of + domain::TILE] as usize;
            let tiles = domains[tiles_of + domain::TILES] as usize;
            for next in range_stepped(line, tiles, LINES) {
                total += sums[(tile + next) * sum_columns + column];
            }
        }
    }
    shared[line * LANES + column] = total;
    sync_cube();
    if line == 0 && column < width {
        let mut all = total;
        for other in range_stepped(1usize, LINES, 1usize) {
            all += shared[other * LANES + column];
        }
        gradient[words[item + sum::AT] as usize + column] = all;
    }
}
