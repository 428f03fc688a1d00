//! By the `gemm` crate, from where the matrices lie.

#![expect(unsafe_code, reason = "the crate takes pointers")]

use gemm::{Parallelism, gemm};

use super::{Target, View};
use crate::kernels::real::Real;

/// `to = left · right`, or `to += left · right`; `to` holds the product row by row.
pub fn multiply<E: Real>(left: View<'_, E>, right: View<'_, E>, to: &mut [E], target: Target) {
    let ((m, k), (_, n)) = (left.dims(), right.dims());
    assert!(to.len() >= m * n && k == right.dims().0);
    let (left_step, right_step) = (steps(&left), steps(&right));
    let one = E::real(1.0);
    // SAFETY: a view holds its rows in full, and `to` is as large as the product.
    unsafe {
        gemm(
            m,
            n,
            k,
            to.as_mut_ptr(),
            1,
            n as isize,
            target == Target::Add,
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
fn steps<E>(view: &View<'_, E>) -> (isize, isize) {
    let stride = view.stride as isize;
    match view.transposed {
        false => (stride, 1),
        true => (1, stride),
    }
}
