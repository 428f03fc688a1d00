//! The rules of tables (`../rule.rs`) as kernels: one line of units for each row.

#![expect(clippy::indexing_slicing, reason = "kernels index arrays")]

use cubecl::prelude::*;

use crate::exec::device::kernels::words::{NONE, state};
use crate::exec::device::kernels::{LANES, LINES, over_lanes};
use crate::schema::constants::{
    ADAMW_BETA_1 as BETA_1, ADAMW_BETA_2 as BETA_2, ADAMW_EPSILON as EPSILON,
};

/// A table.
pub mod table {
    /// Its words.
    pub const WORDS: usize = 5;
    /// Columns of the weight.
    pub const WIDTH: usize = 0;
    /// Numbers of a record before the weight.
    pub const HEADER: usize = 1;
    /// The rule.
    pub const RULE: usize = 2;
    /// The steps at which a row learns at half the rate, the bits of a float32; 0 if the rate does not depend on them.
    pub const FREQUENCY: usize = 3;
    /// The clock of its learning rate and decay.
    pub const CLOCK: usize = 4;

    /// AdamW, with what a row has missed.
    pub const ADAMW: u32 = 0;
    /// Adam, of the rows that a batch uses alone.
    pub const LAZY_ADAM: u32 = 1;
    /// Row-wise Adagrad.
    pub const ADAGRAD: u32 = 2;
}

/// A row that a batch uses.
pub mod used {
    /// Its words.
    pub const WORDS: usize = 4;
    /// Where its record starts.
    pub const RECORD: usize = 0;
    /// Its table.
    pub const TABLE: usize = 1;
    /// The first chunk of its uses.
    pub const CHUNK: usize = 2;
    /// Chunks of its uses.
    pub const CHUNKS: usize = 3;
}

/// Some of the uses of a row, which one line of units adds up.
pub mod chunk {
    /// Its words.
    pub const WORDS: usize = 3;
    /// The first use.
    pub const FIRST: usize = 0;
    /// Uses.
    pub const USES: usize = 1;
    /// Columns.
    pub const WIDTH: usize = 2;
}

/// A use: where the field's gradient starts, and the bits of its factor.
pub const USE_WORDS: usize = 2;

/// What rows have missed that were last used at one step; see `CatchUp`.
pub mod missed {
    /// Its numbers.
    pub const NUMBERS: usize = 5;
    pub const DECAY: usize = 0;
    pub const DRIFT: usize = 1;
    pub const EPSILON: usize = 2;
    pub const FIRST: usize = 3;
    pub const SECOND: usize = 4;
}

/// What a step does to all rows of one clock; see `Factors`.
pub mod factor {
    /// Its numbers.
    pub const NUMBERS: usize = 4;
    pub const LR: usize = 0;
    pub const DECAY: usize = 1;
    pub const RATE: usize = 2;
    pub const CORRECTION: usize = 3;
}

/// The part of the learning rate of a row that has been seen so often.
#[cube]
fn share(seen: f32, half: f32) -> f32 {
    let mut share = 1.0f32;
    if half > 0.0f32 {
        share = seen / (seen + half);
    }
    share
}

/// Brings the rows of AdamW that a batch uses to the present. `behind` says for each row which of `missed` it
/// has missed.
#[cube(launch)]
pub fn catch_up(
    tables: &[u32],
    rows: &[u32],
    behind: &[u32],
    missed: &[f32],
    state: &[f32],
    records: &mut [f32],
    count: u32,
) {
    let row = CUBE_POS * LINES + UNIT_POS_Y as usize;
    if row < count as usize && state[state::FAILED] == 0.0f32 {
        let which = behind[row];
        if which != NONE {
            let at = row * used::WORDS;
            let record = rows[at + used::RECORD] as usize;
            let table = rows[at + used::TABLE] as usize * table::WORDS;
            let width = tables[table + table::WIDTH] as usize;
            let header = tables[table + table::HEADER] as usize;
            let half = f32::reinterpret(tables[table + table::FREQUENCY]);
            let of = which as usize * missed::NUMBERS;
            let mut seen = 0.0f32;
            if half > 0.0f32 {
                seen = records[record + header - 1];
            }
            let drift = missed[of + missed::DRIFT] * share(seen, half);
            for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
                let weight = record + header + x;
                let (first, second) = (weight + width, weight + 2 * width);
                let size = records[second].sqrt() + missed[of + missed::EPSILON];
                let moved = drift * records[first] / size;
                records[weight] = missed[of + missed::DECAY] * records[weight] - moved;
                records[first] *= missed[of + missed::FIRST];
                records[second] *= missed[of + missed::SECOND];
            }
        }
    }
}

