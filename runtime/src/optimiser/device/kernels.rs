//! AdamW, the norm and the check of a step, as kernels.

use cubecl::prelude::*;

use crate::exec::device::kernels::words::state;
use crate::exec::device::kernels::{LANES, LINES, over_cube};
use crate::optimiser::update::PIECE;
use crate::schema::constants::{
    ADAMW_BETA_1 as BETA_1, ADAMW_BETA_2 as BETA_2, ADAMW_EPSILON as EPSILON,
};

/// What the words of a piece mean.
pub mod piece {
    /// Its words.
    pub const WORDS: usize = 3;
    /// Its first element in the flat arrays.
    pub const START: usize = 0;
    /// Elements.
    pub const LEN: usize = 1;
    /// The part that it is of.
    pub const PART: usize = 2;
}

/// What the numbers of a part mean: its [`Rates`].
pub mod rate {
    /// Its numbers.
    pub const NUMBERS: usize = 4;
    /// 1 if the part has a gradient in the step, else 0.
    pub const ACTIVE: usize = 0;
    pub const KEEP: usize = 1;
    pub const RATE: usize = 2;
    pub const ROOT: usize = 3;
}

/// Sums of squares of each piece whose part has a gradient.
#[cube(launch)]
pub fn squares(pieces: &[u32], rates: &[f32], gradient: &[f32], sums: &mut [f32], items: u32) {
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    let mut sum = 0.0f32;
    if CUBE_POS < items as usize {
        let at = CUBE_POS * piece::WORDS;
        let start = pieces[at + piece::START] as usize;
        let len = pieces[at + piece::LEN] as usize;
        if rates[pieces[at + piece::PART] as usize * rate::NUMBERS + rate::ACTIVE] > 0.0f32 {
            for x in range_stepped(UNIT_POS as usize, len, LANES * LINES) {
                let value = gradient[start + x];
                sum += value * value;
            }
        }
    }
    let sum = over_cube(&mut shared, sum);
    if CUBE_POS < items as usize && UNIT_POS == 0 {
        sums[CUBE_POS] = sum;
    }
}

/// How many of a run of numbers are not finite; after the `pieces` first sums.
#[cube(launch)]
pub fn not_finite(values: &[f32], sums: &mut [f32], len: u32, pieces: u32) {
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    let start = CUBE_POS * PIECE;
    let end = usize::min(start + PIECE, len as usize);
    let mut bad = 0.0f32;
    for at in range_stepped(start + UNIT_POS as usize, end, LANES * LINES) {
        if !is_finite(values[at]) {
            bad += 1.0f32;
        }
    }
    let bad = over_cube(&mut shared, bad);
    if start < len as usize && UNIT_POS == 0 {
        sums[pieces as usize + CUBE_POS] = bad;
    }
}

/// Bits of a number that is none.
const NAN: u32 = 0x7fc0_0000;

/// By its bits: of the exponent not all are set.
#[cube]
fn is_finite(value: f32) -> bool {
    u32::reinterpret(value) & 0x7f80_0000u32 != 0x7f80_0000u32
}

