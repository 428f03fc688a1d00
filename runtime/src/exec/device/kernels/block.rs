//! Blocks of products: [`SIDE`] by [`SIDE`] sums, which a cube makes. The factors come through shared memory, [`DEPTH`] terms of
//! all sums at a time.
//!
//! Each unit adds up [`EACH`] by [`EACH`] sums in float32. On tensor cores ([`Way`]) each plane multiplies matrices instead, and its
//! sums go through shared memory to the units whose they would have been, so that nothing after the sums differs.

#![expect(unsafe_code, reason = "a matrix begins without content")]

use cubecl::ir::features::MmaConfig;
use cubecl::ir::{ElemType, FloatKind};
use cubecl::prelude::*;
use half::bf16;

use super::words::SIDE;
use super::{LANES, LINES};
use crate::schema::Precision;

/// The name that CubeCL's macro takes for a type's: it begins with a capital.
type Tf32 = tf32;

/// Terms of the sums whose factors are in shared memory at a time.
pub const DEPTH: usize = 32;

/// Rows and columns of a unit's sums.
pub const EACH: usize = 4;

/// Units of a cube.
pub const UNITS: usize = LANES * LINES;

/// Factors of a side that a unit fetches at a time.
pub const FETCHED: usize = SIDE * DEPTH / UNITS;

/// Units side by side in a block.
const ACROSS: usize = SIDE / EACH;

/// Numbers of float32 from the factors of one term to those of the next: not a multiple of the banks.
const STEP: usize = SIDE + 4;

/// The same of bfloat16; tensor cores take multiples of 16 bytes.
const HALF_STEP: usize = SIDE + 8;

/// Rows and columns of the sums of a plane's matrix.
const MATRIX: usize = 16;

/// Matrices of sums that a plane has side by side.
const MATRICES: usize = SIDE * SIDE / (MATRIX * MATRIX * LINES);

/// How the factors of wide products are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Way {
    /// What they are rounded to.
    precision: Precision,
    /// Whether tensor cores multiply them.
    pub matrices: bool,
}

impl Way {
    /// By tensor cores where a device has those for the precision.
    pub fn of(device: &DeviceProperties, precision: Precision) -> Self {
        let planes = [
            device.hardware.plane_size_min,
            device.hardware.plane_size_max,
        ];
        let factors = match precision {
            Precision::Float32 => None,
            Precision::Tf32 => Some(FloatKind::TF32),
            Precision::Bfloat16 => Some(FloatKind::BF16),
        };
        let offers = |kind: FloatKind| {
            let shape = MmaConfig {
                a_type: ElemType::Float(kind),
                b_type: ElemType::Float(kind),
                cd_type: ElemType::Float(FloatKind::F32),
                m: MATRIX as u32,
                n: MATRIX as u32,
                k: terms(precision) as u32,
            };
            device.features.matmul.cmma.contains(&shape)
        };
        Self {
            precision,
            matrices: planes == [LANES as u32; 2] && factors.is_some_and(offers),
        }
    }

    /// Whether factors for tensor cores are numbers of two bytes.
    fn halves(self) -> bool {
        self.matrices && self.precision == Precision::Bfloat16
    }
}

/// Terms that tensor cores multiply at once.
fn terms(precision: Precision) -> usize {
    match precision {
        Precision::Float32 | Precision::Tf32 => 8,
        Precision::Bfloat16 => 16,
    }
}

/// A block that is being made.
#[derive(CubeType)]
pub struct Block {
    /// Factors by term, those of the left side first; at the end what matrices have summed, by row.
    factors: Shared<[f32]>,
    /// Left and right factors of bfloat16 by term, for tensor cores.
    halves: Sequence<Shared<[bf16]>>,
    /// What a unit has summed.
    sums: Array<f32>,
    /// What a plane has summed.
    matrices: Sequence<cmma::Matrix<f32>>,
    /// Whether the product is wide: others are of float32 in any way.
    wide: bool,
    #[cube(comptime)]
    way: Way,
}

