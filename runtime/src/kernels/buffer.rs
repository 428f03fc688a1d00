//! Memory for numbers between operations, used again and again: neither cleared nor given back.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{MutexGuard, PoisonError};

use burn::backend::flex::FlexTensor;

use super::real::Real;

/// Numbers of any value, to be overwritten. Its memory goes to the next buffer of its size.
#[derive(Debug)]
pub struct Buffer<E: Real> {
    /// As long as a power of two.
    values: Vec<E>,
    length: usize,
}

/// Memory that is no more in use, as long as a power of two, by the binary logarithm of that.
#[derive(Debug)]
pub struct BySize<T>(Vec<Vec<Vec<T>>>);

impl<T: Clone + Default> BySize<T> {
    /// Without memory.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Memory for at least so many, of any value.
    pub fn take(&mut self, length: usize) -> Option<Vec<T>> {
        let class = length.next_power_of_two().trailing_zeros() as usize;
        self.0.get_mut(class).and_then(Vec::pop)
    }

    /// The same where there is none.
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

/// Memory that is no more in use, for what comes.
#[derive(Debug)]
pub struct Pool<E> {
    /// Of buffers.
    by_size: BySize<E>,
    /// Of [`values`], by its length.
    by_length: BTreeMap<usize, Kept<E>>,
}

impl<E: Clone + Default> Pool<E> {
    /// Without memory.
    pub const fn new() -> Self {
        Self {
            by_size: BySize::new(),
            by_length: BTreeMap::new(),
        }
    }
}

/// Memory of one length. No more is kept than was given away: gradients that others made come back too.
#[derive(Debug)]
struct Kept<E> {
    spare: Vec<Vec<E>>,
    away: usize,
}

impl<E> Default for Kept<E> {
    fn default() -> Self {
        Self {
            spare: Vec::new(),
            away: 0,
        }
    }
}

impl<E: Real> Buffer<E> {
    /// A buffer of so many numbers.
    pub fn new(length: usize) -> Self {
        let spare = lock::<E>().by_size.take(length);
        let values = spare.unwrap_or_else(|| BySize::fresh(length));
        Self { values, length }
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
        lock::<E>().by_size.put(std::mem::take(&mut self.values));
    }
}

/// Numbers of any value, to be overwritten, that a tensor can be made of. Their memory comes back by [`give_back`].
pub fn values<E: Real>(length: usize) -> Vec<E> {
    let mut pool = lock::<E>();
    let kept = pool.by_length.entry(length).or_default();
    kept.away += 1;
    let spare = kept.spare.pop();
    drop(pool);
    spare.unwrap_or_else(|| vec![E::default(); length])
}

/// Keeps memory that [`values`] gave.
pub fn give_back<E: Real>(values: Vec<E>) {
    if let Some(kept) = lock::<E>().by_length.get_mut(&values.len())
        && kept.away > 0
    {
        kept.away -= 1;
        kept.spare.push(values);
    }
}

/// Keeps the memory of a tensor made of [`values`], if it has no other owner.
pub fn give_back_tensor<E: Real>(tensor: FlexTensor) {
    if tensor.is_unique()
        && let Ok(values) = tensor.into_data().try_into_vec()
    {
        give_back::<E>(values);
    }
}

fn lock<E: Real>() -> MutexGuard<'static, Pool<E>> {
    E::pool().lock().unwrap_or_else(PoisonError::into_inner)
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
