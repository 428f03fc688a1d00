//! The format of a row in a shuffle's buffer: words of 32 bits.

#![expect(
    clippy::indexing_slicing,
    reason = "words are those of the layout, which every chunk is held to"
)]

use std::ops::Range;

use crate::bug::{bug, check, zip_equal};
use crate::data::batch::Column;
use crate::data::batch::chunk::Chunk;
use crate::data::origin::Origin;
use crate::data::prefetch::fetch;

/// Words of a row before its targets: its domains, and where it comes from.
const HEAD: usize = 4;

/// The layout of a row: the first chunk determines it for all.
#[derive(Debug)]
pub(super) struct RecordLayout {
    /// Words of a row but for the entries of its lists.
    pub words: usize,
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

/// A row in its place.
#[derive(Clone, Copy)]
pub(super) struct RecordRow<'a> {
    /// Words of the layout: see [`RecordLayout::write`].
    pub fixed: &'a [u32],
    /// Entries of its lists that were not read yet: see [`write_entries`].
    pub entries: &'a [u32],
}

impl<'a> RecordRow<'a> {
    /// The next entries.
    fn take(&mut self, length: u32) -> &'a [u32] {
        let (taken, rest) = self.entries.split_at(length as usize);
        self.entries = rest;
        taken
    }

    /// Prefetches it into the cache, as it is read soon.
    pub(super) fn fetch(&self) {
        fetch(self.fixed);
        fetch(self.entries);
    }
}

impl RecordLayout {
    pub(super) fn of(chunk: &Chunk) -> Self {
        let targets: Vec<bool> = chunk.targets().map(|target| !target.is_empty()).collect();
        let columns: Vec<ColumnLayout> = chunk.columns().map(ColumnLayout::of).collect();
        let words = columns.iter().map(ColumnLayout::words).sum::<usize>();
        Self {
            words: HEAD + targets.iter().filter(|is| **is).count() + words,
            targets,
            columns,
        }
    }

    /// Whether a list has this many entries.
    pub(super) fn has_entries(&self, most: usize) -> bool {
        let mut columns = self.columns.iter();
        columns.any(|column| matches!(column, ColumnLayout::List(list) if list.entries >= most))
    }

    /// Stops unless a chunk has this many targets and columns.
    pub(super) fn check_counts(&self, chunk: &Chunk) {
        let found = (chunk.targets().count(), chunk.columns().count());
        let (targets, columns) = (self.targets.len(), self.columns.len());
        check!(
            found == (targets, columns),
            "{found:?} targets and columns of a chunk, {:?} of the others",
            (targets, columns)
        );
    }

    /// Takes up a chunk. Stops unless its rows are made of the same.
    pub(super) fn add(&mut self, chunk: &Chunk) {
        self.check_counts(chunk);
        for (has, target) in self.targets.iter().zip(chunk.targets()) {
            check!(*has != target.is_empty(), "chunks with different targets");
        }
        for (layout, column) in self.columns.iter_mut().zip(chunk.columns()) {
            layout.add(column);
        }
    }

    /// Writes the words of some rows of a chunk that fits the layout.
    pub(super) fn write(&self, chunk: &Chunk, rows: &Range<usize>, to: &mut [u32]) {
        let mut tile = Tile {
            tile: to,
            words: self.words,
            at: 0,
        };
        let domains = zip_equal(part(&chunk.surface, rows), part(&chunk.product, rows));
        tile.put(domains.map(|(surface, product)| u32::from(surface) | u32::from(product) << 16));
        tile.put(part(&chunk.origins, rows).map(|origin| origin.file));
        tile.put(part(&chunk.origins, rows).map(|origin| origin.row as u32));
        tile.put(part(&chunk.origins, rows).map(|origin| (origin.row >> 32) as u32));
        for target in chunk.targets().filter(|target| !target.is_empty()) {
            tile.put(part(target, rows).map(f32::to_bits));
        }
        for column in chunk.columns() {
            match column {
                Column::Ids(ids) => tile.put(part(ids, rows)),
                Column::Numbers(numbers) => tile.put(part(numbers, rows).map(f32::to_bits)),
                Column::Vectors { width, values } => {
                    tile.put_vectors(*width, values, rows);
                }
                Column::Lists { offsets, .. } => {
                    let next = rows.start + 1..rows.end + 1;
                    let spans = zip_equal(part(offsets, rows), part(offsets, &next));
                    tile.put(spans.map(|(from, to)| to - from));
                }
            }
        }
    }

    /// Appends rows to a chunk with this many targets and columns; `beside` is called once per column.
    pub(super) fn read(&self, rows: &mut [RecordRow], mut beside: impl FnMut(), to: &mut Chunk) {
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

/// Appends the entries of a row's lists.
pub(super) fn write_entries(chunk: &Chunk, row: usize, to: &mut Vec<u32>) {
    for column in chunk.columns() {
        if let Column::Lists {
            offsets,
            ids,
            weights,
        } = column
        {
            let span = offsets[row] as usize..offsets[row + 1] as usize;
            to.extend_from_slice(&ids[span.clone()]);
            if !weights.is_empty() {
                let weights = weights[span].iter();
                to.extend(weights.map(|weight| weight.to_bits()));
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