/// The norm, what clipping makes of it, and whether everything is finite. One cube.
#[cube(launch)]
pub fn judge(
    sums: &[f32],
    losses: &[f32],
    state: &mut [f32],
    report: &mut [f32],
    pieces: u32,
    runs: u32,
    tasks: u32,
    clip: f32,
    #[comptime] clips: bool,
) {
    let mut shared = Shared::<[f32]>::new_slice(LANES * LINES);
    let (pieces, tasks) = (pieces as usize, tasks as usize);
    let mut squares = 0.0f32;
    for at in range_stepped(UNIT_POS as usize, pieces, LANES * LINES) {
        squares += sums[at];
    }
    let mut bad = 0.0f32;
    for at in range_stepped(UNIT_POS as usize, runs as usize, LANES * LINES) {
        bad += sums[pieces + at];
    }
    let mut lost = 0.0f32;
    for task in range_stepped(UNIT_POS as usize, tasks, LANES * LINES) {
        report[task] = losses[task];
        if !is_finite(losses[task]) {
            lost += 1.0f32;
        }
    }
    let squares = over_cube(&mut shared, squares);
    let bad = over_cube(&mut shared, bad);
    let lost = over_cube(&mut shared, lost);
    if UNIT_POS == 0 {
        let norm = squares.sqrt();
        report[tasks] = norm;
        if state[state::FAILED] != 0.0f32 {
            // An earlier step has failed, so this one is not made either.
            report[tasks] = f32::reinterpret(NAN);
        }
        report[tasks + 1] = bad;
        if bad > 0.0f32 || lost > 0.0f32 || !is_finite(norm) {
            state[state::FAILED] = 1.0f32;
        }
        if state[state::FAILED] == 0.0f32 {
            state[state::MADE] += 1.0f32;
        }
        let mut scale = 1.0f32;
        if clips && norm > clip {
            scale = clip / norm;
        }
        state[state::SCALE] = scale;
    }
}

/// One piece a cube.
#[cube(launch)]
pub fn adamw(
    pieces: &[u32],
    rates: &[f32],
    gradient: &[f32],
    values: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    state: &[f32],
    items: u32,
) {
    if CUBE_POS < items as usize && state[state::FAILED] == 0.0f32 {
        let at = CUBE_POS * piece::WORDS;
        let start = pieces[at + piece::START] as usize;
        let len = pieces[at + piece::LEN] as usize;
        let of = pieces[at + piece::PART] as usize * rate::NUMBERS;
        if rates[of + rate::ACTIVE] > 0.0f32 {
            let scale = state[state::SCALE];
            for x in range_stepped(start + UNIT_POS as usize, start + len, LANES * LINES) {
                let gradient = gradient[x] * scale;
                let mean = first[x] * comptime!(BETA_1 as f32)
                    + gradient * comptime!((1.0 - BETA_1) as f32);
                let square = second[x] * comptime!(BETA_2 as f32)
                    + gradient * gradient * comptime!((1.0 - BETA_2) as f32);
                let size = square.sqrt() * rates[of + rate::ROOT] + comptime!(EPSILON as f32);
                first[x] = mean;
                second[x] = square;
                values[x] =
                    values[x] * rates[of + rate::KEEP] - rates[of + rate::RATE] * mean / size;
            }
        }
    }
}

/// Copies, unless a step has failed.
#[cube(launch)]
pub fn take_over(from: &[f32], to: &mut [f32], state: &[f32], len: u32) {
    let at = CUBE_POS * (LANES * LINES) + UNIT_POS as usize;
    if at < len as usize && state[state::FAILED] == 0.0f32 {
        to[at] = from[at];
    }
}

#[cfg(test)]
#[cfg(feature = "cuda")]
mod tests {
    use super::*;
    use crate::exec::device::kernels::cuda::{ARRAY as A, write};

    #[test]
    fn cuda_sources() {
        write("optimiser_squares", |(s, d, t)| {
            squares::Squares::new(s, d, t, A, A, A, A, ())
        });
        write("optimiser_not_finite", |(s, d, t)| {
            not_finite::NotFinite::new(s, d, t, A, A, (), ())
        });
        for (clips, name) in [(false, "optimiser_judge"), (true, "optimiser_judge_clips")] {
            write(name, |(s, d, t)| {
                judge::Judge::new(s, d, t, A, A, A, A, (), (), (), (), clips)
            });
        }
        write("optimiser_adamw", |(s, d, t)| {
            adamw::Adamw::new(s, d, t, A, A, A, A, A, A, A, ())
        });
        write("optimiser_take_over", |(s, d, t)| {
            take_over::TakeOver::new(s, d, t, A, A, A, ())
        });
    }
}
