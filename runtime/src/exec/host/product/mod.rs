//! Products of matrices in host memory, by one thread, into memory that the caller has.
//!
//! float32 takes one of two ways. On a processor with AMX, every number is split into three bfloat16 parts that together
//! hold its 24 bits, and six products of the parts are summed in float32 ([`tiles`]): about twice as fast as the machine's
//! float32 instructions, and nearer to the exact product, for fewer sums are rounded at their full size. Elsewhere, for
//! float64 and for few rows, the `gemm` crate multiplies ([`plain`]). In bfloat16 both sides are rounded to it first, which on AMX leaves
//! one product instead of six; sums and results are float32 (or float64) as ever.
//!
//! How a product is made may depend on how many rows there are, and with it the order of the sums of an element. Where a row
//! must have the same product whatever rows are multiplied with it, as when it is scored, see [`Way::alike`].

mod plain;
#[cfg(test)]
mod tests;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
#[path = "no_tiles.rs"]
mod tiles;

use std::ops::Range;
use std::sync::OnceLock;

use mtmd_schema::plan::Write;
use rayon::prelude::*;

use super::real::Real;
use crate::bug::{bug, check};
use crate::schema::Precision;
use tiles::{Ahead, Tiles};

/// A matrix in memory, row by row, or the transpose of one.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, E> {
    values: &'a [E],
    /// Rows and columns in memory.
    rows: usize,
    columns: usize,
    /// From one row in memory to the next.
    stride: usize,
    transposed: bool,
}

impl<'a, E> Matrix<'a, E> {
    /// A whole matrix, `[rows, columns]`.
    pub fn new(values: &'a [E], columns: usize) -> Self {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        check!(
            rows * columns == values.len(),
            "{} elements are not rows of {columns}",
            values.len()
        );
        Self::strided(values, rows, columns, columns)
    }

    /// `rows` rows of `columns` columns, each `stride` elements after the one before.
    pub fn strided(values: &'a [E], rows: usize, columns: usize, stride: usize) -> Self {
        check_bounds(values.len(), rows, columns, stride);
        Self {
            values,
            rows,
            columns,
            stride,
            transposed: false,
        }
    }

    /// The transpose.
    pub fn transpose(self) -> Self {
        Self {
            transposed: !self.transposed,
            ..self
        }
    }

    /// At most [`tiles::BLOCK`] columns from `start` on.
    fn some_columns(self, start: usize) -> Self {
        let end = (start + tiles::BLOCK).min(self.dims().1);
        self.transpose().band(start..end).transpose()
    }

    /// Some of its rows.
    #[expect(clippy::indexing_slicing, reason = "the start is held to the length")]
    fn band(self, band: Range<usize>) -> Self {
        check!(
            band.start <= band.end && band.end <= self.dims().0,
            "rows {band:?} of {}",
            self.dims().0
        );
        let (start, rows, columns) = match self.transposed {
            false => (band.start * self.stride, band.len(), self.columns),
            true => (band.start, self.rows, band.len()),
        };
        let values = &self.values[start.min(self.values.len())..];
        check_bounds(values.len(), rows, columns, self.stride);
        Self {
            values,
            rows,
            columns,
            ..self
        }
    }

    /// Rows and columns.
    pub fn dims(&self) -> (usize, usize) {
        match self.transposed {
            false => (self.rows, self.columns),
            true => (self.columns, self.rows),
        }
    }
}

/// A matrix in memory that is written, row by row.
#[derive(Debug)]
pub struct MatrixMut<'a, E> {
    values: &'a mut [E],
    columns: usize,
    /// From one row in memory to the next.
    stride: usize,
}

impl<'a, E> MatrixMut<'a, E> {
    /// A whole matrix, `[rows, columns]`.
    pub fn new(values: &'a mut [E], columns: usize) -> Self {
        Self::strided(values, columns, columns)
    }

    /// Rows of `columns` columns, each `stride` elements after the one before.
    pub fn strided(values: &'a mut [E], columns: usize, stride: usize) -> Self {
        Self {
            values,
            columns,
            stride,
        }
    }

    /// The first `count` rows.
    fn rows(&mut self, count: usize) -> impl Iterator<Item = &mut [E]> {
        let columns = self.columns;
        let rows = self.values.chunks_mut(self.stride.max(1)).take(count);
        rows.map(move |row| match row.get_mut(..columns) {
            Some(row) => row,
            None => bug!("a row of less than {columns} columns"),
        })
    }

