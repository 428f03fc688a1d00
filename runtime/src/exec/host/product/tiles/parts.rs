//! Matrices as tiles of bfloat16 parts.

use std::arch::x86_64::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bug::bug;
use crate::exec::host::spare::BySize;
use crate::schema::Precision;

/// Rows of a tile, and pairs in a row of it.
pub const SIDE: usize = 16;
/// Elements along k that one tile holds, as pairs: one of the first half with one of the second.
const DEPTH: usize = 2 * SIDE;
/// Parts of a number that together are all of it.
pub const ALL: usize = 3;
/// Lines of a tile.
pub const LINES: usize = SIDE;

/// A row of a tile: sixteen pairs of bfloat16.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(64))]
pub struct Line([u32; SIDE]);

/// A side of a product. Each run of [`SIDE`] rows of a left side, or columns of a right one, is a row of tiles along k, each
/// with its parts one after another. What lies outside the matrix is zero.
#[derive(Debug)]
pub struct Tiles {
    /// As many as a power of two; what lies behind the last run has no meaning.
    lines: Vec<Line>,
    /// Runs of rows or columns.
    runs: usize,
    /// Tiles along k.
    pub depth: usize,
    /// Parts of a number: [`ALL`], or 1 that is rounded.
    pub parts: usize,
}

/// Memory of tiles that are no more, for those to come.
fn spare() -> MutexGuard<'static, BySize<Line>> {
    static SPARE: Mutex<BySize<Line>> = Mutex::new(BySize::new());
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Tiles {
    fn drop(&mut self) {
        if !self.lines.is_empty() {
            spare().put(std::mem::take(&mut self.lines));
        }
    }
}

impl Tiles {
    /// Without content.
    pub fn new(precision: Precision) -> Self {
        Self {
            lines: Vec::new(),
            runs: 0,
            depth: 0,
            parts: match precision {
                Precision::Float32 => ALL,
                Precision::Tf32 => bug!("AMX does not multiply TF32"),
                Precision::Bfloat16 => 1,
            },
        }
    }

    /// Holds from now on a matrix in memory whose rows are the runs and whose columns lie along k; `turned` for a right side, in whose
    /// tiles the rows of the matrix are columns.
    pub fn rows(&mut self, values: &[f32], stride: usize, dims: (usize, usize), turned: bool) {
        self.reserve(dims.0, dims.1);
        check(values, stride, dims);
        // SAFETY: tiles are made only where `available` has found these features; `check` has seen the bounds.
        unsafe {
            match self.parts {
                ALL => self.fill_rows::<ALL>(values, stride, dims, turned),
                _ => self.fill_rows::<1>(values, stride, dims, turned),
            }
        }
    }

    /// Holds from now on a matrix in memory whose columns are the runs and whose rows lie along k; `turned` for a left side, in whose
    /// tiles the columns of the matrix are rows.
    pub fn columns(&mut self, values: &[f32], stride: usize, dims: (usize, usize), turned: bool) {
        self.reserve(dims.1, dims.0);
        check(values, stride, dims);
        // SAFETY: as in `rows`.
        unsafe {
            match self.parts {
                ALL => self.fill_columns::<ALL>(values, stride, dims, turned),
                _ => self.fill_columns::<1>(values, stride, dims, turned),
            }
        }
    }

    /// What its numbers are rounded to.
    pub fn precision(&self) -> Precision {
        match self.parts {
            1 => Precision::Bfloat16,
            _ => Precision::Float32,
        }
    }

    /// Runs two by two; a last one without a neighbour stands twice.
    #[expect(clippy::indexing_slicing, reason = "`reserve` took room for all runs")]
    pub fn pairs(&self) -> impl Iterator<Item = [&[Line]; 2]> {
        let run = self.depth * self.parts * LINES;
        let lines = &self.lines[..self.runs * run];
        lines.chunks(2 * run.max(1)).map(move |pair| {
            let (first, second) = pair.split_at(run.min(pair.len()));
            [first, if second.is_empty() { first } else { second }]
        })
    }

