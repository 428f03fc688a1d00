//! Arrow's types in plain forms: raw values, lists of them, lists of numbers.

use std::fmt;
use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Date64Type, Int32Type, Int64Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Float32Array, Int64Array, PrimitiveArray, RecordBatch,
    StringArray, UInt64Array, new_null_array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType};

use crate::arrays::calendar;
use crate::arrays::numbers::{Ints, Numbers, value};
use crate::arrays::texts::Texts;

/// A column of raw values.
#[derive(Debug, Clone)]
pub(crate) enum Keys {
    /// Whole numbers.
    Ints(Ints),
    /// Unsigned ones, some of which are 2^63 and more.
    Unsigned(UInt64Array),
    /// Strings.
    Texts(Texts),
}

/// Raw values with the places that hold something else.
#[derive(Debug)]
pub(crate) struct ReadKeys {
    /// The values; null at the places of `odd`.
    pub values: Keys,
    /// Ascending places of what is not a raw value.
    pub odd: Vec<(usize, Odd)>,
}

/// Something that is not a raw value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Odd {
    /// A float that is not a whole number.
    Fraction(f64),
    /// A whole float that may stand for its neighbours as well: from 2 to the power of `bits` on, floats of this width leave
    /// whole numbers out.
    Inexact { value: f64, bits: u32 },
    /// A day since 1970, whose year has no four digits: as text it would not be in order.
    Date(i64),
    /// Bytes that are not text in UTF-8.
    Bytes,
}

impl Odd {
    /// What is wrong, in a sentence about `noun`, such as "an id".
    pub(crate) fn fault(&self, noun: &str) -> String {
        match self {
            Self::Fraction(_) => {
                format!("{noun} must be a whole number or a string, this is {self}")
            }
            Self::Inexact { bits, .. } => format!(
                "{noun} in a float is exact below 2^{bits} only, this is {self}: write the column as int64"
            ),
            Self::Date(_) => format!("{noun} must be in the years 0 to 9999, this is {self}"),
            Self::Bytes => format!("{noun} must be a whole number or a string, these are {self}"),
        }
    }
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Fraction(value) | Self::Inexact { value, .. } => match value.abs() < 1e20 {
                true => write!(f, "{value}"),
                false => write!(f, "{value:e}"),
            },
            Self::Date(day) => f.write_str(&calendar::text(day)),
            Self::Bytes => f.write_str("bytes that are not UTF-8"),
        }
    }
}

/// How a date reads as a raw value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DateForm {
    /// `20220425`.
    Int,
    /// `2022-04-25`.
    Text,
}

/// Where the entries of each row's list lie.
#[derive(Debug, Clone)]
pub(crate) struct Spans {
    offsets: OffsetBuffer<i32>,
    nulls: Option<NullBuffer>,
}

impl ReadKeys {
    fn all(values: Keys) -> Self {
        Self {
            values,
            odd: Vec::new(),
        }
    }

    /// What is not a raw value at a place.
    pub(crate) fn odd_at(&self, place: usize) -> Option<Odd> {
        let found = self.odd.binary_search_by_key(&place, |(place, _)| *place);
        self.odd.get(found.ok()?).map(|(_, odd)| *odd)
    }

    /// What is at a place as people write it; "null" if missing.
    pub(crate) fn show(&self, place: usize) -> String {
        if let Some(odd) = self.odd_at(place) {
            return odd.to_string();
        }
        let null = || "null".to_owned();
        match &self.values {
            Keys::Ints(ints) => ints.get(place).map_or_else(null, |key| key.to_string()),
            Keys::Unsigned(keys) => value(keys, place).map_or_else(null, |key| key.to_string()),
            Keys::Texts(texts) => {
                let quoted = |key: &str| format!("\"{}\"", key.escape_debug());
                texts.get(place).map_or_else(null, quoted)
            }
        }
    }
}

impl Spans {
    /// Places of a row's entries; `None` if the list is missing.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<Range<usize>> {
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

/// Reads raw values: integers of any width, booleans as 0 and 1, floats that are whole numbers (NaN is missing),
/// strings, bytes that are strings, dates, strings in a dictionary.
pub(crate) fn keys(array: &ArrayRef, dates: DateForm) -> Result<ReadKeys, ArrowError> {
    Ok(match array.data_type() {
        DataType::Dictionary(..) => coded(array)?,
        DataType::Null => {
            let none = new_null_array(&DataType::Int64, array.len());
            wide(none.as_primitive::<Int64Type>().clone())
        }
        DataType::UInt64 => unsigned(array.as_primitive::<UInt64Type>()),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            dated(days, i64::from, dates)
        }
        DataType::Date64 => {
            let days = array.as_primitive::<Date64Type>();
            dated(days, |time| time.div_euclid(MILLISECONDS_A_DAY), dates)
        }
        found if found.is_floating() => floats(array)?,
        found if found.is_integer() || *found == DataType::Boolean => {
            ReadKeys::all(Keys::Ints(Ints::read(array)?))
        }
        DataType::Binary => bytes(array),
        _ => texts(cast(array, &DataType::Utf8)?.as_string::<i32>().clone()),
    })
}

