//! Products of float32 matrices on AMX, whose tiles hold bfloat16.
//!
//! A number x is h + m + l: h is x with the lower half of its bits cleared, m is x - h so, and l is what is left: three times eight
//! bits, so all of x. Of the nine products of parts three, at most 2⁻²³ of the whole and mostly far less, are left out:
//! x·y ≈ hl + hm + mm + mh + lh + hh. The five small ones are summed over all of k first and hh is added to their sum, so that they are
//! not rounded at the size of hh.
//!
//! In bfloat16 a number is one part, rounded to the nearest, and a product of numbers one product.

#![expect(
    unsafe_code,
    reason = "the instructions for tiles are assembly; loads and stores of vectors take pointers"
)]

mod parts;

use std::arch::asm;
use std::sync::OnceLock;

pub use parts::Tiles;
use parts::{ALL, LINES, Line, SIDE};

use mtmd_schema::plan::Write;

use super::MatrixMut;
use crate::bug::check;

/// Bytes of a part of a tile.
const PART: usize = LINES * size_of::<Line>();

/// Rows and columns that are computed at a time: two tiles by two.
pub const BLOCK: usize = 2 * SIDE;

/// Whether this machine has what it takes and the system lets this process use it.
pub fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| processor() && permitted())
}

/// AMX with bfloat16 (CPUID leaf 7: EDX bits 22 and 24), and the vectors that make the parts: all that have the one have the others.
fn processor() -> bool {
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    features >> 22 & 1 == 1
        && features >> 24 & 1 == 1
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bf16")
}

/// Asks the system for the state that tiles need. It is granted to the whole process.
fn permitted() -> bool {
    const REQUEST: libc::c_long = 0x1023;
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) takes no pointer.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILE_DATA) == 0 }
}

/// A block of a product, row by row.
#[repr(C, align(64))]
struct Block([[f32; BLOCK]; BLOCK]);

/// Lines of memory that [`multiply`] asks for while it multiplies, to be in the core's cache when they are needed: a weight is larger
/// than what stays there from one chunk of rows to the next.
#[derive(Debug, Clone, Copy)]
pub struct Ahead {
    /// Where they begin.
    from: *const Line,
    /// Pairs of lines.
    pairs: usize,
    /// Bytes from one pair to the next.
    pitch: usize,
}

impl Ahead {
    /// All of this memory.
    pub fn whole(values: &[f32]) -> Self {
        Self::strided(values, size_of_val(values) / (2 * size_of::<Line>()), BLOCK)
    }

    /// [`BLOCK`] columns of so many rows, each `stride` elements after the one before.
    pub fn strided(values: &[f32], rows: usize, stride: usize) -> Self {
        Self {
            from: values.as_ptr().cast(),
            pairs: rows,
            pitch: stride * size_of::<f32>(),
        }
    }

    /// Two neighbouring runs of tiles.
    fn runs([first, second]: [&[Line]; 2]) -> Self {
        Self {
            from: first.as_ptr(),
            pairs: (first.len() + second.len()) / 2,
            pitch: 2 * size_of::<Line>(),
        }
    }

    /// What the multiplication of a block of rows asks for: so many pairs.
    fn of_block(self, block: usize, pairs: usize) -> *const Line {
        let start = block * pairs;
        let start = if start < self.pairs { start } else { 0 };
        self.from.wrapping_byte_add(start * self.pitch)
    }
}

/// Pairs of lines that [`multiply_parts`] asks for with each tile along k. Eight blocks of rows ask for two runs of tiles.
const FETCH: usize = ALL * LINES / 8;

/// The same of [`multiply_rounded`]: two runs of tiles are fewer lines than the numbers that they are made of.
const FETCH_ROUNDED: usize = 2 * LINES / 8;

/// [`multiply_parts`] or [`multiply_rounded`].
type Multiply = unsafe fn([&[Line]; 2], [&[Line]; 2], (*const Line, usize), *mut f32, usize);

/// `to = left · right`, or `to += left · right`, for `m` rows.
pub fn multiply(left: &Tiles, right: &Tiles, mut to: MatrixMut<'_, f32>, m: usize, write: Write) {
    let next = right.pairs().skip(1).map(Some).chain([None]);
    for ((right, next), column) in right.pairs().zip(next).zip((0..to.columns).step_by(BLOCK)) {
        let ahead = Ahead::runs(next.unwrap_or(right));
        multiply_pair(left, right, ahead, &mut to, (m, column), write);
    }
}

