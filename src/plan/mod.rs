//! The plan: *how* the model runs. The graph is lowered to programs of a small set of operations,
//! fused, laid out in flat arrays, differentiated and placed in memory; the generated crate holds
//! the result, and an executor runs it.
//!
//! One file per pass: `lower` (graph → drafts), `fuse` (what runs as one), `layout` (parameters),
//! `assemble` (forward operations), `gradient` (backward operations), `storage` (memory).

#![expect(
    clippy::indexing_slicing,
    reason = "ids are positions in the lists of the same draft; another one is a bug, and stops"
)]

mod assemble;
mod blocks;
mod columns;
mod fuse;
mod gradient;
mod layout;
mod lower;
mod print;
mod storage;

pub use lower::lower;
pub use print::print;
