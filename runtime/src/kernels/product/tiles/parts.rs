//! Matrices as tiles of bfloat16 parts.

use std::arch::x86_64::*;

/// Rows of a tile, and pairs in a row of it.
pub const SIDE: usize = 16;
/// Elements along k that one tile holds: its rows, or its columns, are pairs of them.
const DEPTH: usize = 2 * SIDE;
/// Parts of a number.
pub const PARTS: usize = 3;
/// Lines of a tile.
pub const LINES: usize = SIDE;

/// A row of a tile: sixteen pairs of bfloat16.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub struct Line([u32; SIDE]);

/// A side of a product. Each run of [`SIDE`] rows of a left side, or columns of a right one, is a row of tiles along k, each
/// with its three parts one after another. What lies outside the matrix is zero.
#[derive(Debug, Default)]
pub struct Tiles {
    lines: Vec<Line>,
    /// Runs of rows or columns.
    runs: usize,
    /// Tiles along k.
    pub depth: usize,
}

/// The parts of a tile.
type Parts = [[__m512i; LINES]; PARTS];

impl Tiles {
    /// Of a matrix in memory whose rows are the runs and whose columns lie along k; `turned` for a right side, in whose tiles
    /// the rows of the matrix are columns.
    pub fn rows(&mut self, values: &[f32], stride: usize, dims: (usize, usize), turned: bool) {
        self.reset(dims.0, dims.1);
        check(values, stride, dims);
        // SAFETY: tiles are made only where `available` has found these features; `check` has seen the bounds.
        unsafe {
            match turned {
                false => self.fill_rows::<false>(values, stride, dims),
                true => self.fill_rows::<true>(values, stride, dims),
            }
        }
    }

    /// Of a matrix in memory whose columns are the runs and whose rows lie along k; `turned` for a left side, in whose tiles
    /// the columns of the matrix are rows.
    pub fn columns(&mut self, values: &[f32], stride: usize, dims: (usize, usize), turned: bool) {
        self.reset(dims.1, dims.0);
        check(values, stride, dims);
        // SAFETY: as in `rows`.
        unsafe {
            match turned {
                false => self.fill_columns::<false>(values, stride, dims),
                true => self.fill_columns::<true>(values, stride, dims),
            }
        }
    }

    /// Runs two by two; a last one without a neighbour stands twice.
    pub fn pairs(&self) -> impl Iterator<Item = [&[Line]; 2]> {
        let run = self.depth * PARTS * LINES;
        let lines = self.lines.get(..self.runs * run).unwrap_or_default();
        lines.chunks(2 * run.max(1)).map(move |pair| {
            let (first, second) = pair.split_at(run.min(pair.len()));
            [first, if second.is_empty() { first } else { second }]
        })
    }

    fn reset(&mut self, outer: usize, depth: usize) {
        (self.runs, self.depth) = (outer.div_ceil(SIDE), depth.div_ceil(DEPTH));
        let lines = self.runs * self.depth * PARTS * LINES;
        if self.lines.len() < lines {
            self.lines.resize(lines, Line([0; SIDE]));
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn fill_rows<const TURNED: bool>(
        &mut self,
        values: &[f32],
        stride: usize,
        (rows, columns): (usize, usize),
    ) {
        let mut to = self.lines.chunks_exact_mut(PARTS * LINES);
        for run in (0..rows).step_by(SIDE) {
            for depth in (0..columns).step_by(DEPTH) {
                let mut parts = [[_mm512_setzero_si512(); LINES]; PARTS];
                let left = columns - depth;
                let masks = (mask(left), mask(left.saturating_sub(SIDE)));
                for line in 0..(rows - run).min(SIDE) {
                    let from = values.as_ptr().wrapping_add((run + line) * stride + depth);
                    // SAFETY: the masks keep the loads within the row.
                    let (low, high) = unsafe {
                        let high = _mm512_maskz_loadu_ps(masks.1, from.wrapping_add(SIDE));
                        (_mm512_maskz_loadu_ps(masks.0, from), high)
                    };
                    set(&mut parts, line, split(low, high));
                }
                if let Some(to) = to.next() {
                    store::<TURNED>(to, &mut parts);
                }
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    fn fill_columns<const TURNED: bool>(
        &mut self,
        values: &[f32],
        stride: usize,
        (rows, columns): (usize, usize),
    ) {
        let zip = zip_order();
        let run_lines = self.depth * PARTS * LINES;
        for depth in (0..rows).step_by(DEPTH) {
            for run in (0..columns).step_by(SIDE) {
                let mut parts = [[_mm512_setzero_si512(); LINES]; PARTS];
                let mask = mask(columns - run);
                for (line, row) in (depth..rows.min(depth + DEPTH)).step_by(2).enumerate() {
                    let from = values.as_ptr().wrapping_add(row * stride + run);
                    let after = if row + 1 < rows { mask } else { 0 };
                    // SAFETY: the masks keep the loads within the rows.
                    let (first, second) = unsafe {
                        let second = _mm512_maskz_loadu_ps(after, from.wrapping_add(stride));
                        (_mm512_maskz_loadu_ps(mask, from), second)
                    };
                    let split = split(first, second);
                    let zipped = split.map(|part| _mm512_permutexvar_epi16(zip, part));
                    set(&mut parts, line, zipped);
                }
                let start = run / SIDE * run_lines + depth / DEPTH * PARTS * LINES;
                if let Some(to) = self.lines.get_mut(start..start + PARTS * LINES) {
                    store::<TURNED>(to, &mut parts);
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

/// 0, 16, 1, 17, …: the two halves of a line, zipped.
#[target_feature(enable = "avx512f")]
fn zip_order() -> __m512i {
    let pair = |at: i32| at | (at + 16) << 16;
    let [a, b, c, d] = [0, 4, 8, 12].map(|at| [0, 1, 2, 3].map(|i| pair(at + i)));
    _mm512_setr_epi32(
        a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3], c[0], c[1], c[2], c[3], d[0], d[1], d[2],
        d[3],
    )
}

/// 32 numbers as three times 32 bfloat16, in their order.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn split(low: __m512, high: __m512) -> [__m512i; PARTS] {
    let h = round(low, high);
    let (low, high) = less(low, high, h);
    let m = round(low, high);
    let (low, high) = less(low, high, m);
    [h, m, round(low, high)]
}

/// The nearest bfloat16.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn round(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both are 512 bits without a meaning of their own.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// What is left of the numbers without this part; exact.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn less(low: __m512, high: __m512, part: __m512i) -> (__m512, __m512) {
    let widen = |half| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)));
    let low_part = widen(_mm512_castsi512_si256(part));
    let high_part = widen(_mm512_extracti64x4_epi64::<1>(part));
    (_mm512_sub_ps(low, low_part), _mm512_sub_ps(high, high_part))
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn set(parts: &mut Parts, line: usize, values: [__m512i; PARTS]) {
    for (part, value) in parts.iter_mut().zip(values) {
        if let Some(to) = part.get_mut(line) {
            *to = value;
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
fn store<const TURNED: bool>(to: &mut [Line], parts: &mut Parts) {
    for (to, part) in to.chunks_exact_mut(LINES).zip(parts) {
        if TURNED {
            turn(part);
        }
        for (to, line) in to.iter_mut().zip(part) {
            // SAFETY: a line is 64 aligned bytes.
            unsafe { _mm512_store_si512(std::ptr::from_mut(to).cast(), *line) };
        }
    }
}

/// Transposes 16 lines of 16 pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[inline]
#[expect(clippy::indexing_slicing, reason = "sixteen lines")]
fn turn(lines: &mut [__m512i; LINES]) {
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
