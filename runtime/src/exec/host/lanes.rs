//! How rows are cut into units of work.

use std::ops::Range;

/// Rows that go through all layers of a stack before the next ones do, at most.
const CHUNK: usize = 256;

/// Rows of a Domain Expert that are one chunk, at most, where others have work enough for all threads: a weight is then split once,
/// and its gradient written once.
const WHOLE: usize = 2 * CHUNK + 2 * BLOCK;

/// Others have work enough where all have so many times its rows.
const SHARE: usize = 4;

/// Rows that are multiplied at a time.
const BLOCK: usize = 32;

/// Rows of a lane, at least.
const LANE: usize = 2 * CHUNK;

/// Lanes at most: each has gradients of all parameters.
const LANES: usize = 4;

/// Chunks of rows.
pub type Lane = Vec<Range<usize>>;

/// How the rows of a Domain Expert are cut.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Its rows.
    pub rows: usize,
    /// Those of all Domain Experts that run with it.
    pub all: usize,
}

impl Cut {
    /// Rows of a chunk: about as many in each, and none but the last with a part of a block.
    pub fn chunk(self) -> usize {
        let chunks = match self.rows <= WHOLE && self.rows * SHARE <= self.all {
            true => 1,
            false => self.rows.div_ceil(CHUNK).max(1),
        };
        let chunk = self.rows.div_ceil(chunks).next_multiple_of(BLOCK);
        chunk.max(BLOCK)
    }

    /// All rows as lanes.
    pub fn lanes(self) -> Vec<Lane> {
        let size = self.chunk();
        let chunks = self.rows.div_ceil(size);
        let count = (self.rows / LANE).clamp(1, LANES).min(chunks.max(1));
        let chunk = |at: usize| at * size..((at + 1) * size).min(self.rows);
        let lane = |lane: usize| {
            (lane * chunks / count..(lane + 1) * chunks / count)
                .map(chunk)
                .collect()
        };
        (0..count).map(lane).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_hold_every_row_once_in_order() {
        for rows in [
            0, 1, 31, 33, 255, 256, 257, 341, 511, 512, 1_300, 2_048, 5_000,
        ] {
            for all in [rows, 4 * rows] {
                let lanes = Cut { rows, all }.lanes();
                assert!(rows == 0 || lanes.iter().all(|lane| !lane.is_empty()));
                let all = lanes.into_iter().flatten().flatten();
                assert!(all.eq(0..rows), "{rows}");
            }
        }
    }

    #[test]
    fn few_rows_among_many_are_one_chunk() {
        let chunks = |rows, all| Cut { rows, all }.lanes().into_iter().flatten().count();
        assert_eq!([chunks(512, 4_096), chunks(512, 512)], [1, 2]);
        assert_eq!([chunks(1_024, 8_192), chunks(200, 200)], [4, 1]);
    }
}
