//! What BatchNorm normalises by: means and variances of columns over a domain's rows, and the running ones.
//!
//! Each tile finds the mean of its rows and the sum of their squared distances from it; the tiles of a domain are put
//! together one after another by the formula of Chan, Golub and LeVeque, in which no large numbers cancel.

use cubecl::prelude::*;

use super::words::{domain, moment, tile};
use super::{LANES, LINES, work};

/// Of the columns of a tile; a unit for each. `counts` says how many rows of the batch each row stands for.
#[cube(launch)]
pub fn of_tiles(
    words: &[u32],
    tiles: &[u32],
    counts: &[u32],
    memory: &[f32],
    found: &mut [f32],
    header: u32,
    stride: u32,
    columns: u32,
) {
    let stride = stride as usize;
    let work = work(words, tiles, header, stride, moment::WORDS);
    if work.any {
        let from = work.memory + words[work.item + moment::COLUMN] as usize;
        let width = words[work.item + moment::WIDTH] as usize;
        let into =
            CUBE_POS_X as usize * columns as usize + words[work.item + moment::INTO] as usize;
        let first = tiles[work.tile + tile::ROW] as usize;
        let all = f32::cast_from(tiles[work.tile + tile::COUNT]);
        for x in range_stepped(UNIT_POS as usize, width, LANES * LINES) {
            let mut sum = 0.0f32;
            for row in 0..work.rows {
                sum += f32::cast_from(counts[first + row]) * memory[from + row * stride + x];
            }
            let mean = sum / all;
            let mut squares = 0.0f32;
            for row in 0..work.rows {
                let apart = memory[from + row * stride + x] - mean;
                squares += f32::cast_from(counts[first + row]) * apart * apart;
            }
            found[into + x] = mean;
            found[into + width + x] = squares;
        }
    }
}

/// Of the columns of a domain; a unit for each. In training, the moments are those of its rows, and the running ones
/// move towards them; a domain with fewer than two rows, and scoring, take the running ones and leave them. `moments`
/// gets the mean and the inverse of the deviation, `next` the running ones after the step.
#[cube(launch)]
pub fn of_domains(
    words: &[u32],
    tiles: &[u32],
    domains: &[u32],
    found: &[f32],
    running: &[f32],
    moments: &mut [f32],
    next: &mut [f32],
    first_item: u32,
    items: u32,
    columns: u32,
    momentum: f32,
    eps: f32,
    #[comptime] training: bool,
) {
    let columns = columns as usize;
    let item = first_item as usize + CUBE_POS * moment::JOIN_WORDS;
    let unit = UNIT_POS as usize;
    let mut width = 0usize;
    if CUBE_POS < items as usize {
        width = words[item + moment::COLUMNS] as usize;
    }
    if unit < width {
        let at_mean = words[item + moment::MEAN] as usize + unit;
        let at_variance = words[item + moment::VARIANCE] as usize + unit;
        let mut mean = running[at_mean];
        let mut variance = running[at_variance];
        let mut next_mean = running[at_mean];
        let mut next_variance = running[at_variance];
        if training {
            let of = words[item + moment::DOMAIN] as usize * domain::WORDS;
            let first = domains[of + domain::TILE] as usize;
            let means = words[item + moment::MEANS] as usize + unit;
            let squares = words[item + moment::SQUARES] as usize + unit;
            let mut rows = 0u32;
            let mut center = 0.0f32;
            let mut sum = 0.0f32;
            for tile in first..first + domains[of + domain::TILES] as usize {
                let added = tiles[tile * tile::WORDS + tile::COUNT];
                let all = f32::cast_from(rows + added);
                let share = f32::cast_from(added) / all;
                let apart = found[tile * columns + means] - center;
                sum +=
                    found[tile * columns + squares] + apart * apart * f32::cast_from(rows) * share;
                center += apart * share;
                rows += added;
            }
            if rows >= 2 {
                mean = center;
                variance = sum / f32::cast_from(rows);
                let unbiased = sum / f32::cast_from(rows - 1);
                next_mean += momentum * (mean - next_mean);
                next_variance += momentum * (unbiased - next_variance);
            }
        }
        moments[at_mean] = mean;
        moments[at_variance] = 1.0f32 / (variance + eps).sqrt();
        next[at_mean] = next_mean;
        next[at_variance] = next_variance;
    }
}
