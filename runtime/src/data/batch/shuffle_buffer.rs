//! The rows of a shuffle's buffer, each contiguous in memory: reading a row at a random place of a large buffer
//! waits for memory once, not once for every column.

#![expect(
    clippy::indexing_slicing,
    reason = "rows are those of the buffer, words those of its layout, which every chunk is held to"
)]

use std::ops::Range;

use crate::bug::{bug, check, zip_equal};
use crate::data::batch::Column;
use crate::data::batch::chunk::Chunk;
use crate::data::origin::Origin;
use crate::data::prefetch::fetch;

/// Rows of a segment. Segments are so small that their memory is kept for the next buffer.
const SEGMENT: usize = 4096;
/// Rows that are moved together, column by column, so that they stay in the nearest cache meanwhile.
const TILE: usize = 64;
/// Words of a row before its targets: its domains, and where it comes from.
const HEAD: usize = 4;

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

/// The layout of a row: the first chunk determines it for all.
#[derive(Debug)]
struct RecordLayout {
    /// Words of a row but for the entries of its lists.
    words: usize,
    /// Which targets there are.
    targets: Vec<bool>,
    columns: Vec<ColumnLayout>,
}

/// What a row has of a column.
#[derive(Debug)]
enum ColumnLayout {
    /// A word.
    Id,
    /// A word.
    Number,
    /// This many words.
    Vector(usize),
    /// A word, and the entries.
    List(ListLayout),
}

/// The lists of a column.
#[derive(Debug, Default)]
struct ListLayout {
    /// Whether they have weights; `None` before the first entry.
    weighted: Option<bool>,
    /// Entries of all rows.
    entries: usize,
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
        let mut columns = self.layout.iter().flat_map(|layout| &layout.columns);
        columns.any(|column| matches!(column, ColumnLayout::List(list) if list.entries >= most))
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
            segment.push(layout.words, chunk, from..to);
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

/// A row in its place.
#[derive(Clone, Copy)]
struct RecordRow<'a> {
    fixed: &'a [u32],
    /// Entries of its lists that were not read yet.
    entries: &'a [u32],
}

impl<'a> RecordRow<'a> {
    /// The next entries.
    fn take(&mut self, length: u32) -> &'a [u32] {
        let (taken, rest) = self.entries.split_at(length as usize);
        self.entries = rest;
        taken
    }

    /// Prefetches it into the cache, as it is read soon.
    fn fetch(&self) {
        fetch(self.fixed);
        fetch(self.entries);
    }
}

impl Segment {
    fn clear(&mut self) {
        self.fixed.clear();
        self.entries.clear();
        self.starts.clear();
    }

    /// Appends some rows of a chunk that fits the layout; `words` are those of a row.
    fn push(&mut self, words: usize, chunk: &Chunk, rows: Range<usize>) {
        let start = self.fixed.len();
        self.fixed.resize(start + rows.len() * words, 0);
        let tile = &mut self.fixed[start..];
        let mut tile = Tile { tile, words, at: 0 };
        let domains = zip_equal(part(&chunk.surface, &rows), part(&chunk.product, &rows));
        tile.put(domains.map(|(surface, product)| u32::from(surface) | u32::from(product) << 16));
        tile.put(part(&chunk.origins, &rows).map(|origin| origin.file));
        tile.put(part(&chunk.origins, &rows).map(|origin| origin.row as u32));
        tile.put(part(&chunk.origins, &rows).map(|origin| (origin.row >> 32) as u32));
        for target in chunk.targets().filter(|target| !target.is_empty()) {
            tile.put(part(target, &rows).map(f32::to_bits));
        }
        for column in chunk.columns() {
            match column {
                Column::Ids(ids) => tile.put(part(ids, &rows)),
                Column::Numbers(numbers) => tile.put(part(numbers, &rows).map(f32::to_bits)),
                Column::Vectors { width, values } => {
                    tile.put_vectors(*width, values, &rows);
                }
                Column::Lists { offsets, .. } => {
                    let next = rows.start + 1..rows.end + 1;
                    let spans = zip_equal(part(offsets, &rows), part(offsets, &next));
                    tile.put(spans.map(|(from, to)| to - from));
                }
            }
        }
        rows.for_each(|row| self.push_entries(chunk, row));
    }

    /// Appends the entries of a row's lists.
    fn push_entries(&mut self, chunk: &Chunk, row: usize) {
        self.starts.push(self.entries.len());
        for column in chunk.columns() {
            if let Column::Lists {
                offsets,
                ids,
                weights,
            } = column
            {
                let span = offsets[row] as usize..offsets[row + 1] as usize;
                self.entries.extend_from_slice(&ids[span.clone()]);
                if !weights.is_empty() {
                    let weights = weights[span].iter();
                    self.entries.extend(weights.map(|weight| weight.to_bits()));
                }
            }
        }
    }
}

fn part<T: Copy>(values: &[T], rows: &Range<usize>) -> impl ExactSizeIterator<Item = T> {
    values[rows.clone()].iter().copied()
}

/// New rows of a segment, to which words are added column by column.
struct Tile<'a> {
    tile: &'a mut [u32],
    words: usize,
    /// Words that the rows have so far.
    at: usize,
}

