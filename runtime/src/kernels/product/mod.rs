//! Products of matrices in host memory, by one thread, into memory that the caller has.
//!
//! float32 takes one of two ways. On a processor with AMX, every number is split into three bfloat16 parts that together
//! hold its 24 bits, and six products of the parts are summed in float32 ([`tiles`]): about twice as fast as the machine's
//! float32 instructions, and nearer to the exact product, for fewer sums are rounded at their full size. Elsewhere, for
//! float64 and for few rows, the `gemm` crate multiplies ([`plain`]). In bfloat16 both sides are rounded to it first, which on AMX leaves
//! one product instead of six; sums and results are float32 (or float64) as ever.
//!
//! An element of a product depends on its row and column alone, not on what else is multiplied with them.

mod plain;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod tiles;
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
#[path = "no_tiles.rs"]
mod tiles;

use std::ops::Range;
use std::sync::OnceLock;

use rayon::prelude::*;

use super::precision::Precision;
use super::real::Real;
use tiles::{Ahead, Tiles};

/// A matrix that lies row by row in memory, or the transpose of one.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, E> {
    values: &'a [E],
    /// Rows and columns as they lie in memory.
    rows: usize,
    columns: usize,
    /// From one row in memory to the next.
    stride: usize,
    transposed: bool,
}

impl<'a, E> View<'a, E> {
    /// A whole matrix, `[rows, columns]`; rows that the memory does not hold in full are left out.
    pub fn new(values: &'a [E], columns: usize) -> Self {
        Self::strided(values, values.len() / columns.max(1), columns, columns)
    }

