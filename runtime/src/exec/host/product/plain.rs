//! By the `gemm` crate, from where the matrices lie.

#![expect(unsafe_code, reason = "the crate takes pointers")]

use gemm::{Parallelism, gemm};

use mtmd_schema::plan::Write;

use super::{Matrix, MatrixMut};
use crate::bug::check;
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

/// Elements of a product up to which the crate sums in another order than those of larger ones.
const FEW: usize = 256;

/// Steps of a sum that the crate makes in one go, whatever the sizes.
const STEPS: usize = 512;

/// The same, with sums in an order that does not depend on the number of rows: few rows get rows of zeros beside them, and
/// long sums are cut where the crate always cuts.
pub fn multiply_alike<E: Real>(
    left: Matrix<'_, E>,
    right: Matrix<'_, E>,
    mut to: MatrixMut<'_, E>,
    write: Write,
) {
    let ((m, k), (_, n)) = (left.dims(), right.dims());
    let rows = m.max(2).max(FEW / n.max(1) + 1);
    if rows == m || m == 0 {
        return multiply_in_steps(left, right, to, write);
    }
    check!(!left.transposed, "rows that are columns in memory");
    let mut padded = vec![E::default(); rows * k];
    for (row, padded) in left
        .values
        .chunks(left.stride.max(1))
        .zip(padded.chunks_mut(k.max(1)).take(m))
    {
        for (to, from) in padded.iter_mut().zip(row) {
            *to = *from;
        }
    }
    let mut product = vec![E::default(); rows * n];
    if write == Write::Add {
        for (row, product) in to.rows(m).zip(product.chunks_mut(n.max(1))) {
            product.copy_from_slice(row);
        }
    }
    let room = MatrixMut::new(&mut product, n);
    multiply_in_steps(Matrix::new(&padded, k), right, room, write);
    for (row, product) in to.rows(m).zip(product.chunks(n.max(1))) {
        row.copy_from_slice(product);
    }
}

fn multiply_in_steps<E: Real>(
    left: Matrix<'_, E>,
    right: Matrix<'_, E>,
    to: MatrixMut<'_, E>,
    write: Write,
) {
    let (_, k) = left.dims();
    let MatrixMut {
        values,
        columns,
        stride,
    } = to;
    for start in (0..k.max(1)).step_by(STEPS) {
        let steps = start..(start + STEPS).min(k);
        let write = if start == 0 { write } else { Write::Add };
        let part = left.transpose().band(steps.clone()).transpose();
        let to = MatrixMut::strided(values, columns, stride);
        multiply(part, right.band(steps), to, write);
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