/// The same for [`BLOCK`] columns of the product from `column` on, of which `right` is the right side.
pub fn multiply_columns(
    left: &Tiles,
    right: &Tiles,
    ahead: Ahead,
    to: &mut MatrixMut<'_, f32>,
    (m, column): (usize, usize),
    write: Write,
) {
    for right in right.pairs().take(1) {
        multiply_pair(left, right, ahead, to, (m, column), write);
    }
}

#[expect(clippy::indexing_slicing, reason = "`check` has seen the bounds")]
fn multiply_pair(
    left: &Tiles,
    right: [&[Line]; 2],
    ahead: Ahead,
    to: &mut MatrixMut<'_, f32>,
    (m, column): (usize, usize),
    write: Write,
) {
    let (n, stride) = (to.columns, to.stride);
    check!(
        available() && left.depth * left.parts * LINES == right[0].len(),
        "tiles of two depths, or none"
    );
    to.check(m, n);
    let (multiply_block, fetched): (Multiply, _) = match left.parts {
        1 => (multiply_rounded, FETCH_ROUNDED),
        _ => (multiply_parts, FETCH),
    };
    let mut block = Block([[0.0; BLOCK]; BLOCK]);
    let _configured = Configured::new();
    for (left_run, row) in left.pairs().zip((0..m).step_by(BLOCK)) {
        let next = (
            ahead.of_block(row / BLOCK, left.depth * fetched),
            ahead.pitch,
        );
        let whole = row + BLOCK <= m && column + BLOCK <= n;
        if whole && write == Write::Set {
            let to = &mut to.values[row * stride + column..];
            assert!(to.len() >= (BLOCK - 1) * stride + BLOCK);
            // SAFETY: the assertion holds the block's last row.
            unsafe { multiply_block(left_run, right, next, to.as_mut_ptr(), stride) };
            continue;
        }
        // SAFETY: the block is as large as itself.
        unsafe { multiply_block(left_run, right, next, block.0.as_mut_ptr().cast(), BLOCK) };
        // SAFETY: `available` has found the features.
        unsafe { put(&block, to, (row, m), (column, n), write) };
    }
}

/// Copies or adds what of a block lies within the product.
#[target_feature(enable = "avx512f")]
#[expect(clippy::indexing_slicing, reason = "the caller has seen the bounds")]
fn put(
    block: &Block,
    to: &mut MatrixMut<'_, f32>,
    (row, m): (usize, usize),
    (column, n): (usize, usize),
    write: Write,
) {
    let width = (n - column).min(BLOCK);
    for (row, from) in (row..m).zip(&block.0) {
        let start = row * to.stride + column;
        let to = &mut to.values[start..start + width];
        match (write, to.as_mut_array::<BLOCK>()) {
            (Write::Set, _) => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
            // Of a known length it is two instructions.
            (Write::Add, Some(to)) => to.iter_mut().zip(from).for_each(|(to, from)| *to += *from),
            (Write::Add, None) => to.iter_mut().zip(from).for_each(|(to, from)| *to += *from),
        }
    }
}

/// The tiles of this thread, configured as eight of 16 rows of 64 bytes, until it is dropped.
struct Configured;

impl Configured {
    fn new() -> Self {
        #[repr(C, align(64))]
        struct Palette {
            palette: [u8; 16],
            bytes_a_row: [u16; 16],
            rows: [u8; 16],
        }
        const PALETTE: Palette = Palette {
            palette: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            bytes_a_row: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
            rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
        };
        // SAFETY: the palette is one that every processor with AMX has, and `multiply` has seen that this one does.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &PALETTE, options(nostack, readonly)) };
        Self
    }
}