    /// `rows` rows of `columns` columns, of which each begins `stride` elements after the one before.
    pub fn strided(values: &'a [E], rows: usize, columns: usize, stride: usize) -> Self {
        let held = match values.len().checked_sub(columns) {
            Some(rest) => rest / stride.max(1) + 1,
            None => 0,
        };
        Self {
            values,
            rows: rows.min(held),
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

    /// [`tiles::BLOCK`] columns from `start` on, or those that are there.
    fn some_columns(self, start: usize) -> Self {
        let end = (start + tiles::BLOCK).min(self.dims().1);
        self.transpose().band(start..end).transpose()
    }

    /// Some of its rows, which lie within it.
    fn band(self, rows: Range<usize>) -> Self {
        let (start, columns) = match self.transposed {
            false => (rows.start * self.stride, self.columns),
            true => (rows.start, rows.len()),
        };
        Self {
            values: self.values.get(start..).unwrap_or_default(),
            rows: if self.transposed {
                self.rows
            } else {
                rows.len()
            },
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

impl<E: Real> View<'_, E> {
    /// Splits it into the parts of a left or a right side; says whether it is float32, which alone has any.
    fn split(&self, left: bool, tiles: &mut Tiles) -> bool {
        let Some(values) = E::float32(self.values) else {
            return false;
        };
        let dims = (self.rows, self.columns);
        // In memory a left side has its rows, or k, one after another; a right side k, or its columns.
        match self.transposed == left {
            true => tiles.columns(values, self.stride, dims, left),
            false => tiles.rows(values, self.stride, dims, !left),
        }
        true
    }

    /// Its rows as they lie in memory, rounded to bfloat16, one after another.
    fn rounded(&self) -> Vec<E> {
        let rows = self.values.chunks(self.stride.max(1)).take(self.rows);
        let values = rows.flat_map(|row| row.iter().take(self.columns));
        values.map(|value| value.bfloat16()).collect()
    }

    /// Its memory, to be asked for.
    fn ahead(&self) -> Ahead {
        let values = E::float32(self.values).unwrap_or_default();
        match self.transposed {
            false => Ahead::strided(values, self.rows, self.stride),
            true => Ahead::whole(values.get(..self.rows * self.stride).unwrap_or_default()),
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
            tiles: rows >= TILE_ROWS && E::FLOAT32 && *TILES.get_or_init(tiles::available),
            precision,
        }
    }
}

/// One side of a product, made ready.
#[derive(Debug)]
pub struct Side<'a, E> {
    view: View<'a, E>,
    ready: Ready<E>,
}

#[derive(Debug)]
enum Ready<E> {
    /// By the plain way, which takes matrices as they lie.
    Plain,
    /// By the plain way: its rows, rounded, one after another in memory.
    Rounded(Vec<E>),
    /// Split into parts.
    Tiles(Tiles),
    /// To be split while it is multiplied.
    Later,
}

impl<'a, E: Real> Side<'a, E> {
    /// A left side, `[m, k]`.
    pub fn left(view: View<'a, E>, way: Way) -> Self {
        Self::new(view, way, true)
    }

    /// A right side, `[k, n]`.
    pub fn right(view: View<'a, E>, way: Way) -> Self {
        Self::new(view, way, false)
    }

    /// A right side that is multiplied with once or twice: its parts are made for some columns at a time, and stay in the core's cache.
    pub fn passing(view: View<'a, E>, way: Way) -> Self {
        match way.tiles {
            true => Self {
                view,
                ready: Ready::Later,
            },
            false => Self::right(view, way),
        }
    }

    fn new(view: View<'a, E>, way: Way, left: bool) -> Self {
        let tiles = match way.tiles {
            true => {
                let mut tiles = Tiles::new(way.precision);
                view.split(left, &mut tiles).then_some(tiles)
            }
            false => None,
        };
        let ready = match (tiles, way.precision) {
            (Some(tiles), _) => Ready::Tiles(tiles),
            (None, Precision::Float32) => Ready::Plain,
            (None, Precision::Bfloat16) => Ready::Rounded(view.rounded()),
        };
        Self { view, ready }
    }

    /// Where the numbers to multiply lie, on the plain way.
    fn plain(&self) -> View<'_, E> {
        match &self.ready {
            Ready::Rounded(values) => View {
                values,
                stride: self.view.columns,
                ..self.view
            },
            Ready::Plain | Ready::Tiles(_) | Ready::Later => self.view,
        }
    }
}

/// What becomes of what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// It is overwritten.
    Set,
    /// The product is added to it.
    Add,
}

/// `to = left · right`, or `to += left · right`: `[m, k]` and `[k, n]` to `[m, n]`, row by row. Both sides were made ready for
/// the same way.
pub fn multiply<E: Real>(left: &Side<'_, E>, right: &Side<'_, E>, to: &mut [E], target: Target) {
    let ((m, k), (depth, n)) = (left.view.dims(), right.view.dims());
    debug_assert_eq!(k, depth);
    debug_assert_eq!(to.len(), m * n);
    if k != depth || to.len() < m * n {
        return;
    }
    if let Ready::Tiles(left) = &left.ready
        && let Some(to) = E::float32_mut(to)
    {
        match &right.ready {
            Ready::Tiles(right) => tiles::multiply(left, right, to, (m, n), target),
            Ready::Later | Ready::Plain | Ready::Rounded(_) => {
                multiply_later(left, right.view, to, (m, n), target);
            }
        }
        return;
    }
    plain::multiply(left.plain(), right.plain(), to, target);
}

/// Rows of a product that one thread computes at a time.
const BAND: usize = 128;

/// `left · right`, row by row, by all threads.
pub fn product<E: Real>(left: View<'_, E>, right: View<'_, E>, way: Way) -> Vec<E> {
    let ((m, _), (_, n)) = (left.dims(), right.dims());
    let right = Side::right(right, way);
    let mut to = vec![E::default(); m * n];
    let bands = to.par_chunks_mut((BAND * n).max(1)).enumerate();
    bands.for_each(|(at, to)| {
        let start = at * BAND;
        let band = left.band(start..(start + BAND).min(m));
        multiply(&Side::left(band, way), &right, to, Target::Set);
    });
    to
}

/// Splits the right side as it goes.
fn multiply_later<E: Real>(
    left: &Tiles,
    right: View<'_, E>,
    to: &mut [f32],
    (m, n): (usize, usize),
    target: Target,
) {
    let mut tiles = Tiles::new(left.precision());
    for column in (0..n).step_by(tiles::BLOCK) {
        let some = right.some_columns(column);
        let next = right.some_columns(column + tiles::BLOCK);
        let ahead = if next.dims().1 > 0 { next } else { some }.ahead();
        if some.split(false, &mut tiles) {
            tiles::multiply_columns(left, &tiles, ahead, to, (m, n, column), target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(length: usize, seed: u64) -> Vec<f32> {
        let mut random = crate::hash::Random::new(seed, &[length as u64]);
        (0..length).map(|_| random.normals().0 as f32).collect()
    }

    /// The ways that there are here, in this precision.
    fn ways(precision: Precision) -> Vec<Way> {
        let ways = [false, tiles::available()].map(|tiles| Way { tiles, precision });
        ways.into_iter()
            .take(1 + usize::from(ways[1].tiles))
            .collect()
    }

    fn rounded(values: &[f32]) -> Vec<f32> {
        values.iter().map(|value| value.bfloat16()).collect()
    }

    fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
        let rows = values.len() / columns;
        let at = |at: usize| values[at % rows * columns + at / rows];
        (0..values.len()).map(at).collect()
    }

    /// Largest error of an element, as a part of the root of the sum of its squared terms.
    fn error(found: &[f32], a: &[f32], b: &[f32], k: usize) -> f64 {
        let n = b.len() / k;
        let deviation = |(at, &found): (usize, &f32)| {
            let terms = (0..k).map(|i| f64::from(a[at / n * k + i]) * f64::from(b[i * n + at % n]));
            let (sum, squares) = terms.fold((0.0, 0.0), |(s, q), term| (s + term, q + term * term));
            (f64::from(found) - sum).abs() / squares.sqrt()
        };
        found.iter().enumerate().map(deviation).fold(0.0, f64::max)
    }

    #[test]
    fn both_ways_are_the_product_in_every_layout() {
        for way in [Precision::Float32, Precision::Bfloat16]
            .into_iter()
            .flat_map(ways)
        {
            for (m, n, k) in [
                (1, 1, 1),
                (16, 16, 32),
                (37, 45, 70),
                (130, 65, 301),
                (64, 3, 33),
            ] {
                let (a, b) = (draws(m * k, 1), draws(k * n, 2));
                let (a_transposed, b_transposed) = (transposed(&a, k), transposed(&b, n));
                let (exact_a, exact_b) = match way.precision {
                    Precision::Float32 => (a.clone(), b.clone()),
                    Precision::Bfloat16 => (rounded(&a), rounded(&b)),
                };
                let lefts = [View::new(&a, k), View::new(&a_transposed, m).transpose()];
                let rights = [View::new(&b, n), View::new(&b_transposed, k).transpose()];
                for (left, right) in lefts.into_iter().flat_map(|l| rights.map(|r| (l, r))) {
                    let whole = product(left, right, way);
                    let left = Side::left(left, way);
                    let ready = Side::right(right, way);
                    let mut to = vec![f32::NAN; m * n];
                    multiply(&left, &ready, &mut to, Target::Set);
                    let worst = error(&to, &exact_a, &exact_b, k);
                    assert!(worst < 2e-6, "{way:?} {m} {n} {k}: {worst}");
                    if way.precision == Precision::Bfloat16 && k > 1 {
                        let other = error(&to, &a, &b, k);
                        assert!(other > 1e-4, "{way:?} {m} {n} {k}: {other}");
                    }
                    assert!(
                        error(&whole, &exact_a, &exact_b, k) < 2e-6,
                        "{way:?} {m} {n} {k}"
                    );
                    let once = to.clone();
                    multiply(&left, &ready, &mut to, Target::Add);
                    assert!(to.iter().zip(&once).all(|(two, one)| *two == 2.0 * one));
                    multiply(&left, &Side::passing(right, way), &mut to, Target::Set);
                    assert_eq!(to, once);
                }
            }
        }
    }

    #[test]
    fn parts_are_no_less_exact_than_float32() {
        let (m, n, k) = (96, 80, 512);
        let (a, b) = (draws(m * k, 3), draws(k * n, 4));
        let worst = ways(Precision::Float32).into_iter().map(|way| {
            let mut to = vec![0.0; m * n];
            let left = Side::left(View::new(&a, k), way);
            let right = Side::right(View::new(&b, n), way);
            multiply(&left, &right, &mut to, Target::Set);
            error(&to, &a, &b, k)
        });
        let worst: Vec<f64> = worst.collect();
        assert!(
            worst.is_sorted_by(|plain, tiles| tiles <= plain),
            "{worst:?}"
        );
    }

    #[test]
    fn a_row_is_the_same_whatever_is_multiplied_with_it() {
        let (n, k) = (48, 100);
        let (a, b) = (draws(200 * k, 5), draws(k * n, 6));
        let product = |a: &[f32]| {
            let way = Way::of::<f32>(200, Precision::Float32);
            let mut to = vec![0.0; a.len() / k * n];
            let left = Side::left(View::new(a, k), way);
            let right = Side::right(View::new(&b, n), way);
            multiply(&left, &right, &mut to, Target::Set);
            to
        };
        let (whole, part) = (product(&a), product(&a[70 * k..150 * k]));
        assert_eq!(whole[70 * n..150 * n], part);
    }

    #[test]
    fn bfloat16_is_the_nearest_and_ties_are_even() {
        let of = |bits: u32| f32::from_bits(bits).bfloat16().to_bits();
        for (bits, nearest) in [
            (0x3F80_0000, 0x3F80_0000),
            (0x3F80_7FFF, 0x3F80_0000),
            (0x3F80_8000, 0x3F80_0000),
            (0x3F81_8000, 0x3F82_0000),
            (0xBF80_8001, 0xBF81_0000),
            (0x7F7F_FFFF, 0x7F80_0000),
            (0x7F80_0000, 0x7F80_0000),
        ] {
            assert_eq!(of(bits), nearest, "{bits:x}");
        }
        assert!(f32::from_bits(0x7FFF_FFFF).bfloat16().is_nan());
        assert_eq!((1.0_f64 + 2.0_f64.powi(-8)).bfloat16(), 1.0);
    }

    #[test]
    fn strides_and_what_is_not_finite() {
        let values = draws(100 * 50, 7);
        let columns: Vec<f32> = values
            .chunks(50)
            .flat_map(|row| row[5..25].to_vec())
            .collect();
        let b = draws(20 * 30, 8);
        for way in [Precision::Float32, Precision::Bfloat16]
            .into_iter()
            .flat_map(ways)
        {
            let product = |view| {
                let mut to = vec![0.0; 100 * 30];
                let (left, right) = (Side::left(view, way), Side::right(View::new(&b, 30), way));
                multiply(&left, &right, &mut to, Target::Set);
                to
            };
            let strided = product(View::strided(&values[5..], 100, 20, 50));
            assert_eq!(strided, product(View::new(&columns, 20)));
            let mut broken = columns.clone();
            broken[3 * 20] = f32::INFINITY;
            broken[4 * 20] = f32::NAN;
            let product = product(View::new(&broken, 20));
            let finite = |row: usize| {
                product[row * 30..(row + 1) * 30]
                    .iter()
                    .any(|x| x.is_finite())
            };
            assert!(finite(2) && !finite(3) && !finite(4) && finite(5));
        }
    }
}
