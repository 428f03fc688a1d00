//! How rows are cut into units of work.

use std::ops::Range;

/// Rows that go through all layers of a stack before the next ones do, at most.
const CHUNK: usize = 256;

/// Rows that are multiplied at a time.
const BLOCK: usize = 32;

/// Rows of a lane, at least.
const LANE: usize = 2 * CHUNK;

/// Lanes at most: each has gradients of all parameters.
const LANES: usize = 4;

/// Chunks of rows, each with its number among all chunks.
pub type Lane = Vec<(usize, Range<usize>)>;

/// Rows of a chunk: about as many in each, and none but the last with a part of a block.
pub fn chunk(rows: usize) -> usize {
    let chunks = rows.div_ceil(CHUNK).max(1);
    rows.div_ceil(chunks).next_multiple_of(BLOCK)
}

/// All rows as lanes.
pub fn lanes(rows: usize) -> Vec<Lane> {
    let count = (rows / LANE).clamp(1, LANES);
    let size = chunk(rows);
    let chunks = rows.div_ceil(size);
    let chunk = |at: usize| (at, at * size..((at + 1) * size).min(rows));
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
        for rows in [1, 31, 33, 255, 256, 257, 341, 511, 512, 1_300, 2_048, 5_000] {
            let chunks: Vec<_> = lanes(rows).into_iter().flatten().collect();
            let numbers = chunks.iter().map(|(at, _)| *at);
            assert!(numbers.eq(0..chunks.len()));
            let all = chunks.into_iter().flat_map(|(_, chunk)| chunk);
            assert!(all.eq(0..rows), "{rows}");
        }
    }
}
