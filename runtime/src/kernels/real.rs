//! Slices of tensors, and loops over them.

use burn::backend::flex::FlexTensor;
use burn::tensor::{Element, TensorData};
use multiversion::multiversion;
use rayon::prelude::*;

pub use crate::exec::host::real::{LANES, add, add_rows_to, dot, sum, total};

/// Elements that one thread takes at a time.
const PIECE: usize = 16 * 1024;

/// Elements up to which one thread does the work alone: to wake another costs more than it saves.
pub const ALONE: usize = 4 * PIECE;

/// float32 or float64, as elements of tensors.
pub trait Real: crate::exec::host::real::Real + Element {
    /// Elements of a contiguous tensor of this type.
    fn slice(tensor: &FlexTensor) -> &[Self];
    /// The same, to be written; copied first if the memory has another owner.
    fn slice_mut(tensor: &mut FlexTensor) -> &mut [Self];
}

macro_rules! real {
    ($($type:ty),*) => {$(
        impl Real for $type {
            fn slice(tensor: &FlexTensor) -> &[Self] {
                tensor.as_slice().unwrap_or_default()
            }
            fn slice_mut(tensor: &mut FlexTensor) -> &mut [Self] {
                tensor.storage_mut()
            }
        }
    )*};
}
real!(f32, f64);

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