#[cube]
impl Block {
    /// With sums of 0.
    pub fn new(wide: bool, #[comptime] way: Way) -> Self {
        let mut sums = Array::<f32>::new(EACH * EACH);
        #[unroll]
        for at in 0..EACH * EACH {
            sums[at] = 0.0f32;
        }
        let mut halves = Sequence::<Shared<[bf16]>>::new();
        if comptime!(way.halves()) {
            halves.push(Shared::<[bf16]>::new_aligned_slice(
                HALF_STEP * DEPTH,
                32usize,
            ));
            halves.push(Shared::<[bf16]>::new_aligned_slice(
                HALF_STEP * DEPTH,
                32usize,
            ));
        }
        let mut matrices = Sequence::<cmma::Matrix<f32>>::new();
        if comptime!(way.matrices) {
            #[unroll]
            for _ in 0..MATRICES {
                matrices.push(cmma::Matrix::<f32>::from_value(
                    cmma::MatrixIdent::Accumulator,
                    MATRIX,
                    MATRIX,
                    comptime!(terms(way.precision)),
                    cmma::MatrixLayout::Undefined,
                    0.0f32,
                ));
            }
        }
        Block {
            factors: Shared::<[f32]>::new_aligned_slice(2 * STEP * DEPTH, 32usize),
            halves,
            sums,
            matrices,
            wide,
            way,
        }
    }

    /// Puts a factor of a term into shared memory: of a row of the left side, or of a column of the right one.
    pub fn put(&mut self, #[comptime] right: bool, term: usize, line: usize, value: f32) {
        let way = comptime!(self.way);
        let start = comptime!(if right { STEP * DEPTH } else { 0 });
        if self.wide {
            if comptime!(way.halves()) {
                let side = comptime!(if right { 1usize } else { 0usize });
                let halves = self.halves.index_mut(side);
                halves[term * HALF_STEP + line] = bf16::cast_from(value);
            } else if comptime!(way.matrices) {
                self.factors[start + term * STEP + line] = f32::cast_from(Tf32::cast_from(value));
            } else {
                self.factors[start + term * STEP + line] = rounded(value, way.precision);
            }
        } else {
            self.factors[start + term * STEP + line] = value;
        }
    }

    /// Adds the products of what is in shared memory: so many terms, after which only zeros come.
    pub fn multiply(&mut self, count: usize) {
        let way = comptime!(self.way);
        let at_once = comptime!(terms(way.precision));
        if comptime!(way.matrices) {
            if self.wide {
                if comptime!(way.halves()) {
                    let (left, right) = (self.halves.index(0), self.halves.index(1));
                    by_planes::<bf16, bf16>(left, right, &self.matrices, HALF_STEP, at_once);
                } else {
                    let left = &self.factors[0..STEP * DEPTH];
                    let right = &self.factors[STEP * DEPTH..2 * STEP * DEPTH];
                    by_planes::<Tf32, f32>(left, right, &self.matrices, STEP, at_once);
                }
            } else {
                by_units(&self.factors, &mut self.sums, count);
            }
        } else {
            by_units(&self.factors, &mut self.sums, count);
        }
    }

    /// Has each unit's sums where [`Self::sum`] reads them, after all have been multiplied.
    pub fn finish(&mut self) {
        #[expect(
            clippy::collapsible_if,
            reason = "the first is known when the kernel is compiled"
        )]
        if comptime!(self.way.matrices) {
            if self.wide {
                let (first_row, first_column) = matrices_of_plane();
                #[unroll]
                for at in 0..MATRICES {
                    let start = first_row * STEP + first_column + at * MATRIX;
                    cmma::store(
                        &mut self.factors[start..2 * STEP * DEPTH],
                        self.matrices.index(at),
                        STEP as u32,
                        cmma::MatrixLayout::RowMajor,
                    );
                }
                sync_cube();
                #[unroll]
                for at in 0..EACH * EACH {
                    let (row, column) = place_of_sum(at);
                    self.sums[at] = self.factors[row * STEP + column];
                }
            }
        }
    }

    /// One of a unit's sums.
    pub fn sum(&self, #[comptime] at: usize) -> f32 {
        self.sums[at]
    }
}