    /// Takes a size; what it holds has no meaning.
    fn reserve(&mut self, outer: usize, depth: usize) {
        (self.runs, self.depth) = (outer.div_ceil(SIDE), depth.div_ceil(DEPTH));
        let lines = self.runs * self.depth * self.parts * LINES;
        if self.lines.len() < lines {
            let found = spare().take(lines);
            self.lines = found.unwrap_or_else(|| BySize::fresh(lines));
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn fill_rows<const PARTS: usize>(
        &mut self,
        values: &[f32],
        stride: usize,
        (rows, columns): (usize, usize),
        turned: bool,
    ) {
        let mut tiles = self.lines.chunks_exact_mut(PARTS * LINES);
        for run in (0..rows).step_by(SIDE) {
            for depth in (0..columns).step_by(DEPTH) {
                let Some(tile) = tiles.next() else {
                    bug!("fewer tiles than the matrix needs");
                };
                let left = columns - depth;
                let masks = (mask(left), mask(left.saturating_sub(SIDE)));
                for line in 0..LINES {
                    let from = values.as_ptr().wrapping_add((run + line) * stride + depth);
                    let here = run + line < rows;
                    let [low, high] = [masks.0, masks.1].map(|mask| if here { mask } else { 0 });
                    // SAFETY: the masks keep the loads within the row.
                    let (low, high) = unsafe {
                        let high = _mm512_maskz_loadu_ps(high, from.wrapping_add(SIDE));
                        (_mm512_maskz_loadu_ps(low, from), high)
                    };
                    store(tile, line, split::<PARTS>(low, high));
                }
                if turned {
                    turn(tile);
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    #[expect(clippy::indexing_slicing, reason = "`reserve` took room for all runs")]
    fn fill_columns<const PARTS: usize>(
        &mut self,
        values: &[f32],
        stride: usize,
        (rows, columns): (usize, usize),
        turned: bool,
    ) {
        let run_lines = self.depth * PARTS * LINES;
        for depth in (0..rows).step_by(DEPTH) {
            for run in (0..columns).step_by(SIDE) {
                let start = run / SIDE * run_lines + depth / DEPTH * PARTS * LINES;
                let tile = &mut self.lines[start..start + PARTS * LINES];
                let mask = mask(columns - run);
                for line in 0..LINES {
                    let load = |row: usize| {
                        let mask = if row < rows { mask } else { 0 };
                        let from = values.as_ptr().wrapping_add(row * stride + run);
                        // SAFETY: the masks keep the loads within the rows.
                        unsafe { _mm512_maskz_loadu_ps(mask, from) }
                    };
                    let (first, second) = (load(depth + line), load(depth + line + SIDE));
                    store(tile, line, split::<PARTS>(first, second));
                }
                if turned {
                    turn(tile);
                }
            }
        }
    }
}

/// That the memory holds the matrix.
fn check(values: &[f32], stride: usize, (rows, columns): (usize, usize)) {
    assert!(rows == 0 || (rows - 1) * stride + columns <= values.len());
}

/// The first `count` of sixteen.
fn mask(count: usize) -> __mmask16 {
    match count {
        0..SIDE => (1 << count) - 1,
        _ => __mmask16::MAX,
    }
}

/// Sixteen pairs of numbers as so many times sixteen pairs of bfloat16.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn split<const PARTS: usize>(mut first: __m512, mut second: __m512) -> [__m512i; PARTS] {
    if PARTS == 1 {
        return [rounded(first, second); PARTS];
    }
    [(); PARTS].map(|()| {
        let part = pairs(first, second);
        (first, second) = (rest(first), rest(second));
        part
    })
}

/// Numbers side by side, rounded to the nearest bfloat16.
#[target_feature(enable = "avx512f,avx512bf16")]
#[inline]
fn rounded(first: __m512, second: __m512) -> __m512i {
    let [first, second] = [_mm512_cvtneps_pbh(first), _mm512_cvtneps_pbh(second)]
        // SAFETY: both types are sixteen numbers of two bytes.
        .map(|half| {
            _mm512_cvtepu16_epi32(unsafe { std::mem::transmute::<__m256bh, __m256i>(half) })
        });
    _mm512_or_si512(first, _mm512_slli_epi32::<16>(second))
}

/// The upper halves of numbers, side by side: bfloat16, rounded to zero.
#[target_feature(enable = "avx512f")]
#[inline]
fn pairs(first: __m512, second: __m512) -> __m512i {
    let first = _mm512_srli_epi32::<16>(_mm512_castps_si512(first));
    // (second and UPPER) or first
    _mm512_ternarylogic_epi32::<0xF8>(first, _mm512_castps_si512(second), _mm512_set1_epi32(UPPER))
}

/// What the upper halves leave of numbers; exact.
#[target_feature(enable = "avx512f")]
#[inline]
fn rest(numbers: __m512) -> __m512 {
    let upper = _mm512_and_si512(_mm512_castps_si512(numbers), _mm512_set1_epi32(UPPER));
    _mm512_sub_ps(numbers, _mm512_castsi512_ps(upper))
}

/// The upper half of a number.
const UPPER: i32 = -1 << 16;

#[target_feature(enable = "avx512f")]
#[inline]
fn store<const PARTS: usize>(tile: &mut [Line], line: usize, parts: [__m512i; PARTS]) {
    for (to, part) in tile.iter_mut().skip(line).step_by(LINES).zip(parts) {
        // SAFETY: a line is 64 aligned bytes.
        unsafe { _mm512_store_si512(std::ptr::from_mut(to).cast(), part) };
    }
}

/// Transposes each part of a tile, 16 lines of 16 pairs.
#[target_feature(enable = "avx512f")]
fn turn(tile: &mut [Line]) {
    for part in tile.chunks_exact_mut(LINES) {
        let mut lines = [_mm512_setzero_si512(); LINES];
        for (line, from) in lines.iter_mut().zip(&*part) {
            // SAFETY: a line is 64 aligned bytes.
            *line = unsafe { _mm512_load_si512(std::ptr::from_ref(from).cast()) };
        }
        turn_lines(&mut lines);
        for (to, line) in part.iter_mut().zip(lines) {
            // SAFETY: as above.
            unsafe { _mm512_store_si512(std::ptr::from_mut(to).cast(), line) };
        }
    }
}

/// Transposes 16 lines of 16 pairs.
#[target_feature(enable = "avx512f")]
#[inline]
#[expect(clippy::indexing_slicing, reason = "sixteen lines")]
fn turn_lines(lines: &mut [__m512i; LINES]) {
    let mut other = *lines;
    for at in 0..8 {
        let (one, two) = (lines[2 * at], lines[2 * at + 1]);
        other[2 * at] = _mm512_unpacklo_epi32(one, two);
        other[2 * at + 1] = _mm512_unpackhi_epi32(one, two);
    }
    for at in (0..16).step_by(4) {
        lines[at] = _mm512_unpacklo_epi64(other[at], other[at + 2]);
        lines[at + 1] = _mm512_unpackhi_epi64(other[at], other[at + 2]);
        lines[at + 2] = _mm512_unpacklo_epi64(other[at + 1], other[at + 3]);
        lines[at + 3] = _mm512_unpackhi_epi64(other[at + 1], other[at + 3]);
    }
    for at in [0, 1, 2, 3, 8, 9, 10, 11] {
        other[at] = _mm512_shuffle_i32x4::<0x88>(lines[at], lines[at + 4]);
        other[at + 4] = _mm512_shuffle_i32x4::<0xdd>(lines[at], lines[at + 4]);
    }
    for at in 0..8 {
        lines[at] = _mm512_shuffle_i32x4::<0x88>(other[at], other[at + 8]);
        lines[at + 8] = _mm512_shuffle_i32x4::<0xdd>(other[at], other[at + 8]);
    }
}