    /// That it has room for `rows` rows of `columns` columns.
    fn check(&self, rows: usize, columns: usize) {
        check!(
            self.columns == columns,
            "a product of {columns} columns goes to {}",
            self.columns
        );
        check_bounds(self.values.len(), rows, columns, self.stride);
    }
}

/// That memory of so many elements holds a matrix.
fn check_bounds(length: usize, rows: usize, columns: usize, stride: usize) {
    let needed = match rows {
        0 => 0,
        _ => (rows - 1) * stride + columns,
    };
    check!(
        stride >= columns && needed <= length,
        "{length} elements hold no {rows} rows of {columns} columns, {stride} elements apart"
    );
}

impl<E: Real> Matrix<'_, E> {
    /// Splits it into the parts of a left or a right side.
    fn split(&self, left: bool, tiles: &mut Tiles) {
        let Some(values) = E::float32(self.values) else {
            bug!("AMX multiplies float32 alone");
        };
        let dims = (self.rows, self.columns);
        // In memory a left side has its rows, or k, one after another; a right side k, or its columns.
        match self.transposed == left {
            true => tiles.columns(values, self.stride, dims, left),
            false => tiles.rows(values, self.stride, dims, !left),
        }
    }

    /// Its rows as they lie in memory, rounded, one after another.
    fn rounded(&self, precision: Precision) -> Vec<E> {
        let rows = self.values.chunks(self.stride.max(1)).take(self.rows);
        let values = rows.flat_map(|row| row.iter().take(self.columns));
        values.map(|value| value.rounded(precision)).collect()
    }

    /// Its memory, to be asked for.
    #[expect(clippy::indexing_slicing, reason = "the end is held to the length")]
    fn ahead(&self) -> Ahead {
        let Some(values) = E::float32(self.values) else {
            bug!("AMX multiplies float32 alone");
        };
        match self.transposed {
            false => Ahead::strided(values, self.rows, self.stride),
            true => Ahead::whole(&values[..(self.rows * self.stride).min(values.len())]),
        }
    }
}

/// How to multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// On AMX; else by the `gemm` crate.
    tiles: bool,
    /// What sides are rounded to.
    precision: Precision,
    /// Whether the sums of an element must not depend on the other rows.
    alike: bool,
}

/// Rows from which on it pays to split a weight into its parts.
const TILE_ROWS: usize = 64;

/// Whether AMX is used where it pays: decided once, so that all products of a process are made in one way.
static TILES: OnceLock<bool> = OnceLock::new();

/// Has products made as on a processor without AMX, if it is called before the first.
pub fn without_amx() {
    TILES.get_or_init(|| false);
}

impl Way {
    /// The faster way to multiply `rows` rows with a weight.
    pub fn of<E: Real>(rows: usize, precision: Precision) -> Self {
        Self {
            tiles: rows >= TILE_ROWS
                && E::FLOAT32
                && precision != Precision::Tf32
                && *TILES.get_or_init(tiles::available),
            precision,
            alike: false,
        }
    }

    /// The way that gives a row the same product, to the bit, whatever rows are multiplied with it.
    pub fn alike(precision: Precision) -> Self {
        Self {
            tiles: false,
            precision,
            alike: true,
        }
    }

    /// Whether a side that is made ready is a copy.
    pub fn copies(self) -> bool {
        self.tiles || self.precision != Precision::Float32
    }
}

/// One side of a product, made ready.
#[derive(Debug)]
pub struct Side<'a, E> {
    matrix: Matrix<'a, E>,
    way: Way,
    ready: SideForm<E>,
}

#[derive(Debug)]
enum SideForm<E> {
    /// Without AMX: as it is in memory.
    Plain,
    /// Without AMX: its rows, rounded, one after another in memory.
    Rounded(Vec<E>),
    /// Split into parts.
    Tiles(Tiles),
    /// To be split while it is multiplied.
    Later,
}

impl<'a, E: Real> Side<'a, E> {
    /// A left side, `[m, k]`.
    pub fn left(matrix: Matrix<'a, E>, way: Way) -> Self {
        Self::new(matrix, way, true)
    }

