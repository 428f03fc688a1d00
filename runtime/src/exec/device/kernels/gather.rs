//! Rows of embedding tables, into the rows' memory.

use cubecl::prelude::*;

use super::words::{gather, tile};
use super::{LANES, LINES, work};

/// A field of each row: the sum of its entries, each a factor times some numbers of `records`. `entries` begins with where
/// the entries of every slot start; a slot is a field of a row. From `first_entry` on come the entries, each where its
/// numbers start and the bits of its factor.
#[cube(launch)]
pub fn run(
    words: &[u32],
    tiles: &[u32],
    entries: &[u32],
    records: &[f32],
    memory: &mut [f32],
    header: u32,
    first_entry: u32,
    stride: u32,
) {
    let stride = stride as usize;
    let work = work(words, tiles, header, stride, gather::WORDS);
    if work.any {
        let into = words[work.item + gather::COLUMN] as usize;
        let width = words[work.item + gather::WIDTH] as usize;
        let fields = words[work.item + gather::FIELDS] as usize;
        let first =
            tiles[work.tile + tile::SLOT] as usize + words[work.item + gather::FIELD] as usize;
        for row in range_stepped(UNIT_POS_Y as usize, work.rows, LINES) {
            let slot = first + row * fields;
            let (start, end) = (entries[slot] as usize, entries[slot + 1] as usize);
            for x in range_stepped(UNIT_POS_X as usize, width, LANES) {
                let mut sum = 0.0f32;
                for entry in start..end {
                    let at = first_entry as usize + 2 * entry;
                    sum += f32::reinterpret(entries[at + 1]) * records[entries[at] as usize + x];
                }
                memory[work.memory + row * stride + into + x] = sum;
            }
        }
    }
}