/// The gradients of rows, by chunks of their uses: `[chunks, most columns of a table]`.
#[cube(launch)]
pub fn add_up(
    chunks: &[u32],
    uses: &[u32],
    gradients: &[f32],
    sums: &mut [f32],
    count: u32,
    most: u32,
) {
    let chunk = CUBE_POS * LINES + UNIT_POS_Y as usize;
    if chunk < count as usize {
        let at = chunk * chunk::WORDS;
        let first = chunks[at + chunk::FIRST] as usize;
        let uses_of = chunks[at + chunk::USES] as usize;
        let width = chunks[at + chunk::WIDTH] as usize;
        for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
            let mut sum = 0.0f32;
            for place in first..first + uses_of {
                let used = place * USE_WORDS;
                sum += f32::reinterpret(uses[used + 1]) * gradients[uses[used] as usize + x];
            }
            sums[chunk * most as usize + x] = sum;
        }
    }
}

/// A row's gradient at a column.
#[cube]
fn gradient(rows: &[u32], sums: &[f32], at: usize, most: usize, x: usize) -> f32 {
    let first = rows[at + used::CHUNK] as usize;
    let mut sum = 0.0f32;
    for chunk in first..first + rows[at + used::CHUNKS] as usize {
        sum += sums[chunk * most + x];
    }
    sum
}

/// Steps the rows that a batch uses. Which step a row is up to date at is not written: the host knows it.
#[cube(launch)]
pub fn step(
    tables: &[u32],
    rows: &[u32],
    sums: &[f32],
    factors: &[f32],
    state: &[f32],
    records: &mut [f32],
    count: u32,
    most: u32,
) {
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    let most = most as usize;
    let row = CUBE_POS * LINES + UNIT_POS_Y as usize;
    let steps = row < count as usize && state[state::FAILED] == 0.0f32;
    let mut at = 0usize;
    if steps {
        at = row * used::WORDS;
    }
    let record = rows[at + used::RECORD] as usize;
    let table = rows[at + used::TABLE] as usize * table::WORDS;
    let width = tables[table + table::WIDTH] as usize;
    let header = tables[table + table::HEADER] as usize;
    let rule = tables[table + table::RULE];
    let half = f32::reinterpret(tables[table + table::FREQUENCY]);
    let of = tables[table + table::CLOCK] as usize * factor::NUMBERS;
    let mut seen = 0.0f32;
    if half > 0.0f32 {
        seen = records[record + header - 1] + 1.0f32;
    }
    let share = share(seen, half);
    let mut squares = 0.0f32;
    let mut sum = 0.0f32;
    if rule == table::ADAGRAD {
        sum = records[record];
        for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
            let gradient = gradient(rows, sums, at, most, x);
            squares += gradient * gradient;
        }
    }
    // All units have read the header when this has been added up.
    sum += over_lanes(&mut shared, squares) / f32::cast_from(width as u32);
    if steps {
        let decay = factors[of + factor::DECAY];
        for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
            let gradient = gradient(rows, sums, at, most, x);
            let weight = record + header + x;
            if rule == table::ADAGRAD {
                let rate =
                    share * factors[of + factor::LR] / (sum.sqrt() + comptime!(EPSILON as f32));
                records[weight] = decay * records[weight] - rate * gradient;
            } else {
                let (first, second) = (weight + width, weight + 2 * width);
                let mean = comptime!(BETA_1 as f32) * records[first]
                    + comptime!((1.0 - BETA_1) as f32) * gradient;
                let square = comptime!(BETA_2 as f32) * records[second]
                    + comptime!((1.0 - BETA_2) as f32) * gradient * gradient;
                let size =
                    square.sqrt() * factors[of + factor::CORRECTION] + comptime!(EPSILON as f32);
                let rate = share * factors[of + factor::RATE];
                records[first] = mean;
                records[second] = square;
                records[weight] = decay * records[weight] - rate * mean / size;
            }
        }
        if UNIT_POS_X == 0 {
            if rule == table::ADAGRAD {
                records[record] = sum;
            }
            if half > 0.0f32 {
                records[record + header - 1] = seen;
            }
        }
    }
}

#[cfg(test)]
#[cfg(feature = "cuda")]
mod tests {
    use super::*;
    use crate::exec::device::kernels::cuda::{ARRAY as A, write};

    #[test]
    fn cuda_sources() {
        write("tables_catch_up", |(s, d, t)| {
            catch_up::CatchUp::new(s, d, t, A, A, A, A, A, A, ())
        });
        write("tables_add_up", |(s, d, t)| {
            add_up::AddUp::new(s, d, t, A, A, A, A, (), ())
        });
        write("tables_step", |(s, d, t)| {
            step::Step::new(s, d, t, A, A, A, A, A, A, (), ())
        });
    }
}
