//! The rows of a shuffle's buffer, each contiguous in memory: reading a row at a random place of a large buffer
//! waits for memory once, not once for every column.

#![expect(
    clippy::indexing_slicing,
    reason = "rows are those of the buffer, and a segment has the words of its rows"
)]

use std::ops::Range;

use crate::bug::check;
use crate::data::batch::chunk::Chunk;
use crate::data::batch::record::{RecordLayout, RecordRow, write_entries};

/// Rows of a segment. Segments are so small that their memory is kept for the next buffer.
const SEGMENT: usize = 4096;
/// Rows that are moved together, column by column, so that they stay in the nearest cache meanwhile.
const TILE: usize = 64;

/// Rows of chunks, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Keys of the rows' requests, 0 for a row without one; empty if the schema has no requests.
    pub request: Vec<u64>,
    /// `None` before the first row.
    layout: Option<RecordLayout>,
    /// All but the last are full.
    segments: Vec<Segment>,
    /// Segments without rows.
    spare: Vec<Segment>,
    rows: usize,
}

/// Some rows.
#[derive(Debug, Default)]
struct Segment {
    /// Domains, origin, targets, ids, numbers, vectors and lengths of lists, row by row.
    fixed: Vec<u32>,
    /// Entries of the lists, row by row, those of a list before their weights.
    entries: Vec<u32>,
    /// Where the entries of each row begin.
    starts: Vec<usize>,
}

impl Records {
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether a list has this many entries.
    pub(crate) fn has_entries(&self, most: usize) -> bool {
        let layout = self.layout.as_ref();
        layout.is_some_and(|layout| layout.has_entries(most))
    }

    /// Takes the rows out and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.request.clear();
        self.layout = None;
        self.rows = 0;
        for mut segment in self.segments.drain(..) {
            segment.clear();
            self.spare.push(segment);
        }
    }

    /// Appends all rows of a chunk.
    pub(crate) fn push(&mut self, chunk: &Chunk) {
        if chunk.rows() == 0 {
            return;
        }
        chunk.check();
        let layout = self.layout.get_or_insert_with(|| RecordLayout::of(chunk));
        layout.add(chunk);
        self.request.extend(&chunk.request);
        let mut from = 0;
        while from < chunk.rows() {
            let is_full = |last: &Segment| last.starts.len() == SEGMENT;
            if self.segments.last().is_none_or(is_full) {
                let room = self.segments.last().map_or(0, |last| last.entries.len());
                let mut segment = self.spare.pop().unwrap_or_default();
                segment.entries.reserve_exact(room);
                segment.fixed.reserve_exact(SEGMENT * layout.words);
                self.segments.push(segment);
            }
            let last = self.segments.len() - 1;
            let segment = &mut self.segments[last];
            let room = SEGMENT - segment.starts.len();
            let to = chunk.rows().min(from + room.min(TILE));
            segment.push(layout, chunk, from..to);
            from = to;
        }
        self.rows += chunk.rows();
        check!(
            self.request.is_empty() || self.request.len() == self.rows,
            "{} requests of {} rows",
            self.request.len(),
            self.rows
        );
    }

    /// Appends the given rows to a chunk.
    pub(crate) fn read(&self, rows: &[u32], to: &mut Chunk) {
        let Some(layout) = &self.layout else {
            check!(rows.is_empty(), "rows of a buffer that has none");
            return;
        };
        layout.check_counts(to);
        if !self.request.is_empty() {
            let keys = rows.iter().map(|row| self.request[*row as usize]);
            to.request.extend(keys);
        }
        let mut tiles = rows.chunks(TILE).map(|tile| {
            let rows = tile.iter().map(|row| self.row(layout, *row as usize));
            rows.collect::<Vec<_>>()
        });
        let mut next = tiles.next();
        while let Some(mut rows) = next {
            next = tiles.next();
            let mut soon = next.iter().flatten();
            layout.read(
                &mut rows,
                || soon.by_ref().take(2).for_each(RecordRow::fetch),
                to,
            );
            soon.for_each(RecordRow::fetch);
        }
    }

    fn row(&self, layout: &RecordLayout, row: usize) -> RecordRow<'_> {
        let (segment, at) = (&self.segments[row / SEGMENT], row % SEGMENT);
        // Those of the last row reach to the end.
        let end = segment.starts.get(at + 1).copied();
        let end = end.unwrap_or(segment.entries.len());
        RecordRow {
            fixed: &segment.fixed[at * layout.words..(at + 1) * layout.words],
            entries: &segment.entries[segment.starts[at]..end],
        }
    }
}