impl Tile<'_> {
    fn put(&mut self, values: impl ExactSizeIterator<Item = u32>) {
        for (row, value) in zip_equal(self.tile.chunks_exact_mut(self.words), values) {
            row[self.at] = value;
        }
        self.at += 1;
    }

    fn put_vectors(&mut self, width: usize, values: &[f32], rows: &Range<usize>) {
        let vectors = values[rows.start * width..rows.end * width].chunks_exact(width);
        for (row, vector) in zip_equal(self.tile.chunks_exact_mut(self.words), vectors) {
            let words = &mut row[self.at..self.at + width];
            zip_equal(words, vector).for_each(|(word, value)| *word = value.to_bits());
        }
        self.at += width;
    }
}

impl RecordLayout {
    fn of(chunk: &Chunk) -> Self {
        let targets: Vec<bool> = chunk.targets().map(|target| !target.is_empty()).collect();
        let columns: Vec<ColumnLayout> = chunk.columns().map(ColumnLayout::of).collect();
        let words = columns.iter().map(ColumnLayout::words).sum::<usize>();
        Self {
            words: HEAD + targets.iter().filter(|is| **is).count() + words,
            targets,
            columns,
        }
    }

    /// Stops unless a chunk has this many targets and columns.
    fn check_counts(&self, chunk: &Chunk) {
        let found = (chunk.targets().count(), chunk.columns().count());
        let (targets, columns) = (self.targets.len(), self.columns.len());
        check!(
            found == (targets, columns),
            "{found:?} targets and columns of a chunk, {:?} of the others",
            (targets, columns)
        );
    }

    /// Takes up a chunk. Stops unless its rows are made of the same.
    fn add(&mut self, chunk: &Chunk) {
        self.check_counts(chunk);
        for (has, target) in self.targets.iter().zip(chunk.targets()) {
            check!(*has != target.is_empty(), "chunks with different targets");
        }
        for (layout, column) in self.columns.iter_mut().zip(chunk.columns()) {
            layout.add(column);
        }
    }

    /// Appends rows to a chunk with this many targets and columns; `beside` is called once per column.
    fn read(&self, rows: &mut [RecordRow], mut beside: impl FnMut(), to: &mut Chunk) {
        let domains = rows.iter().map(|row| row.fixed[0]);
        to.surface.extend(domains.clone().map(|both| both as u16));
        to.product.extend(domains.map(|both| (both >> 16) as u16));
        to.origins.extend(rows.iter().map(|row| Origin {
            file: row.fixed[1],
            row: u64::from(row.fixed[2]) | u64::from(row.fixed[3]) << 32,
        }));
        let mut at = HEAD;
        for (target, _) in to.targets_mut().zip(&self.targets).filter(|(_, is)| **is) {
            beside();
            target.extend(rows.iter().map(|row| f32::from_bits(row.fixed[at])));
            at += 1;
        }
        for (layout, column) in self.columns.iter().zip(to.columns_mut()) {
            beside();
            layout.read(rows, at, column);
            at += layout.words();
        }
        check!(
            rows.iter().all(|row| row.entries.is_empty()),
            "entries of lists are left over"
        );
    }
}

impl ColumnLayout {
    fn of(column: &Column) -> Self {
        match column {
            Column::Ids(_) => Self::Id,
            Column::Numbers(_) => Self::Number,
            Column::Vectors { width, .. } => Self::Vector(*width),
            Column::Lists { .. } => Self::List(ListLayout::default()),
        }
    }

    /// Words of a row but for the entries of a list.
    fn words(&self) -> usize {
        match self {
            Self::Id | Self::Number | Self::List(_) => 1,
            Self::Vector(width) => *width,
        }
    }

    /// Takes up a chunk's column. Stops unless it is of this kind.
    fn add(&mut self, column: &Column) {
        match (self, column) {
            (Self::Id, Column::Ids(_)) | (Self::Number, Column::Numbers(_)) => {}
            (Self::Vector(width), Column::Vectors { width: found, .. }) => check!(
                width == found,
                "vectors of {found} entries after those of {width}"
            ),
            (Self::List(list), Column::Lists { ids, weights, .. }) => {
                list.entries += ids.len();
                // A chunk whose lists are all empty does not show whether they have weights.
                if !ids.is_empty() {
                    let weighted = !weights.is_empty();
                    check!(
                        *list.weighted.get_or_insert(weighted) == weighted,
                        "lists with weights and lists without in one column"
                    );
                }
            }
            _ => bug!("chunks with columns of different kinds"),
        }
    }

    /// Appends the values of rows, whose words of the column begin at `at`.
    fn read(&self, rows: &mut [RecordRow], at: usize, to: &mut Column) {
        match (self, to) {
            (Self::Id, Column::Ids(ids)) => ids.extend(rows.iter().map(|row| row.fixed[at])),
            (Self::Number, Column::Numbers(numbers)) => {
                numbers.extend(rows.iter().map(|row| f32::from_bits(row.fixed[at])));
            }
            (Self::Vector(own), Column::Vectors { width, values }) if own == width => {
                for row in rows.iter() {
                    let vector = row.fixed[at..at + *width].iter();
                    values.extend(vector.map(|word| f32::from_bits(*word)));
                }
            }
            (
                Self::List(list),
                Column::Lists {
                    offsets,
                    ids,
                    weights,
                },
            ) => {
                for row in rows.iter_mut() {
                    let length = row.fixed[at];
                    ids.extend_from_slice(row.take(length));
                    offsets.push(ids.len() as u32);
                    if list.weighted == Some(true) {
                        let words = row.take(length).iter();
                        weights.extend(words.map(|word| f32::from_bits(*word)));
                    }
                }
            }
            _ => bug!("rows are appended to a column of another kind"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
