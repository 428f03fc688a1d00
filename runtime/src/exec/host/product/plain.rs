//! By the `gemm` crate, from where the matrices lie.

#![expect(unsafe_code, reason = "the crate takes pointers")]

use gemm::{Parallelism, gemm};

use mtmd_schema::plan::Write;

use super::{Matrix, MatrixMut};
use crate::exec::host::real::Real;

/// `to = left · right`, or `to += left · right`; `to` has room for the product.
pub fn multiply<E: Real>(
    left: Matrix<'_, E>,
    right: Matrix<'_, E>,
    to: MatrixMut<'_, E>,
    write: Write,
) {
    let ((m, k), (depth, n)) = (left.dims(), right.dims());
    assert_eq!(k, depth);
    to.check(m, n);
    let (left_step, right_step) = (steps(&left), steps(&right));
    let one = E::real(1.0);
    // SAFETY: a matrix has all its rows in its memory, and `to` has room for the product.
    unsafe {
        gemm(
            m,
            n,
            k,
            to.values.as_mut_ptr(),
            1,
            to.stride as isize,
            write == Write::Add,
            left.values.as_ptr(),
            left_step.1,
            left_step.0,
            right.values.as_ptr(),
            right_step.1,
            right_step.0,
            one,
            one,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// From one row to the next, and from one column to the next.
fn steps<E>(matrix: &Matrix<'_, E>) -> (isize, isize) {
    let stride = matrix.stride as isize;
    match matrix.transposed {
        false => (stride, 1),
        true => (1, stride),
    }
}