const MILLISECONDS_A_DAY: i64 = 86_400_000;

fn wide(values: Int64Array) -> ReadKeys {
    ReadKeys::all(Keys::Ints(Ints::Wide(values)))
}

fn texts(strings: StringArray) -> ReadKeys {
    ReadKeys::all(Keys::Texts(Texts {
        strings,
        codes: None,
    }))
}

fn unsigned(values: &UInt64Array) -> ReadKeys {
    let bits = values.values().iter().fold(0, |all, value| all | value);
    match i64::try_from(bits) {
        Ok(_) => wide(values.unary(u64::cast_signed)),
        Err(_) => ReadKeys::all(Keys::Unsigned(values.clone())),
    }
}

fn dated<A: ArrowPrimitiveType>(
    dates: &PrimitiveArray<A>,
    day: impl Fn(A::Native) -> i64,
    form: DateForm,
) -> ReadKeys {
    if form == DateForm::Int {
        return wide(dates.unary(|date| calendar::number(day(date))));
    }
    let mut odd = Vec::new();
    let strings = dates.iter().enumerate().map(|(place, date)| {
        let day = day(date?);
        if !(0..=9999).contains(&calendar::year(day)) {
            odd.push((place, Odd::Date(day)));
            return None;
        }
        Some(calendar::text(day))
    });
    let strings: StringArray = strings.collect();
    ReadKeys {
        odd,
        ..texts(strings)
    }
}

fn floats(array: &ArrayRef) -> Result<ReadKeys, ArrowError> {
    let bits = match array.data_type() {
        DataType::Float16 => 11,
        DataType::Float32 => 24,
        _ => 53,
    };
    let bound = f64::from(bits).exp2();
    let whole = |value: f64| {
        let is_whole = value.fract() == 0.0 && value.abs() < bound;
        is_whole.then_some(value as i64)
    };
    let floats = Numbers::read(array)?;
    let keys: Int64Array = match &floats {
        Numbers::Narrow(floats) => floats.unary_opt(|value| whole(f64::from(value))),
        Numbers::Wide(floats) => floats.unary_opt(whole),
        Numbers::Ints(ints) => ints.unary(i64::from),
    };
    let mut odd = Vec::new();
    if keys.null_count() > array.null_count() {
        for place in 0..array.len() {
            let value = floats.get(place).filter(|value| !value.is_nan());
            let Some(value) = value.filter(|_| keys.is_null(place)) else {
                continue;
            };
            odd.push((
                place,
                match value.fract() == 0.0 {
                    true => Odd::Inexact { value, bits },
                    false => Odd::Fraction(value),
                },
            ));
        }
    }
    Ok(ReadKeys {
        values: Keys::Ints(Ints::Wide(keys)),
        odd,
    })
}

/// Bytes that nothing marks as text.
fn bytes(array: &ArrayRef) -> ReadKeys {
    let bytes = array.as_binary::<i32>();
    let mut odd = Vec::new();
    let strings = bytes.iter().enumerate().map(|(place, bytes)| {
        let text = std::str::from_utf8(bytes?).ok();
        if text.is_none() {
            odd.push((place, Odd::Bytes));
        }
        text
    });
    let strings: StringArray = strings.collect();
    ReadKeys {
        odd,
        ..texts(strings)
    }
}

/// Strings in a dictionary.
fn coded(array: &ArrayRef) -> Result<ReadKeys, ArrowError> {
    let array = cast(array, &text_codes())?;
    let dictionary = array.as_dictionary::<Int32Type>();
    Ok(ReadKeys::all(Keys::Texts(Texts {
        strings: dictionary.values().as_string::<i32>().clone(),
        codes: Some(dictionary.keys().clone()),
    })))
}

/// Strings as codes in a dictionary.
pub(crate) fn text_codes() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Whether it is a type of strings, or of bytes that may be some.
pub(crate) fn is_text(found: &DataType) -> bool {
    matches!(found, DataType::Utf8 | DataType::Binary)
}

/// Reads entries of vectors.
pub(crate) fn entries(array: &ArrayRef) -> Result<Float32Array, ArrowError> {
    Ok(cast(array, &DataType::Float32)?.as_primitive().clone())
}

