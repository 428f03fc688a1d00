//! Numbers of a column, in the width in which the file has them: what reads them widens them one by one.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Float32Array, Float64Array, Int32Array, Int64Array,
    PrimitiveArray,
};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType};

/// The largest number that a model reads: BatchNorm sums the squares of a batch in float32.
pub(crate) const MOST: f64 = 1e15;

/// Whole numbers, null where missing.
#[derive(Debug, Clone)]
pub(crate) enum Ints {
    /// Of at most 32 bits.
    Narrow(Int32Array),
    /// Of 64 bits.
    Wide(Int64Array),
}

/// Numbers of any kind, null where missing.
#[derive(Debug, Clone)]
pub(crate) enum Numbers {
    /// Whole numbers of at most 32 bits.
    Ints(Int32Array),
    /// Floats of 32 bits.
    Narrow(Float32Array),
    /// Others.
    Wide(Float64Array),
}

impl Ints {
    /// Integers and booleans, the latter as 0 and 1.
    pub(crate) fn read(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            found if is_narrow(found) => Self::Narrow(primitive::<Int32Type>(array)?),
            _ => Self::Wide(primitive::<Int64Type>(array)?),
        })
    }

    /// The value at a place, `None` if missing.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<i64> {
        match self {
            Self::Narrow(values) => value(values, place).map(i64::from),
            Self::Wide(values) => value(values, place),
        }
    }

    /// Gives what is made of the values at some places to `take`.
    #[inline]
    pub(crate) fn each<T>(
        &self,
        places: Range<usize>,
        make: impl Fn(Option<i64>) -> T,
        to: &mut Vec<T>,
    ) {
        match self {
            Self::Narrow(array) => each(array, places, |value| make(value.map(i64::from)), to),
            Self::Wide(array) => each(array, places, make, to),
        }
    }
}

#[inline]
fn each<A: ArrowPrimitiveType, T>(
    array: &PrimitiveArray<A>,
    places: Range<usize>,
    make: impl Fn(Option<A::Native>) -> T,
    to: &mut Vec<T>,
) {
    let values = array.values().get(places.clone()).unwrap_or_default();
    match array.nulls() {
        None => to.extend(values.iter().map(|value| make(Some(*value)))),
        Some(nulls) => {
            let values = values.iter().zip(places);
            to.extend(values.map(|(value, place)| make(nulls.is_valid(place).then_some(*value))));
        }
    }
}

impl Numbers {
    /// Numbers of any kind, booleans as 0 and 1.
    pub(crate) fn read(array: &ArrayRef) -> Result<Self, ArrowError> {
        Ok(match array.data_type() {
            found if is_narrow(found) => Self::Ints(primitive::<Int32Type>(array)?),
            DataType::Float16 | DataType::Float32 => Self::Narrow(primitive::<Float32Type>(array)?),
            _ => Self::Wide(primitive::<Float64Type>(array)?),
        })
    }

    /// The number at a place, `None` if missing.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<f64> {
        match self {
            Self::Ints(values) => value(values, place).map(f64::from),
            Self::Narrow(values) => value(values, place).map(f64::from),
            Self::Wide(values) => value(values, place),
        }
    }

    /// Whether all numbers, also where they are missing, are at most [`MOST`] in size.
    pub(crate) fn are_sound(&self) -> bool {
        match self {
            Self::Ints(_) => true,
            Self::Narrow(values) => are_sound(values.values()),
            Self::Wide(values) => {
                let values = values.values().iter();
                values.fold(true, |all, value| all & (value.abs() <= MOST))
            }
        }
    }
}

/// Whether all are at most [`MOST`] in size.
pub(crate) fn are_sound(values: &[f32]) -> bool {
    // Without branches, so that many are looked at at a time.
    values
        .iter()
        .fold(true, |all, value| all & is_sound(*value))
}

/// Whether it is at most [`MOST`] in size.
#[inline]
pub(crate) fn is_sound(value: f32) -> bool {
    // The nearest number of 32 bits is below it, the next one above.
    value.abs() <= MOST as f32
}

fn is_narrow(found: &DataType) -> bool {
    use DataType::{Boolean, Int8, Int16, Int32, UInt8, UInt16};
    matches!(found, Boolean | Int8 | Int16 | Int32 | UInt8 | UInt16)
}

fn primitive<A: ArrowPrimitiveType>(array: &ArrayRef) -> Result<PrimitiveArray<A>, ArrowError> {
    if let Some(found) = array.as_primitive_opt::<A>() {
        return Ok(found.clone());
    }
    Ok(cast(array, &A::DATA_TYPE)?.as_primitive::<A>().clone())
}

/// The value at a place, `None` if missing.
#[inline]
pub(crate) fn value<A: ArrowPrimitiveType>(
    array: &PrimitiveArray<A>,
    place: usize,
) -> Option<A::Native> {
    let value = array.values().get(place)?;
    let there = array.nulls().is_none_or(|nulls| nulls.is_valid(place));
    there.then_some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_number_is_as_large_in_32_bits() {
        let most = MOST as f32;
        assert!(f64::from(most) <= MOST && f64::from(most.next_up()) > MOST);
        assert!(is_sound(-most) && !is_sound(most.next_up()) && !is_sound(f32::NAN));
        assert!(are_sound(&[most, 0.0]) && !are_sound(&[0.0, f32::NEG_INFINITY]));
    }
}
