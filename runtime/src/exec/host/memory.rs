//! Memory of some rows on their way through a program, and views of it.
//!
//! Views of one operation may be columns of one buffer, some of them read and others written. So
//! they are pointers, which become slices row by row. What an operation writes is disjoint from all
//! else that it touches, but for what [`mtmd_schema::plan::Op::in_place`] allows: `verify` holds
//! this of every plan before it runs.

#![expect(
    unsafe_code,
    reason = "rows of several views of one buffer, some of them written"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "an id that is none stops with a message"
)]

use std::marker::PhantomData;

use mtmd_schema::plan::{BufferId, Program, Storage, View};

use super::product::{Matrix, MatrixMut};
use crate::bug::check;

/// Memory of some rows on their way through a program.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'a, E> {
    program: &'a Program,
    rows: usize,
    saved: *mut E,
    scratch: *mut E,
    life: PhantomData<&'a mut [E]>,
}

impl<'a, E> Memory<'a, E> {
    /// `saved` and `scratch` hold `rows` rows of the program's saved and scratch columns.
    pub fn new(
        program: &'a Program,
        rows: usize,
        saved: &'a mut [E],
        scratch: &'a mut [E],
    ) -> Self {
        check!(
            saved.len() == rows * program.saved && scratch.len() == rows * program.scratch,
            "memory of {} and {} elements for {rows} rows",
            saved.len(),
            scratch.len()
        );
        Self {
            program,
            rows,
            saved: saved.as_mut_ptr(),
            scratch: scratch.as_mut_ptr(),
            life: PhantomData,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Hands out all of a buffer, `[rows, width]`, to be filled between operations.
    pub fn fill(&self, buffer: BufferId, fill: impl FnOnce(&mut [E])) {
        let width = self.program.buffers[buffer.0].width;
        let view = View {
            buffer,
            start: 0,
            width,
        };
        // SAFETY: the buffer is within its region with no gap between its rows, and operations, which alone hold views, are over.
        fill(unsafe { std::slice::from_raw_parts_mut(self.first(view).0, self.rows * width) });
    }

    /// Copies a view between operations, to the columns from `column` on of a matrix `[rows, width]`.
    pub fn copy_to(&self, view: View, (to, width): (&mut [E], usize), column: usize)
    where
        E: Copy,
    {
        // SAFETY: operations, which alone write, are over.
        let from = unsafe { self.read(view) };
        for (to, from) in to.chunks_exact_mut(width).zip(from.iter()) {
            to[column..column + view.width].copy_from_slice(from);
        }
    }

    /// A view, to be read.
    ///
    /// # Safety
    /// The plan was verified, and nothing writes these columns, or columns in the same memory,
    /// while one of the view's rows is in use.
    pub unsafe fn read(&self, view: View) -> RowsRef<'a, E> {
        let (first, stride) = self.first(view);
        RowsRef {
            first,
            stride,
            width: view.width,
            rows: self.rows,
            life: PhantomData,
        }
    }

    /// A view, to be written.
    ///
    /// # Safety
    /// The plan was verified, and nothing else reads or writes these columns, or columns in the
    /// same memory, while one of the view's rows is in use.
    pub unsafe fn write(&self, view: View) -> RowsMut<'a, E> {
        let (first, stride) = self.first(view);
        RowsMut {
            first,
            stride,
            width: view.width,
            rows: self.rows,
            life: PhantomData,
        }
    }

    /// The first element of a view, and the elements from one row to the next.
    fn first(&self, view: View) -> (*mut E, usize) {
        let buffer = self.program.buffers[view.buffer.0];
        let (region, column) = match buffer.storage {
            Storage::Saved(column) => (self.saved, column),
            Storage::Scratch(column) => (self.scratch, column),
        };
        // SAFETY: the verified buffer is within its region, the view within the buffer.
        let first = unsafe { region.add(self.rows * column + view.start) };
        (first, buffer.width)
    }
}

/// Some columns of all rows, to be read.
#[derive(Debug)]
pub struct RowsRef<'a, E> {
    first: *const E,
    stride: usize,
    width: usize,
    rows: usize,
    life: PhantomData<&'a [E]>,
}

impl<'a, E> RowsRef<'a, E> {
    /// Columns.
    #[inline(always)]
    pub fn width(&self) -> usize {
        self.width
    }

    /// A row.
    #[inline(always)]
    pub fn row(&self, row: usize) -> &[E] {
        assert!(row < self.rows);
        // SAFETY: the row is within the buffer, and whoever made the view keeps others from writing it.
        unsafe { std::slice::from_raw_parts(self.first.add(row * self.stride), self.width) }
    }

    /// All rows, one after another.
    #[inline(always)]
    pub fn iter(&self) -> impl Iterator<Item = &[E]> {
        (0..self.rows).map(|row| self.row(row))
    }

    /// The rows as a matrix. Nothing may write the buffer while it is in use.
    pub fn matrix(self) -> Matrix<'a, E> {
        let length = length(self.rows, self.width, self.stride);
        // SAFETY: the rows are within the buffer.
        let values = unsafe { std::slice::from_raw_parts(self.first, length) };
        Matrix::strided(values, self.rows, self.width, self.stride)
    }
}

/// Some columns of all rows, to be written.
#[derive(Debug)]
pub struct RowsMut<'a, E> {
    first: *mut E,
    stride: usize,
    width: usize,
    rows: usize,
    life: PhantomData<&'a mut [E]>,
}

impl<'a, E> RowsMut<'a, E> {
    /// Columns.
    #[inline(always)]
    pub fn width(&self) -> usize {
        self.width
    }

    /// A row.
    #[inline(always)]
    pub fn row(&mut self, row: usize) -> &mut [E] {
        assert!(row < self.rows);
        // SAFETY: the row is within the buffer, and whoever made the view keeps others from it.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(row * self.stride), self.width) }
    }

    /// The rows as a matrix. Nothing else may touch the buffer while it is in use.
    pub fn matrix(self) -> MatrixMut<'a, E> {
        let length = length(self.rows, self.width, self.stride);
        // SAFETY: the rows are within the buffer.
        let values = unsafe { std::slice::from_raw_parts_mut(self.first, length) };
        MatrixMut::strided(values, self.width, self.stride)
    }
}

/// Elements from the first of the first row to the last of the last.
fn length(rows: usize, width: usize, stride: usize) -> usize {
    match rows {
        0 => 0,
        _ => (rows - 1) * stride + width,
    }
}
