//! Memory of tensors, used again and again.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use burn::backend::flex::FlexTensor;

use super::real::Real;
pub use crate::exec::host::buffer::Buffer;

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

/// Memory that [`values`] gives and takes back, by type and length.
static KEPT: Mutex<BTreeMap<(TypeId, usize), Box<dyn Any + Send>>> = Mutex::new(BTreeMap::new());

fn with_kept<E: Real, R>(length: usize, work: impl FnOnce(&mut Kept<E>) -> R) -> Option<R> {
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = kept.entry((TypeId::of::<E>(), length));
    let kept = kept.or_insert_with(|| Box::new(Kept::<E>::default()));
    kept.downcast_mut().map(work)
}

/// Numbers of any value, to be overwritten, that a tensor can be made of. Their memory comes back by [`give_back`].
pub fn values<E: Real>(length: usize) -> Vec<E> {
    let spare = with_kept(length, |kept: &mut Kept<E>| {
        kept.away += 1;
        kept.spare.pop()
    });
    spare
        .flatten()
        .unwrap_or_else(|| vec![E::default(); length])
}

/// Keeps memory that [`values`] gave.
pub fn give_back<E: Real>(values: Vec<E>) {
    with_kept(values.len(), |kept: &mut Kept<E>| {
        if kept.away > 0 {
            kept.away -= 1;
            kept.spare.push(values);
        }
    });
}

/// Keeps the memory of a tensor made of [`values`], if it has no other owner.
pub fn give_back_tensor<E: Real>(tensor: FlexTensor) {
    if tensor.is_unique()
        && let Ok(values) = tensor.into_data().try_into_vec()
    {
        give_back::<E>(values);
    }
}
