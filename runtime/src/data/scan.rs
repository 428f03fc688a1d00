//! Options of a pass: what it reads, and in which order.

use crate::data::split::Parts;

/// What to read, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Parts whose rows are wanted.
    pub parts: Parts,
    /// Rows of a batch; the last one may have fewer.
    pub batch: usize,
    /// `None` keeps the order of files and rows.
    pub shuffle: Option<Shuffle>,
    /// Usable rows, in the order of the pass, to leave out at its start: those that a resumed run has
    /// seen. What follows is what would have followed them.
    pub skip: u64,
}

/// A random order: row groups in a random order, then rows within a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shuffle {
    /// Seed of the training.
    pub seed: u64,
    /// Each epoch has its own order.
    pub epoch: u64,
    /// Rows of the buffer (rounded up to whole reads).
    pub buffer: usize,
}