/// Reads lists: where each row's entries lie, and the entries.
pub(crate) fn lists(array: &ArrayRef) -> Result<(Spans, ArrayRef), ArrowError> {
    match array.data_type() {
        DataType::List(_) => {
            let (_, offsets, entries, nulls) = array.as_list::<i32>().clone().into_parts();
            Ok((Spans { offsets, nulls }, entries))
        }
        DataType::Null => {
            let spans = Spans {
                offsets: OffsetBuffer::new_zeroed(array.len()),
                nulls: Some(NullBuffer::new_null(array.len())),
            };
            Ok((spans, new_null_array(&DataType::Null, 0)))
        }
        found => Err(ArrowError::SchemaError(format!("{found} is not a list"))),
    }
}

/// The type of a list's entries.
pub(crate) fn element(found: &DataType) -> Option<&DataType> {
    match found {
        DataType::List(field) => Some(field.data_type()),
        DataType::Null => Some(found),
        _ => None,
    }
}

/// A column of a record batch.
pub(crate) fn column_of(batch: &RecordBatch, column: &str) -> Result<ArrayRef, ArrowError> {
    let found = batch.column_by_name(column).cloned();
    found.ok_or_else(|| ArrowError::SchemaError(format!("column `{column}` is gone")))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{BinaryArray, Date32Array, Date64Array, Float64Array};

    use super::*;

    fn shown(array: ArrayRef) -> Vec<String> {
        let read = keys(&array, DateForm::Int).unwrap();
        (0..array.len()).map(|place| read.show(place)).collect()
    }

    #[test]
    fn floats_are_whole_or_odd() {
        let array: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(3.0),
            None,
            Some(f64::NAN),
            Some(1.5),
            Some(1e300),
            Some(f64::INFINITY),
        ]));
        let read = keys(&array, DateForm::Int).unwrap();
        let inexact = |value| Odd::Inexact { value, bits: 53 };
        let infinite = Odd::Fraction(f64::INFINITY);
        let odd = vec![(3, Odd::Fraction(1.5)), (4, inexact(1e300)), (5, infinite)];
        assert_eq!(read.odd, odd);
        let expected = ["3", "null", "null", "1.5", "1e300", "inf"];
        assert_eq!(shown(array), expected);
    }

    /// A float from 2^53 on, or 2^24, or 2^11, may be its neighbour, rounded.
    #[test]
    fn floats_are_exact_or_odd() {
        type Column = fn(f64) -> ArrayRef;
        let all: [(u32, Column); 3] = [
            (53, |value| Arc::new(Float64Array::from(vec![value]))),
            (24, |value| Arc::new(Float32Array::from(vec![value as f32]))),
            (11, |value| {
                let wide: ArrayRef = Arc::new(Float64Array::from(vec![value]));
                cast(&wide, &DataType::Float16).unwrap()
            }),
        ];
        for (bits, array) in all {
            let bound = f64::from(bits).exp2();
            for value in [bound - 1.0, 1.0 - bound] {
                let read = keys(&array(value), DateForm::Int).unwrap();
                assert!(read.odd.is_empty(), "{value}");
                assert_eq!(read.show(0), format!("{value}"));
            }
            for value in [bound, -bound] {
                let read = keys(&array(value), DateForm::Int).unwrap();
                assert_eq!(read.odd, [(0, Odd::Inexact { value, bits })]);
            }
        }
    }

    #[test]
    fn unsigned_numbers_keep_their_value() {
        let array: ArrayRef = Arc::new(UInt64Array::from(vec![Some(7), None, Some(u64::MAX)]));
        assert_eq!(shown(array), ["7", "null", "18446744073709551615"]);
    }

    #[test]
    fn bytes_are_text_or_odd() {
        let bytes: Vec<Option<&[u8]>> = vec![Some(b"ab"), None, Some(&[0xff])];
        let array: ArrayRef = Arc::new(BinaryArray::from(bytes));
        let expected = ["\"ab\"", "null", "bytes that are not UTF-8"];
        assert_eq!(shown(array), expected);
    }

    #[test]
    fn dates_have_two_forms() {
        let days: ArrayRef = Arc::new(Date32Array::from(vec![19_107]));
        // A minute before 1970.
        let times: ArrayRef = Arc::new(Date64Array::from(vec![-60_000]));
        for (array, int, text) in [
            (days, "20220425", "\"2022-04-25\""),
            (times, "19691231", "\"1969-12-31\""),
        ] {
            assert_eq!(keys(&array, DateForm::Int).unwrap().show(0), int);
            assert_eq!(keys(&array, DateForm::Text).unwrap().show(0), text);
        }
    }
}
