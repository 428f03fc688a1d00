//! float32 and float64 alike, and slices of tensors.

use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::sync::Mutex;

use super::buffer::Pool;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Element, TensorData};
use multiversion::multiversion;
use rayon::prelude::*;

/// Elements that one thread takes at a time.
const PIECE: usize = 16 * 1024;

/// Elements up to which one thread does the work alone: to wake another costs more than it saves.
pub const ALONE: usize = 4 * PIECE;

/// float32 or float64.
pub trait Real:
    Element
    + Copy
    + Default
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + AddAssign
    + Send
    + Sync
    + 'static
{
    /// Whether this is float32.
    const FLOAT32: bool;
    /// The nearest value.
    fn real(value: f64) -> Self;
    /// Memory for numbers of this type.
    fn pool() -> &'static Mutex<Pool<Self>>;
    /// The same values, if this is float32.
    fn float32(values: &[Self]) -> Option<&[f32]>;
    /// The same values, to be written, if this is float32.
    fn float32_mut(values: &mut [Self]) -> Option<&mut [f32]>;
    /// eˣ.
    fn exponential(self) -> Self;
    /// The larger of the two.
    fn larger(self, other: Self) -> Self;
    /// Square root.
    fn root(self) -> Self;
    /// The nearest of those that bfloat16 holds; of two, the even one.
    fn bfloat16(self) -> Self;
    /// Elements of a contiguous tensor of this type.
    fn slice(tensor: &FlexTensor) -> &[Self];
    /// The same, to be written; copied first if the memory has another owner.
    fn slice_mut(tensor: &mut FlexTensor) -> &mut [Self];
}

macro_rules! real {
    ($type:ty, $float32:literal, $this:path) => {
        impl Real for $type {
            const FLOAT32: bool = $float32;
            fn pool() -> &'static Mutex<Pool<Self>> {
                static POOL: Mutex<Pool<$type>> = Mutex::new(Pool::new());
                &POOL
            }
            fn float32(values: &[Self]) -> Option<&[f32]> {
                $this(values)
            }
            fn float32_mut(values: &mut [Self]) -> Option<&mut [f32]> {
                $this(values)
            }
            #[inline(always)]
            fn real(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn exponential(self) -> Self {
                self.exp()
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn bfloat16(self) -> Self {
                bfloat16(self as f32) as $type
            }
            fn slice(tensor: &FlexTensor) -> &[Self] {
                tensor.as_slice().unwrap_or_default()
            }
            fn slice_mut(tensor: &mut FlexTensor) -> &mut [Self] {
                tensor.storage_mut()
            }
        }
    };
}
real!(f32, true, Some);
real!(f64, false, none);

fn none<T, U>(_: T) -> Option<U> {
    None
}

/// Rounds away the lower half of the bits.
#[inline(always)]
fn bfloat16(value: f32) -> f32 {
    if value.is_nan() {
        return value;
    }
    let bits = value.to_bits();
    f32::from_bits((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
}

/// Runs the same generic code for a tensor's type.
macro_rules! for_type {
    ($tensor:expr, $real:ident => $body:expr) => {
        if $tensor.dtype() == burn::tensor::DType::F64 {
            type $real = f64;
            $body
        } else {
            type $real = f32;
            $body
        }
    };
}
pub(super) use for_type;

/// Rows and columns of a matrix.
pub fn dims(tensor: &FlexTensor) -> (usize, usize) {
    match *tensor.layout().shape().as_slice() {
        [rows, columns] => (rows, columns),
        _ => (1, tensor.layout().num_elements()),
    }
}

/// A tensor of these values.
pub fn tensor<E: Real, const D: usize>(values: Vec<E>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Rows that one thread takes at a time.
pub fn piece_rows(columns: usize) -> usize {
    (PIECE / columns.max(1)).max(1)
}

/// Runs a loop compiled for the widest vectors that the machine has. What the loop calls must be
/// inlined into it. Results do not depend on the width: the order of operations stays.
#[inline(always)]
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Sums that run side by side, so that additions need not wait for one another.
pub const LANES: usize = 32;

/// Sum, by [`LANES`] running sums.
#[inline(always)]
pub fn sum<E: Real>(values: &[E]) -> E {
    let mut sums = [E::default(); LANES];
    let (blocks, rest) = values.as_chunks::<LANES>();
    for block in blocks {
        for (sum, &value) in sums.iter_mut().zip(block) {
            *sum += value;
        }
    }
    total(sums) + total_of(rest.iter().copied())
}

/// Sum of products, by [`LANES`] running sums.
#[inline(always)]
pub fn dot<E: Real>(left: &[E], right: &[E]) -> E {
    let mut sums = [E::default(); LANES];
    let (blocks, rest) = left.as_chunks::<LANES>();
    let (other_blocks, other_rest) = right.as_chunks::<LANES>();
    for (block, other) in blocks.iter().zip(other_blocks) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(block.iter().zip(other)) {
            *sum += a * b;
        }
    }
    total(sums) + total_of(rest.iter().zip(other_rest).map(|(&a, &b)| a * b))
}

/// The total of running sums, two and two.
#[inline(always)]
pub fn total<E: Real, const N: usize>(mut sums: [E; N]) -> E {
    let mut count = N;
    while count > 1 {
        let half = count.div_ceil(2);
        let (low, high) = sums.split_at_mut(half);
        for (low, &mut high) in low.iter_mut().zip(high).take(count - half) {
            *low += high;
        }
        count = half;
    }
    sums.first().copied().unwrap_or_default()
}

#[inline(always)]
fn total_of<E: Real>(values: impl Iterator<Item = E>) -> E {
    values.fold(E::default(), |sum, value| sum + value)
}

/// `to += from`, element by element.
#[inline(always)]
pub fn add<E: Real>(to: &mut [E], from: &[E]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// Adds every row of `rows` to `to`.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn add_rows_to<E: Real>(to: &mut [E], rows: &[E]) {
    for row in rows.chunks_exact(to.len().max(1)) {
        add(to, row);
    }
}

/// Adds a row to every row of `rows`.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn add_to_rows<E: Real>(rows: &mut [E], row: &[E]) {
    for to in rows.chunks_exact_mut(row.len().max(1)) {
        add(to, row);
    }
}

/// Sums that pieces made, added in the order of the pieces.
pub fn add_pieces<E: Real>(pieces: Vec<Vec<E>>) -> Vec<E> {
    let mut pieces = pieces.into_iter();
    let mut sum = pieces.next().unwrap_or_default();
    for piece in pieces {
        add(&mut sum, &piece);
    }
    sum
}

/// Sum over the rows of a matrix.
pub fn column_sums<E: Real>(matrix: &FlexTensor) -> FlexTensor {
    let (_, columns) = dims(matrix);
    let piece = |values: &[E]| {
        let mut sums = vec![E::default(); columns];
        add_rows_to(&mut sums, values);
        sums
    };
    let values = E::slice(matrix);
    let sums = if values.len() <= ALONE {
        piece(values)
    } else {
        let length = piece_rows(columns) * columns;
        add_pieces(values.par_chunks(length).map(piece).collect())
    };
    tensor(sums, [columns])
}