impl Drop for Configured {
    fn drop(&mut self) {
        // SAFETY: `new` has configured them.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// The four tiles of sums, plus what the tiles 4 and 5 (left) and 6 and 7 (right) give.
macro_rules! add_four {
    () => {
        "tdpbf16ps tmm0, tmm4, tmm6
         tdpbf16ps tmm1, tmm4, tmm7
         tdpbf16ps tmm2, tmm5, tmm6
         tdpbf16ps tmm3, tmm5, tmm7"
    };
}

/// Makes the sums zero.
macro_rules! clear {
    () => {
        "tilezero tmm0
         tilezero tmm1
         tilezero tmm2
         tilezero tmm3"
    };
}

/// Goes on to the next tiles along k.
macro_rules! step {
    () => {
        "add {a0}, {step}
         add {a1}, {step}
         add {b0}, {step}
         add {b1}, {step}"
    };
}

/// Writes the sums.
macro_rules! store {
    () => {
        "tilestored [{to} + {stride}], tmm0
         tilestored [{to} + {stride} + 64], tmm1
         tilestored [{below} + {stride}], tmm2
         tilestored [{below} + {stride} + 64], tmm3"
    };
}

/// Loads the part at `offset` of both left tiles, or of both right ones.
macro_rules! left {
    ($offset:literal) => {
        concat!(
            "tileloadd tmm4, [{a0} + {line} + ",
            $offset,
            "]\n",
            "tileloadd tmm5, [{a1} + {line} + ",
            $offset,
            "]"
        )
    };
}
macro_rules! right {
    ($offset:literal) => {
        concat!(
            "tileloadd tmm6, [{b0} + {line} + ",
            $offset,
            "]\n",
            "tileloadd tmm7, [{b1} + {line} + ",
            $offset,
            "]"
        )
    };
}

/// Asks for a pair of lines that come next.
macro_rules! ask {
    () => {
        "prefetcht1 [{next}]
         prefetcht1 [{next} + 64]
         add {next}, {pitch}"
    };
}

/// Writes the product of two tiles of rows with two tiles of columns, each row `stride` elements after the one before. Parts lie at 0
/// (h), 1024 (m) and 2048 (l). `next` is where it asks for pairs of lines, so many bytes apart: hints, which read nothing.
///
/// # Safety
/// `to` holds `BLOCK` rows of `BLOCK` elements in this stride.
unsafe fn multiply_parts(
    left: [&[Line]; 2],
    right: [&[Line]; 2],
    (next, pitch): (*const Line, usize),
    to: *mut f32,
    stride: usize,
) {
    let bytes = bytes_of(left, right, ALL);
    // SAFETY: the loops read `bytes` bytes from each of the four; the caller holds the block.
    unsafe {
        asm!(
            clear!(),
            "2:",
            left!(0),
            right!(2048),
            add_four!(),
            ask!(),
            ask!(),
            right!(1024),
            add_four!(),
            ask!(),
            left!(1024),
            add_four!(),
            ask!(),
            ask!(),
            right!(0),
            add_four!(),
            ask!(),
            left!(2048),
            add_four!(),
            step!(),
            "sub {ahead}, {step}",
            "jnz 2b",
            "sub {a0}, {back}",
            "sub {a1}, {back}",
            "sub {b0}, {back}",
            "sub {b1}, {back}",
            "3:",
            left!(0),
            right!(0),
            add_four!(),
            step!(),
            "sub {back}, {step}",
            "jnz 3b",
            store!(),
            a0 = inout(reg) left[0].as_ptr() => _,
            a1 = inout(reg) left[1].as_ptr() => _,
            b0 = inout(reg) right[0].as_ptr() => _,
            b1 = inout(reg) right[1].as_ptr() => _,
            next = inout(reg) next => _,
            line = in(reg) size_of::<Line>(),
            ahead = inout(reg) bytes => _,
            back = inout(reg) bytes => _,
            to = in(reg) to,
            below = in(reg) to.wrapping_add(SIDE * stride),
            stride = in(reg) stride * size_of::<f32>(),
            step = const ALL * PART,
            pitch = in(reg) pitch,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}

/// The same of one part, which is rounded.
///
/// # Safety
/// That of [`multiply_parts`].
unsafe fn multiply_rounded(
    left: [&[Line]; 2],
    right: [&[Line]; 2],
    (next, pitch): (*const Line, usize),
    to: *mut f32,
    stride: usize,
) {
    let bytes = bytes_of(left, right, 1);
    // SAFETY: the loop reads `bytes` bytes from each of the four; the caller holds the block.
    unsafe {
        asm!(
            clear!(),
            "2:",
            left!(0),
            right!(0),
            add_four!(),
            ask!(),
            ask!(),
            ask!(),
            ask!(),
            step!(),
            "sub {ahead}, {step}",
            "jnz 2b",
            store!(),
            a0 = inout(reg) left[0].as_ptr() => _,
            a1 = inout(reg) left[1].as_ptr() => _,
            b0 = inout(reg) right[0].as_ptr() => _,
            b1 = inout(reg) right[1].as_ptr() => _,
            next = inout(reg) next => _,
            line = in(reg) size_of::<Line>(),
            ahead = inout(reg) bytes => _,
            to = in(reg) to,
            below = in(reg) to.wrapping_add(SIDE * stride),
            stride = in(reg) stride * size_of::<f32>(),
            step = const PART,
            pitch = in(reg) pitch,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack)
        );
    }
}

/// Bytes of each of the four runs of tiles, of so many parts.
fn bytes_of(left: [&[Line]; 2], right: [&[Line]; 2], parts: usize) -> usize {
    let bytes = size_of_val(left[0]);
    assert!(bytes > 0 && bytes.is_multiple_of(parts * PART));
    assert!(
        [left[1], right[0], right[1]]
            .iter()
            .all(|tiles| size_of_val(*tiles) == bytes)
    );
    bytes
}