    /// A right side, `[k, n]`.
    pub fn right(matrix: Matrix<'a, E>, way: Way) -> Self {
        Self::new(matrix, way, false)
    }

    /// A right side that is multiplied with once or twice: its parts are made for some columns at a time, and stay in the core's cache.
    pub fn passing(matrix: Matrix<'a, E>, way: Way) -> Self {
        match way.tiles {
            true => Self {
                matrix,
                way,
                ready: SideForm::Later,
            },
            false => Self::right(matrix, way),
        }
    }

    fn new(matrix: Matrix<'a, E>, way: Way, left: bool) -> Self {
        let ready = match (way.tiles, way.precision) {
            (true, precision) => {
                let mut tiles = Tiles::new(precision);
                matrix.split(left, &mut tiles);
                SideForm::Tiles(tiles)
            }
            (false, Precision::Float32) => SideForm::Plain,
            (false, precision @ (Precision::Tf32 | Precision::Bfloat16)) => {
                SideForm::Rounded(matrix.rounded(precision))
            }
        };
        Self { matrix, way, ready }
    }

    /// The numbers to multiply, without AMX.
    fn plain(&self) -> Matrix<'_, E> {
        match &self.ready {
            SideForm::Plain => self.matrix,
            SideForm::Rounded(values) => Matrix {
                values,
                stride: self.matrix.columns,
                ..self.matrix
            },
            SideForm::Tiles(_) | SideForm::Later => bug!("a side for AMX is multiplied without it"),
        }
    }
}

/// `to = left · right`, or `to += left · right`: `[m, k]` and `[k, n]` to `[m, n]`. Both sides were made ready for the same way.
pub fn multiply<E: Real>(
    left: &Side<'_, E>,
    right: &Side<'_, E>,
    to: MatrixMut<'_, E>,
    write: Write,
) {
    let ((m, k), (depth, n)) = (left.matrix.dims(), right.matrix.dims());
    check!(k == depth, "a product of [{m}, {k}] and [{depth}, {n}]");
    check!(left.way == right.way, "two sides made ready for two ways");
    to.check(m, n);
    let SideForm::Tiles(left) = &left.ready else {
        let multiply = match left.way.alike {
            true => plain::multiply_alike,
            false => plain::multiply,
        };
        return multiply(left.plain(), right.plain(), to, write);
    };
    let MatrixMut { values, stride, .. } = to;
    let Some(values) = E::float32_mut(values) else {
        bug!("AMX multiplies float32 alone");
    };
    let to = MatrixMut::strided(values, n, stride);
    match &right.ready {
        SideForm::Tiles(right) => tiles::multiply(left, right, to, m, write),
        SideForm::Later => multiply_later(left, right.matrix, to, m, write),
        SideForm::Plain | SideForm::Rounded(_) => bug!("a side for AMX is multiplied without it"),
    }
}

/// Rows of a product that one thread computes at a time.
const BAND: usize = 128;

/// `left · right`, row by row, by all threads.
pub fn product<E: Real>(left: Matrix<'_, E>, right: Matrix<'_, E>, way: Way) -> Vec<E> {
    let ((m, _), (_, n)) = (left.dims(), right.dims());
    let right = Side::right(right, way);
    let mut to = vec![E::default(); m * n];
    let bands = to.par_chunks_mut((BAND * n).max(1)).enumerate();
    bands.for_each(|(at, to)| {
        let start = at * BAND;
        let band = left.band(start..(start + BAND).min(m));
        multiply(
            &Side::left(band, way),
            &right,
            MatrixMut::new(to, n),
            Write::Set,
        );
    });
    to
}

/// Splits the right side as it goes.
fn multiply_later<E: Real>(
    left: &Tiles,
    right: Matrix<'_, E>,
    mut to: MatrixMut<'_, f32>,
    m: usize,
    write: Write,
) {
    let n = to.columns;
    let mut tiles = Tiles::new(left.precision());
    for column in (0..n).step_by(tiles::BLOCK) {
        let some = right.some_columns(column);
        let next = match column + tiles::BLOCK {
            next if next < n => right.some_columns(next),
            _ => some,
        };
        some.split(false, &mut tiles);
        tiles::multiply_columns(left, &tiles, next.ahead(), &mut to, (m, column), write);
    }
}
