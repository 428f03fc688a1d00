//! Gradients that are sums over rows: what each tile has summed, put together.

use cubecl::prelude::*;

use super::words::{domain, sum};

/// A unit for each element; tiles one after another, so the order of a sum is fixed.
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
    let item = first_item as usize + CUBE_POS * sum::WORDS;
    let unit = UNIT_POS as usize;
    if CUBE_POS < items as usize && unit < words[item + sum::WIDTH] as usize {
        let first = words[item + sum::SOURCE] as usize;
        let mut total = 0.0f32;
        for source in 0..words[item + sum::SOURCES] as usize {
            let at = first + source * sum::SOURCE_WORDS;
            let tiles_of = words[at + sum::DOMAIN] as usize * domain::WORDS;
            let column = words[at + sum::COLUMN] as usize + unit;
            let tile = domains[tiles_of + domain::TILE] as usize;
            for next in 0..domains[tiles_of + domain::TILES] as usize {
                total += sums[(tile + next) * sum_columns + column];
            }
        }
        gradient[words[item + sum::AT] as usize + unit] = total;
    }
}
