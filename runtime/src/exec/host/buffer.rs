//! Memory for numbers between operations, used again and again: neither cleared nor given back.

use std::ops::{Deref, DerefMut};
use std::sync::{MutexGuard, PoisonError};

use super::real::Real;
use super::spare::BySize;

/// Numbers of any value, to be overwritten. Its memory goes to the next buffer of its size.
#[derive(Debug)]
pub struct PooledBuffer<E: Real> {
    /// As long as a power of two.
    values: Vec<E>,
    length: usize,
}

impl<E: Real> PooledBuffer<E> {
    /// A buffer of `length` numbers.
    pub fn new(length: usize) -> Self {
        let spare = lock::<E>().take(length);
        let values = spare.unwrap_or_else(|| BySize::fresh(length));
        Self { values, length }
    }
}

impl<E: Real> Drop for PooledBuffer<E> {
    fn drop(&mut self) {
        lock::<E>().put(std::mem::take(&mut self.values));
    }
}

fn lock<E: Real>() -> MutexGuard<'static, BySize<E>> {
    E::pool().lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(
    clippy::indexing_slicing,
    reason = "values are at least as many as `length`"
)]
impl<E: Real> Deref for PooledBuffer<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        &self.values[..self.length]
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "values are at least as many as `length`"
)]
impl<E: Real> DerefMut for PooledBuffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.values[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again() {
        let mut first = PooledBuffer::<f64>::new(1_000_003);
        assert_eq!(first.len(), 1_000_003);
        let place = first.as_ptr();
        first[1_000_002] = 1.0;
        drop(first);
        let second = PooledBuffer::<f64>::new(1_048_576);
        assert_eq!((second.as_ptr(), second.len()), (place, 1_048_576));
        assert!(PooledBuffer::<f64>::new(0).is_empty());
    }
}