impl Segment {
    fn clear(&mut self) {
        self.fixed.clear();
        self.entries.clear();
        self.starts.clear();
    }

    /// Appends some rows of a chunk that fits the layout.
    fn push(&mut self, layout: &RecordLayout, chunk: &Chunk, rows: Range<usize>) {
        let start = self.fixed.len();
        self.fixed.resize(start + rows.len() * layout.words, 0);
        layout.write(chunk, &rows, &mut self.fixed[start..]);
        for row in rows {
            self.starts.push(self.entries.len());
            write_entries(chunk, row, &mut self.entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::batch::Column;
    use crate::data::origin::Origin;

    fn chunk(rows: &[(u16, Vec<u32>)]) -> Chunk {
        let floats = |rows: &[(u16, Vec<u32>)]| -> Vec<f32> {
            rows.iter().map(|(domain, _)| f32::from(*domain)).collect()
        };
        let mut offsets = vec![0];
        offsets.extend(rows.iter().scan(0, |end, (_, list)| {
            *end += list.len() as u32;
            Some(*end)
        }));
        let ids: Vec<u32> = rows.iter().flat_map(|(_, list)| list.clone()).collect();
        let list = |weights| Column::Lists {
            offsets: offsets.clone(),
            ids: ids.clone(),
            weights,
        };
        Chunk {
            surface: rows.iter().map(|(domain, _)| *domain).collect(),
            product: rows.iter().map(|(domain, _)| domain + 1).collect(),
            query: vec![
                Column::Ids(
                    rows.iter()
                        .map(|(domain, _)| u32::from(*domain) + 7)
                        .collect(),
                ),
                list(Vec::new()),
                Column::Vectors {
                    width: 2,
                    values: floats(rows)
                        .iter()
                        .flat_map(|value| [*value, -value])
                        .collect(),
                },
            ],
            item: vec![
                list(ids.iter().map(|id| *id as f32).collect()),
                Column::Numbers(floats(rows)),
            ],
            labels: vec![floats(rows)],
            weights: vec![Vec::new()],
            actions: vec![floats(rows)],
            origins: rows
                .iter()
                .map(|(domain, _)| Origin {
                    file: u32::from(*domain),
                    row: (u64::from(*domain) << 33) + 1,
                })
                .collect(),
            request: rows.iter().map(|(domain, _)| u64::from(*domain)).collect(),
        }
    }

    proptest! {
        /// Rows come back as they were put in, in any order, also from memory that is used again.
        #[test]
        fn rows_come_back(
            chunks in prop::collection::vec(
                prop::collection::vec((0u16..9, prop::collection::vec(any::<u32>(), 0..4)), 0..3000),
                1..4,
            ),
            picked in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        ) {
            let mut records = Records::default();
            records.push(&chunk(&[(1, vec![2, 3])]));
            records.clear();
            chunks.iter().for_each(|rows| records.push(&chunk(rows)));
            let all = chunks.concat();
            prop_assert_eq!(records.rows(), all.len());
            prop_assume!(!all.is_empty());
            let rows: Vec<u32> = picked.iter().map(|index| index.index(all.len()) as u32).collect();
            let mut found = chunk(&[]);
            records.read(&rows, &mut found);
            let mut expected = chunk(&[]);
            expected.extend(&chunk(&all), &rows);
            prop_assert_eq!(found, expected);
        }
    }
}
