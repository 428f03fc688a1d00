//! Which value of the graph each column of a program's buffers is.

use std::collections::BTreeSet;

use mtmd_schema::plan::{BufferId, View};

use super::graph::{Graph, Value, int, int64};
use crate::bug::{bug, check};

/// Columns of a buffer that are columns of one value, `[rows, of]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The value.
    pub value: Value,
    /// Columns of the value.
    pub of: usize,
    /// The first of these that is meant.
    pub at: usize,
    /// How many are meant.
    pub width: usize,
}

impl Piece {
    /// All columns of a value.
    pub fn whole(value: Value, width: usize) -> Self {
        Self {
            value,
            of: width,
            at: 0,
            width,
        }
    }

    fn columns(&self, start: usize, width: usize) -> Self {
        Self {
            at: self.at + start,
            width,
            ..self.clone()
        }
    }
}

/// The buffers of a program: by buffer, pieces one after another from a column on.
#[derive(Debug)]
pub struct Columns(Vec<Vec<(usize, Piece)>>);

impl Columns {
    /// Buffers that nothing has been written to.
    pub fn new(buffers: usize) -> Self {
        Self(vec![Vec::new(); buffers])
    }

    /// The pieces of a view, in the order of its columns.
    pub fn read(&self, view: View) -> Vec<Piece> {
        let end = view.start + view.width;
        let mut found: Vec<Piece> = Vec::new();
        let mut next = view.start;
        for (start, piece) in self.buffer(view.buffer) {
            let (from, to) = (view.start.max(*start), end.min(start + piece.width));
            if from >= to {
                continue;
            }
            check!(
                from == next,
                "column {next} of {view:?} is read before it is written"
            );
            next = to;
            found.push(piece.columns(from - start, to - from));
        }
        check!(
            next == end,
            "column {next} of {view:?} is read before it is written"
        );
        found
    }

    /// The longest parts of views of one width that are each columns of one value in every view: first column and width.
    pub fn common(&self, views: &[View]) -> Vec<(usize, usize)> {
        let mut ends = BTreeSet::new();
        for view in views {
            let mut end = 0;
            for piece in self.read(*view) {
                end += piece.width;
                ends.insert(end);
            }
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        starts
            .zip(&ends)
            .map(|(start, end)| (start, end - start))
            .collect()
    }

    /// Lets a view be these pieces.
    pub fn write(&mut self, view: View, pieces: impl IntoIterator<Item = Piece>) {
        let end = view.start + view.width;
        let buffer = self.buffer(view.buffer);
        let mut all: Vec<(usize, Piece)> = Vec::with_capacity(buffer.len() + 1);
        for (start, piece) in buffer {
            if *start < view.start {
                let width = piece.width.min(view.start - start);
                all.push((*start, piece.columns(0, width)));
            }
            if start + piece.width > end {
                let skipped = end.saturating_sub(*start);
                let rest = piece.columns(skipped, piece.width - skipped);
                all.push((start + skipped, rest));
            }
        }
        let mut next = view.start;
        for piece in pieces {
            let width = piece.width;
            all.push((next, piece));
            next += width;
        }
        check!(next == end, "{} columns for {view:?}", next - view.start);
        all.sort_by_key(|(start, _)| *start);
        match self.0.get_mut(view.buffer.0) {
            Some(buffer) => *buffer = all,
            None => bug!("buffer {} of {}", view.buffer.0, self.0.len()),
        }
    }

    fn buffer(&self, id: BufferId) -> &[(usize, Piece)] {
        match self.0.get(id.0) {
            Some(buffer) => buffer,
            None => bug!("buffer {} of {}", id.0, self.0.len()),
        }
    }
}

impl Graph {
    /// Some places of a value along an axis that has so many: the first one and their number.
    pub fn cut(
        &mut self,
        value: &str,
        (at, count): (usize, usize),
        all: usize,
        axis: i64,
    ) -> Value {
        if count == all {
            return value.to_owned();
        }
        let [start, end] = [at, at + count].map(|place| self.ints(&[int64(place)]));
        let axis = self.ints(&[axis]);
        self.node("Slice", &[value, &start, &end, &axis], &[])
    }

    /// The columns of a piece as one value.
    pub fn piece(&mut self, piece: &Piece) -> Value {
        self.cut(&piece.value, (piece.at, piece.width), piece.of, 1)
    }

    /// Pieces side by side as one value.
    pub fn join(&mut self, pieces: &[Piece]) -> Value {
        let merged = merged(pieces).into_iter();
        let values: Vec<Value> = merged.map(|piece| self.piece(&piece)).collect();
        match &values[..] {
            [one] => one.clone(),
            values => {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                self.node("Concat", &values, &[int("axis", 1)])
            }
        }
    }
}

/// Pieces, those that follow one another in a value as one.
fn merged(pieces: &[Piece]) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match merged.last_mut() {
            Some(last) if last.value == piece.value && last.at + last.width == piece.at => {
                last.width += piece.width;
            }
            _ => merged.push(piece.clone()),
        }
    }
    merged
}
