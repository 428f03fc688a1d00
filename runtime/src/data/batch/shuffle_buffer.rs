//! The rows of a shuffle's buffer, each in one place: a row that is read from a random place of a large buffer is
//! waited for once, not once for every column.

use std::ops::Range;

use crate::data::batch::Column;
use crate::data::batch::chunk::Chunk;
use crate::data::origin::Origin;
use crate::data::prefetch::fetch;

/// Rows of a segment. Segments are so small that their memory is kept for the next buffer.
const SEGMENT: usize = 4096;
/// Rows that are moved together, column by column: they stay in the nearest cache meanwhile.
const TILE: usize = 64;
/// Words of a row before its targets: its domains, and where it comes from.
const HEAD: usize = 5;

/// Rows of chunks, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// Keys of the rows' requests, 0 for a row of none; empty if the schema has no requests.
    pub request: Vec<u64>,
    layout: RecordLayout,
    segments: Vec<Segment>,
    /// Segments without rows.
    spare: Vec<Segment>,
    /// Entries of each list.
    entries: Vec<usize>,
    rows: usize,
}

/// What a row is made of: that of the first row holds for all.
#[derive(Debug, Default)]
struct RecordLayout {
    /// Words of a row but for the entries of its lists.
    words: usize,
    /// Which targets there are.
    targets: Vec<bool>,
    /// Which columns have weights.
    weighted: Vec<bool>,
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

    /// Whether a list has so many entries.
    pub(crate) fn has_entries(&self, most: usize) -> bool {
        self.entries.iter().any(|entries| *entries >= most)
    }

    /// Takes the rows out and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.request.clear();
        self.entries.clear();
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
        self.layout.fit(chunk);
        self.count(chunk);
        self.request.extend(&chunk.request);
        let mut from = 0;
        while from < chunk.rows() {
            if self
                .segments
                .last()
                .is_none_or(|last| last.starts.len() == SEGMENT)
            {
                let room = self.segments.last().map_or(0, |last| last.entries.len());
                let mut segment = self.spare.pop().unwrap_or_default();
                segment.entries.reserve_exact(room);
                segment.fixed.reserve_exact(SEGMENT * self.layout.words);
                self.segments.push(segment);
            }
            let Some(segment) = self.segments.last_mut() else {
                return;
            };
            let room = SEGMENT - segment.starts.len();
            let to = chunk.rows().min(from + room.min(TILE));
            segment.push(&self.layout, chunk, from..to);
            from = to;
        }
        self.rows += chunk.rows();
    }

    fn count(&mut self, chunk: &Chunk) {
        let lists = chunk.columns().filter_map(|column| match column {
            Column::Lists { ids, .. } => Some(ids.len()),
            _ => None,
        });
        let lists: Vec<usize> = lists.collect();
        self.entries.resize(lists.len(), 0);
        for (entries, more) in self.entries.iter_mut().zip(lists) {
            *entries += more;
        }
    }

    /// Appends the given rows to a chunk.
    pub(crate) fn read(&self, rows: &[u32], to: &mut Chunk) {
        if !self.request.is_empty() {
            let keys = rows.iter().map(|row| self.request.get(*row as usize));
            to.request
                .extend(keys.map(|key| key.copied().unwrap_or_default()));
        }
        let mut tiles = rows.chunks(TILE).map(|tile| {
            let rows = tile.iter().map(|row| self.row(*row as usize));
            rows.collect::<Vec<_>>()
        });
        let mut next = tiles.next();
        while let Some(mut rows) = next {
            next = tiles.next();
            let mut soon = next.iter().flatten();
            self.layout.read(
                &mut rows,
                || soon.by_ref().take(2).for_each(RecordRow::fetch),
                to,
            );
            soon.for_each(RecordRow::fetch);
        }
    }

    fn row(&self, row: usize) -> RecordRow<'_> {
        let words = self.layout.words;
        let found = self.segments.get(row / SEGMENT).and_then(|segment| {
            let at = row % SEGMENT;
            let end = segment.starts.get(at + 1).copied();
            let span = *segment.starts.get(at)?..end.unwrap_or(segment.entries.len());
            Some(RecordRow {
                fixed: segment.fixed.get(at * words..(at + 1) * words)?,
                entries: segment.entries.get(span)?,
            })
        });
        found.unwrap_or_default()
    }
}

/// A row in its place.
#[derive(Clone, Copy, Default)]
struct RecordRow<'a> {
    fixed: &'a [u32],
    /// Entries of its lists that were not read yet.
    entries: &'a [u32],
}

impl<'a> RecordRow<'a> {
    #[inline]
    fn word(&self, at: usize) -> u32 {
        self.fixed.get(at).copied().unwrap_or_default()
    }

