//! Memory for numbers between operations, used again and again: neither cleared nor given back.

use std::ops::{Deref, DerefMut};
use std::sync::{MutexGuard, PoisonError};

use super::real::Real;

/// Numbers of any value, to be overwritten. Its memory goes to the next buffer of its size.
#[derive(Debug)]
pub struct Buffer<E: Real> {
    /// As long as a power of two.
    values: Vec<E>,
    length: usize,
}

/// Spare memory by size: vectors as long as a power of two, by its binary logarithm.
#[derive(Debug)]
pub struct BySize<T>(Vec<Vec<Vec<T>>>);

impl<T: Clone + Default> BySize<T> {
    /// Without memory.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Memory for at least `length` elements, of any value, if there is some to spare.
    pub fn take(&mut self, length: usize) -> Option<Vec<T>> {
        let class = length.next_power_of_two().trailing_zeros() as usize;
        self.0.get_mut(class).and_then(Vec::pop)
    }

    /// New memory for at least `length` elements.
    pub fn fresh(length: usize) -> Vec<T> {
        vec![T::default(); length.next_power_of_two()]
    }

    /// Keeps memory that came from here.
    pub fn put(&mut self, values: Vec<T>) {
        let class = values.len().trailing_zeros() as usize;
        if self.0.len() <= class {
            self.0.resize_with(class + 1, Vec::new);
        }
        if let Some(spare) = self.0.get_mut(class) {
            spare.push(values);
        }
    }
}

impl<E: Real> Buffer<E> {
    /// A buffer of `length` numbers.
    pub fn new(length: usize) -> Self {
        let spare = lock::<E>().take(length);
        let values = spare.unwrap_or_else(|| BySize::fresh(length));
        Self { values, length }
    }

    /// A buffer of `length` zeros.
    pub fn zeros(length: usize) -> Self {
        let mut buffer = Self::new(length);
        buffer.fill(E::default());
        buffer
    }

    /// A buffer of these numbers.
    pub fn of(values: &[E]) -> Self {
        let mut buffer = Self::new(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl<E: Real> Drop for Buffer<E> {
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
impl<E: Real> Deref for Buffer<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        &self.values[..self.length]
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "values are at least as many as `length`"
)]
impl<E: Real> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.values[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again() {
        let mut first = Buffer::<f64>::new(1_000_003);
        assert_eq!(first.len(), 1_000_003);
        let place = first.as_ptr();
        first[1_000_002] = 1.0;
        drop(first);
        let second = Buffer::<f64>::new(1_048_576);
        assert_eq!((second.as_ptr(), second.len()), (place, 1_048_576));
        assert!(Buffer::<f64>::new(0).is_empty());
    }
}
