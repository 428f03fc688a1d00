//! Pieces of work, as launches take them, and what they are written with.

use std::ops::Range;

use mtmd_schema::plan::{
    Address, Buffer, BufferId, Linear, Program, Scope, Storage, Target, View, Write,
};

use super::kernels::words::{NONE, OWN, light};
use crate::bug::{bug, check};

/// The kernel that does a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `kernels::light`.
    Light,
    /// `kernels::activate`, forward.
    Activate,
    /// `kernels::activate`, backward.
    ActivateBack,
    /// `kernels::product`.
    Product,
    /// `kernels::weight`.
    Weight,
    /// `kernels::sums`: no piece's, but what comes after all of them.
    Sums,
}

/// Work on the rows of one program that is done in one launch.
#[derive(Debug)]
pub struct Piece {
    /// Which operation of the pass it is of.
    pub op: usize,
    /// Columns of a row's memory that it reads.
    pub reads: Vec<Range<usize>>,
    /// Columns of a row's memory that it writes.
    pub writes: Vec<Range<usize>>,
    /// What is to be done.
    pub work: PieceWork,
}

/// What a piece does.
#[derive(Debug)]
pub enum PieceWork {
    /// Items of a kernel that works on rows, each as many words as the kernel's items have.
    Rows(Kind, Vec<Vec<u32>>),
    /// A gradient of matrices.
    Weight(WeightGradient),
}

impl PieceWork {
    /// The kernel.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Rows(kind, _) => *kind,
            Self::Weight(_) => Kind::Weight,
        }
    }
}

/// The gradient of the matrices of linear maps.
#[derive(Debug, Clone, Copy)]
pub struct WeightGradient {
    /// The maps: `from` their input, `to` the gradient of their output.
    pub maps: Linear,
    /// How it is written.
    pub write: Write,
    /// First column of the first map's input in a row's memory.
    pub input: usize,
    /// First column of the first map's output gradient in a row's memory.
    pub gradient: usize,
}

/// Columns of the sums over a tile's rows, and the parameters whose gradients they are.
#[derive(Debug, Default)]
pub struct Sums {
    /// Columns so far.
    pub columns: usize,
    /// Parameters: the first, how many, and the first column.
    pub of: Vec<(Address, usize, usize)>,
}

impl Sums {
    /// Columns for a parameter's gradient.
    pub fn add(&mut self, first: Address, width: usize) -> u32 {
        let column = self.columns;
        self.columns += width;
        self.of.push((first, width, column));
        word(column)
    }
}

/// A number as a word; larger ones than it has room for belong to a plan that no device has memory for.
pub fn word(value: usize) -> u32 {
    match u32::try_from(value) {
        Ok(word) if word < OWN => word,
        _ => bug!("{value} in a table of a device"),
    }
}

/// An address as a word.
pub fn address(address: Address) -> u32 {
    match address.scope {
        Scope::Own => OWN + word(address.offset),
        Scope::Tower => word(address.offset),
    }
}

/// Writes the pieces of one program.
#[derive(Debug)]
pub struct Lowering<'a> {
    program: &'a Program,
    /// What is summed over tiles.
    pub sums: Sums,
    /// Those so far.
    pub pieces: Vec<Piece>,
    /// Which operation of a pass is being written.
    pub op: usize,
}

impl<'a> Lowering<'a> {
    /// Of a program.
    pub fn new(program: &'a Program) -> Self {
        Self {
            program,
            sums: Sums::default(),
            pieces: Vec::new(),
            op: 0,
        }
    }

    /// Columns of a row's memory: saved buffers, then scratch.
    pub fn columns(&self, view: View) -> Range<usize> {
        let buffer = buffer(self.program, view.buffer);
        let base = match buffer.storage {
            Storage::Saved(column) => column,
            Storage::Scratch(column) => self.program.saved + column,
        };
        check!(view.start + view.width <= buffer.width, "{view:?}");
        let start = base + view.start;
        start..start + view.width
    }

    /// The first of them, as a word.
    pub fn at(&self, view: View) -> u32 {
        word(self.columns(view).start)
    }

    /// Adds a piece of a kernel that works on rows.
    pub fn push(&mut self, kind: Kind, reads: &[View], writes: &[View], items: Vec<Vec<u32>>) {
        let columns = |views: &[View]| views.iter().map(|view| self.columns(*view)).collect();
        let piece = Piece {
            op: self.op,
            reads: columns(reads),
            writes: columns(writes),
            work: PieceWork::Rows(kind, items),
        };
        self.pieces.push(piece);
    }

    /// An item of [`light`].
    pub fn light(&mut self, reads: &[View], writes: &[View], words: &[(usize, u32)]) {
        self.push(Kind::Light, reads, writes, vec![item(light::WORDS, words)]);
    }

    /// `into = from`, times a column if there is one.
    pub fn scale(&mut self, from: View, by: Option<View>, into: Target) {
        let words = [
            (light::OP, light::SCALE),
            (light::WIDTH, word(from.width)),
            (light::FROM, self.at(from)),
            (light::BY, by.map_or(NONE, |by| self.at(by))),
            (light::INTO, self.at(into.to)),
            (light::ADD, adds(into.write)),
        ];
        let reads: Vec<View> = by.into_iter().chain([from]).collect();
        self.light(&reads, &[into.to], &words);
    }

    /// The same in every row: parameters, or 0.
    pub fn repeat(&mut self, parameter: u32, to: View) {
        let words = [
            (light::OP, light::REPEAT),
            (light::WIDTH, word(to.width)),
            (light::BY, parameter),
            (light::INTO, self.at(to)),
        ];
        self.light(&[], &[to], &words);
    }
}

/// A buffer of a program.
pub fn buffer(program: &Program, id: BufferId) -> Buffer {
    match program.buffers.get(id.0) {
        Some(buffer) => *buffer,
        None => bug!("buffer {} of another program", id.0),
    }
}

/// An item with some of its words; all others are 0.
pub fn item(len: usize, words: &[(usize, u32)]) -> Vec<u32> {
    let mut item = vec![0; len];
    fill(&mut item, words);
    item
}

/// Sets words of an item.
pub fn fill(item: &mut [u32], words: &[(usize, u32)]) {
    for &(at, word) in words {
        match item.get_mut(at) {
            Some(to) => *to = word,
            None => bug!("word {at} of an item of {}", item.len()),
        }
    }
}

/// Whether a result is added, as a word.
pub fn adds(write: Write) -> u32 {
    u32::from(write == Write::Add)
}
