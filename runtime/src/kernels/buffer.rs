//! Memory for numbers between operations, used again and again: neither cleared nor given back.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::real::Real;

/// Numbers of any value, to be overwritten. Its memory goes to the next buffer of its size.
#[derive(Debug)]
pub struct Buffer<E: Real> {
    /// As long as a power of two.
    values: Vec<E>,
    length: usize,
}

/// Memory of buffers that are no more, by the binary logarithm of its length.
pub type Spare<E> = Mutex<Vec<Vec<Vec<E>>>>;

impl<E: Real> Buffer<E> {
    /// A buffer of so many numbers.
    pub fn new(length: usize) -> Self {
        let size = length.next_power_of_two();
        let spare = lock::<E>()
            .get_mut(size.trailing_zeros() as usize)
            .and_then(Vec::pop);
        Self {
            values: spare.unwrap_or_else(|| vec![E::default(); size]),
            length,
        }
    }

    /// A buffer of so many zeros.
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
        let class = self.values.len().trailing_zeros() as usize;
        let mut spare = lock::<E>();
        if spare.len() <= class {
            spare.resize_with(class + 1, Vec::new);
        }
        if let Some(spare) = spare.get_mut(class) {
            spare.push(std::mem::take(&mut self.values));
        }
    }
}

fn lock<E: Real>() -> MutexGuard<'static, Vec<Vec<Vec<E>>>> {
    E::spare().lock().unwrap_or_else(PoisonError::into_inner)
}

impl<E: Real> Deref for Buffer<E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        self.values.get(..self.length).unwrap_or_default()
    }
}

impl<E: Real> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        self.values.get_mut(..self.length).unwrap_or_default()
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