    /// The next entries.
    fn take(&mut self, length: u32) -> &'a [u32] {
        let split = self.entries.split_at_checked(length as usize);
        let (taken, rest) = split.unwrap_or_default();
        self.entries = rest;
        taken
    }

    /// Brings it into the cache beside what goes on: it is read soon.
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

    fn push(&mut self, layout: &RecordLayout, chunk: &Chunk, rows: Range<usize>) {
        let words = layout.words;
        let start = self.fixed.len();
        self.fixed.resize(start + rows.len() * words, 0);
        let tile = self.fixed.get_mut(start..).unwrap_or_default();
        let mut tile = Tile { tile, words, at: 0 };
        tile.put(part(&chunk.surface, &rows).map(u32::from));
        tile.put(part(&chunk.product, &rows).map(u32::from));
        tile.put(part(&chunk.origins, &rows).map(|origin| origin.file));
        tile.put(part(&chunk.origins, &rows).map(|origin| origin.row as u32));
        tile.put(part(&chunk.origins, &rows).map(|origin| (origin.row >> 32) as u32));
        for (target, _) in chunk.targets().zip(&layout.targets).filter(|(_, is)| **is) {
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
                    let ends = part(offsets, &next);
                    tile.put(part(offsets, &rows).zip(ends).map(|(from, to)| to - from));
                }
            }
        }
        for row in rows {
            self.starts.push(self.entries.len());
            for column in chunk.columns() {
                if let Column::Lists {
                    offsets,
                    ids,
                    weights,
                } = column
                    && let Some([from, to]) = offsets.get(row..row + 2)
                {
                    let span = *from as usize..*to as usize;
                    self.entries
                        .extend_from_slice(ids.get(span.clone()).unwrap_or_default());
                    let weights = weights.get(span).unwrap_or_default().iter();
                    self.entries.extend(weights.map(|weight| weight.to_bits()));
                }
            }
        }
    }
}

fn part<T: Copy>(values: &[T], rows: &Range<usize>) -> impl Iterator<Item = T> {
    values.get(rows.clone()).unwrap_or_default().iter().copied()
}

/// New rows of a segment, to which words are added column by column.
struct Tile<'a> {
    tile: &'a mut [u32],
    words: usize,
    /// Words that the rows have so far.
    at: usize,
}

impl Tile<'_> {
    fn put(&mut self, values: impl Iterator<Item = u32>) {
        for (row, value) in self.tile.chunks_exact_mut(self.words).zip(values) {
            if let Some(word) = row.get_mut(self.at) {
                *word = value;
            }
        }
        self.at += 1;
    }

    fn put_vectors(&mut self, width: usize, values: &[f32], rows: &Range<usize>) {
        let values = values.get(rows.start * width..rows.end * width);
        let vectors = values.unwrap_or_default().chunks_exact(width.max(1));
        for (row, vector) in self.tile.chunks_exact_mut(self.words).zip(vectors) {
            let words = row.get_mut(self.at..).unwrap_or_default().iter_mut();
            words
                .zip(vector)
                .for_each(|(word, value)| *word = value.to_bits());
        }
        self.at += width;
    }
}

impl RecordLayout {
    fn fit(&mut self, chunk: &Chunk) {
        if self.words == 0 {
            self.targets = chunk.targets().map(|target| !target.is_empty()).collect();
            let targets = self.targets.iter().filter(|is| **is).count();
            let columns = chunk.columns().map(|column| match column {
                Column::Vectors { width, .. } => *width,
                Column::Ids(_) | Column::Numbers(_) | Column::Lists { .. } => 1,
            });
            self.words = HEAD + targets + columns.sum::<usize>();
            self.weighted = vec![false; chunk.columns().count()];
        }
        // A chunk whose lists are all empty does not tell.
        for (weighted, column) in self.weighted.iter_mut().zip(chunk.columns()) {
            *weighted |= matches!(column, Column::Lists { weights, .. } if !weights.is_empty());
        }
    }

    /// Appends rows to a chunk; `beside` is called once a column.
    fn read(&self, rows: &mut [RecordRow], mut beside: impl FnMut(), to: &mut Chunk) {
        let domain = |at| rows.iter().map(move |row| row.word(at) as u16);
        to.surface.extend(domain(0));
        to.product.extend(domain(1));
        to.origins.extend(rows.iter().map(|row| Origin {
            file: row.word(2),
            row: u64::from(row.word(3)) | u64::from(row.word(4)) << 32,
        }));
        let mut at = HEAD;
        for (target, _) in to.targets_mut().zip(&self.targets).filter(|(_, is)| **is) {
            beside();
            target.extend(rows.iter().map(|row| f32::from_bits(row.word(at))));
            at += 1;
        }
        for (column, weighted) in to.columns_mut().zip(&self.weighted) {
            beside();
            match column {
                Column::Ids(ids) => ids.extend(rows.iter().map(|row| row.word(at))),
                Column::Numbers(numbers) => {
                    numbers.extend(rows.iter().map(|row| f32::from_bits(row.word(at))));
                }
                Column::Vectors { width, values } => {
                    for row in rows.iter() {
                        let vector = row.fixed.get(at..at + *width).unwrap_or_default().iter();
                        values.extend(vector.map(|word| f32::from_bits(*word)));
                    }
                    at += *width;
                    continue;
                }
                Column::Lists {
                    offsets,
                    ids,
                    weights,
                } => {
                    for row in rows.iter_mut() {
                        let length = row.word(at);
                        ids.extend_from_slice(row.take(length));
                        offsets.push(ids.len() as u32);
                        if *weighted {
                            let words = row.take(length).iter();
                            weights.extend(words.map(|word| f32::from_bits(*word)));
                        }
                    }
                }
            }
            at += 1;
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
