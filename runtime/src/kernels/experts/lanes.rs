//! How rows are cut into units of work.

use std::ops::Range;

/// Rows that go through all layers of a stack before the next ones do.
pub const CHUNK: usize = 256;

/// Rows of a lane, at least.
const LANE: usize = 2 * CHUNK;

/// Lanes at most: each has gradients of all parameters.
const LANES: usize = 4;

/// Chunks of rows, each with its number among all chunks.
pub type Lane = Vec<(usize, Range<usize>)>;

/// All rows as lanes.
pub fn lanes(rows: usize) -> Vec<Lane> {
    let count = (rows / LANE).clamp(1, LANES);
    let chunks = rows.div_ceil(CHUNK);
    let chunk = |at: usize| (at, at * CHUNK..((at + 1) * CHUNK).min(rows));
    let lane = |lane: usize| {
        (lane * chunks / count..(lane + 1) * chunks / count)
            .map(chunk)
            .collect()
    };
    (0..count).map(lane).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_hold_every_row_once_in_order() {
        for rows in [1, 255, 256, 257, 511, 512, 1_300, 2_048, 5_000] {
            let chunks: Vec<_> = lanes(rows).into_iter().flatten().collect();
            let numbers = chunks.iter().map(|(at, _)| *at);
            assert!(numbers.eq(0..chunks.len()));
            let all = chunks.into_iter().flat_map(|(_, chunk)| chunk);
            assert!(all.eq(0..rows), "{rows}");
        }
    }
}
