//! Arrow's many types in four plain forms: raw values, lists of them, numbers, lists of numbers.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float64Array, Int64Array, ListArray, StringArray,
    new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;

/// A column of raw values.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// Whole numbers.
    Ints(Ints),
    /// Strings.
    Texts(Texts),
}

/// Whole numbers, null where missing.
#[derive(Debug, Clone)]
pub(super) struct Ints(Int64Array);

/// Strings, null where missing.
#[derive(Debug, Clone)]
pub(super) struct Texts(StringArray);

/// Raw values with the places that hold something else.
#[derive(Debug)]
pub(super) struct ReadKeys {
    /// The values; null at the places of `odd`.
    pub values: Keys,
    /// Places with a float that is no whole number, and the float.
    pub odd: Vec<(usize, f64)>,
}

/// How a date reads as a raw value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateForm {
    /// `20220425`.
    Int,
    /// `2022-04-25`.
    Text,
}

/// Where the entries of each row's list lie.
#[derive(Debug, Clone)]
pub(super) struct Spans {
    offsets: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
}

impl Ints {
    /// The value at a place, `None` if missing.
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<i64> {
        if self.0.is_null(place) {
            None
        } else {
            self.0.values().get(place).copied()
        }
    }
}

impl Texts {
    /// The value at a place, `None` if missing.
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<&str> {
        (place < self.0.len() && self.0.is_valid(place)).then(|| self.0.value(place))
    }
}

impl Keys {
    /// The value at a place as people write it; "null" if missing.
    pub(super) fn show(&self, place: usize) -> String {
        match self {
            Self::Ints(ints) => ints
                .get(place)
                .map_or("null".to_owned(), |key| key.to_string()),
            Self::Texts(texts) => texts.get(place).map_or("null".to_owned(), |key| {
                format!("\"{}\"", key.escape_debug())
            }),
        }
    }
}

impl Spans {
    /// Places of a row's entries; `None` if the list is missing.
    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<std::ops::Range<usize>> {
        if self
            .nulls
            .as_ref()
            .is_some_and(|nulls| row >= nulls.len() || nulls.is_null(row))
        {
            return None;
        }
        let (from, to) = (self.offsets.get(row)?, self.offsets.get(row + 1)?);
        Some(usize::try_from(*from).ok()?..usize::try_from(*to).ok()?)
    }
}

/// Reads raw values: integers of any width (an unsigned one above `i64::MAX` keeps its bits), booleans
/// as 0 and 1, floats that are whole numbers (NaN is missing), strings, dates, dictionaries of these.
pub(super) fn keys(array: &ArrayRef, dates: DateForm) -> Result<ReadKeys, ArrowError> {
    let whole = |values: Int64Array| ReadKeys {
        values: Keys::Ints(Ints(values)),
        odd: Vec::new(),
    };
    Ok(match array.data_type() {
        DataType::Dictionary(_, values) => return keys(&cast(array, values)?, dates),
        DataType::Null => whole(
            new_null_array(&DataType::Int64, array.len())
                .as_primitive::<Int64Type>()
                .clone(),
        ),
        DataType::UInt64 => whole(array.as_primitive::<UInt64Type>().unary(u64::cast_signed)),
        DataType::Date32 => match dates {
            DateForm::Int => whole(array.as_primitive::<Date32Type>().unary(civil_number)),
            DateForm::Text => texts(array)?,
        },
        found if found.is_floating() => {
            let floats = cast(array, &DataType::Float64)?;
            let floats = floats.as_primitive::<Float64Type>();
            let odd = (0..floats.len()).filter_map(|place| {
                let value = number(floats, place)?;
                (!value.is_nan() && whole_number(value).is_none()).then_some((place, value))
            });
            let odd = odd.collect();
            ReadKeys {
                values: Keys::Ints(Ints(floats.unary_opt(whole_number))),
                odd,
            }
        }
        found if found.is_integer() || *found == DataType::Boolean => whole(
            cast(array, &DataType::Int64)?
                .as_primitive::<Int64Type>()
                .clone(),
        ),
        _ => texts(array)?,
    })
}

fn texts(array: &ArrayRef) -> Result<ReadKeys, ArrowError> {
    let texts = cast(array, &DataType::Utf8)?.as_string::<i32>().clone();
    Ok(ReadKeys {
        values: Keys::Texts(Texts(texts)),
        odd: Vec::new(),
    })
}

/// Reads numbers of any kind, booleans as 0 and 1.
pub(super) fn numbers(array: &ArrayRef) -> Result<Float64Array, ArrowError> {
    Ok(cast(array, &DataType::Float64)?
        .as_primitive::<Float64Type>()
        .clone())
}

/// Reads entries of vectors.
pub(super) fn entries(array: &ArrayRef) -> Result<Float32Array, ArrowError> {
    Ok(cast(array, &DataType::Float32)?.as_primitive().clone())
}

/// The number at a place, `None` if missing.
#[inline]
pub(super) fn number(numbers: &Float64Array, place: usize) -> Option<f64> {
    if numbers.is_null(place) {
        None
    } else {
        numbers.values().get(place).copied()
    }
}

/// Reads lists of any kind: where each row's entries lie, and the entries.
pub(super) fn lists(array: &ArrayRef) -> Result<(Spans, ArrayRef), ArrowError> {
    let list: ListArray = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().clone(),
        DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            cast(array, &DataType::List(Arc::clone(field)))?
                .as_list::<i32>()
                .clone()
        }
        _ => {
            let spans = Spans {
                offsets: OffsetBuffer::new_zeroed(array.len()),
                nulls: Some(NullBuffer::new_null(array.len())),
            };
            return Ok((spans, new_null_array(&DataType::Null, 0)));
        }
    };
    let (_, offsets, entries, nulls) = list.into_parts();
    Ok((Spans { offsets, nulls }, entries))
}

/// A float that is a whole number within ±2^63.
fn whole_number(value: f64) -> Option<i64> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    (value.fract() == 0.0 && (-BOUND..BOUND).contains(&value)).then_some(value as i64)
}

/// Days since 1970-01-01 as year, month and day in digits (Howard Hinnant's `civil_from_days`).
fn civil_number(days: i32) -> i64 {
    let days = i64::from(days) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    year * 10_000 + month * 100 + day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_digits() {
        for (days, expected) in [
            (0, 19_700_101),
            (-1, 19_691_231),
            (19_107, 20_220_425),
            (11_016, 20_000_229),
        ] {
            assert_eq!(civil_number(days), expected);
        }
    }

    #[test]
    fn floats_are_whole_or_odd() {
        let array: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(3.0),
            None,
            Some(f64::NAN),
            Some(1.5),
            Some(1e300),
        ]));
        let read = keys(&array, DateForm::Int).unwrap();
        assert_eq!(read.odd, vec![(3, 1.5), (4, 1e300)]);
        let shown: Vec<String> = (0..5).map(|place| read.values.show(place)).collect();
        assert_eq!(shown, ["3", "null", "null", "null", "null"]);
    }
}