/// Row and column of one of a unit's sums in its block.
#[cube]
pub fn place_of_sum(#[comptime] at: usize) -> (usize, usize) {
    let unit = UNIT_POS as usize;
    (
        unit / ACROSS * EACH + comptime!(at / EACH),
        unit % ACROSS * EACH + comptime!(at % EACH),
    )
}

/// Row and column of a plane's first sum.
#[cube]
fn matrices_of_plane() -> (usize, usize) {
    let plane = UNIT_POS_Y as usize;
    let across = comptime!(SIDE / (MATRIX * MATRICES));
    (
        plane / across * MATRIX,
        plane % across * comptime!(MATRIX * MATRICES),
    )
}

/// Adds products to a unit's sums.
#[cube]
fn by_units(factors: &[f32], sums: &mut Array<f32>, count: usize) {
    let (first_row, first_column) = place_of_sum(0usize);
    let mut rows = Array::<f32>::new(EACH);
    let mut columns = Array::<f32>::new(EACH);
    for term in 0..count {
        #[unroll]
        for at in 0..EACH {
            rows[at] = factors[term * STEP + first_row + at];
            columns[at] = factors[(DEPTH + term) * STEP + first_column + at];
        }
        #[unroll]
        for row in 0..EACH {
            #[unroll]
            for column in 0..EACH {
                sums[row * EACH + column] += rows[row] * columns[column];
            }
        }
    }
}

/// Adds products to a plane's sums: of factors of type `F`, which memory has as `M`.
#[cube]
fn by_planes<F: CubePrimitive, M: CubePrimitive>(
    left: &[M],
    right: &[M],
    sums: &Sequence<cmma::Matrix<f32>>,
    #[comptime] step: usize,
    #[comptime] terms: usize,
) {
    let (first_row, first_column) = matrices_of_plane();
    #[unroll]
    for turn in 0..DEPTH / terms {
        let start = turn * terms * step;
        let rows = matrix::<F, M>(
            &left[start + first_row..step * DEPTH],
            cmma::MatrixIdent::A,
            cmma::MatrixLayout::ColMajor,
            step,
            terms,
        );
        #[unroll]
        for at in 0..MATRICES {
            let columns = matrix::<F, M>(
                &right[start + first_column + at * MATRIX..step * DEPTH],
                cmma::MatrixIdent::B,
                cmma::MatrixLayout::RowMajor,
                step,
                terms,
            );
            let sum = sums.index(at);
            cmma::execute(&rows, &columns, sum, sum);
        }
    }
}

/// A plane's matrix of factors.
#[cube]
fn matrix<F: CubePrimitive, M: CubePrimitive>(
    from: &[M],
    #[comptime] ident: cmma::MatrixIdent,
    #[comptime] layout: cmma::MatrixLayout,
    #[comptime] step: usize,
    #[comptime] terms: usize,
) -> cmma::Matrix<F> {
    // SAFETY: it is loaded before it is used.
    let mut matrix =
        unsafe { cmma::Matrix::<F>::uninitialized(ident, MATRIX, MATRIX, terms, layout) };
    cmma::load(&mut matrix, from, step as u32);
    matrix
}

/// A number, rounded: to TF32 with ties away from 0, as tensor cores take it, or to bfloat16 with ties to even.
#[cube]
fn rounded(value: f32, #[comptime] precision: Precision) -> f32 {
    let dropped = comptime!(match precision {
        Precision::Float32 => 0u32,
        Precision::Tf32 => 13,
        Precision::Bfloat16 => 16,
    });
    let mut value = value;
    if comptime!(dropped > 0) {
        let bits = u32::reinterpret(value);
        // A NaN could become a number.
        if bits & 0x7f80_0000u32 != 0x7f80_0000u32 {
            let half = comptime!((1u32 << dropped) >> 1);
            let mut more = half.runtime();
            // Ties go to even.
            if comptime!(precision == Precision::Bfloat16) {
                more = half - 1u32 + ((bits >> dropped) & 1u32);
            }
            value = f32::reinterpret((bits + more) & comptime!(u32::MAX << dropped));
        }
    }
    value
}
