//! float32 and float64 alike.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Sub};
use std::sync::Mutex;

use multiversion::multiversion;

use super::spare::BySize;
use crate::schema::Precision;

/// float32 or float64.
pub trait Real:
    Copy
    + Debug
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
    /// The same value.
    fn float64(self) -> f64;
    /// Spare memory for numbers of this type.
    fn pool() -> &'static Mutex<BySize<Self>>;
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
    /// The nearest of those that this precision has. Of two, bfloat16 takes the even one and TF32 the larger in size, as the
    /// hardware does that multiplies them.
    fn rounded(self, precision: Precision) -> Self;
}

macro_rules! real {
    ($type:ty, $float32:literal, $this:path) => {
        impl Real for $type {
            const FLOAT32: bool = $float32;
            fn pool() -> &'static Mutex<BySize<Self>> {
                static POOL: Mutex<BySize<$type>> = Mutex::new(BySize::new());
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
            fn float64(self) -> f64 {
                f64::from(self)
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
            fn rounded(self, precision: Precision) -> Self {
                match precision {
                    Precision::Float32 => self,
                    Precision::Tf32 => tf32(self as f32) as $type,
                    Precision::Bfloat16 => bfloat16(self as f32) as $type,
                }
            }
        }
    };
}
real!(f32, true, Some);
real!(f64, false, none);

fn none<T, U>(_: T) -> Option<U> {
    None
}

/// Rounds away the last 13 bits.
#[inline(always)]
fn tf32(value: f32) -> f32 {
    if value.is_nan() {
        return value;
    }
    f32::from_bits((value.to_bits() + 0x1000) & 0xFFFF_E000)
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
    const { assert!(N > 0) }
    let mut count = N;
    while count > 1 {
        let half = count.div_ceil(2);
        let (low, high) = sums.split_at_mut(half);
        for (low, &mut high) in low.iter_mut().zip(high).take(count - half) {
            *low += high;
        }
        count = half;
    }
    sums[0]
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

/// `to = factor · from`.
#[inline(always)]
pub fn set_scaled<E: Real>(to: &mut [E], factor: E, from: &[E]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = factor * from;
    }
}

/// `to += factor · from`.
#[inline(always)]
pub fn add_scaled<E: Real>(to: &mut [E], factor: E, from: &[E]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += factor * from;
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
