//! Arrow's many types in four plain forms: raw values, lists of them, numbers, lists of numbers.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Int32Array, Int64Array, ListArray, StringArray,
    new_null_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimeUnit, UInt64Type};
use arrow::error::ArrowError;

use crate::data::numbers::{Ints, Numbers};
use crate::schema::{Derive, TimePart, Unit};

/// A column of raw values.
#[derive(Debug, Clone)]
pub(super) enum Keys {
    /// Whole numbers.
    Ints(Ints),
    /// Strings.
    Texts(Texts),
}

/// Strings, null where missing.
#[derive(Debug, Clone)]
pub(super) struct Texts {
    /// Strings by place, or by code.
    strings: StringArray,
    /// The code of each place, where strings have codes.
    codes: Option<Int32Array>,
}

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

impl Texts {
    /// The value at a place, `None` if missing.
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<&str> {
        match &self.codes {
            None => self.string(place),
            Some(codes) => self.string(code(codes, place)?),
        }
    }

    /// What is made of the string at a place, `None` if missing: of a string that has a code once, when it is first met.
    pub(super) fn each<'a, T: Copy>(
        &'a self,
        mut make: impl FnMut(&'a str) -> T,
    ) -> impl FnMut(usize) -> Option<T> {
        let mut made = match self.codes {
            Some(_) => vec![None; self.strings.len()],
            None => Vec::new(),
        };
        move |place| {
            let Some(codes) = &self.codes else {
                return self.string(place).map(&mut make);
            };
            let code = code(codes, place)?;
            let made = made.get_mut(code)?;
            if made.is_none() {
                *made = self.string(code).map(&mut make);
            }
            *made
        }
    }

    /// Gives each string at some places to `take`, with how often it was there: one that has a code once, in the order
    /// of codes, others each time. How many were missing.
    pub(super) fn count(
        &self,
        places: impl Iterator<Item = usize>,
        mut take: impl FnMut(&str, u64),
    ) -> usize {
        let mut missing = 0;
        let Some(codes) = &self.codes else {
            for place in places {
                match self.string(place) {
                    Some(text) => take(text, 1),
                    None => missing += 1,
                }
            }
            return missing;
        };
        let mut counts = vec![0; self.strings.len()];
        for place in places {
            match code(codes, place).and_then(|code| counts.get_mut(code)) {
                Some(count) => *count += 1,
                None => missing += 1,
            }
        }
        for (code, count) in counts
            .into_iter()
            .enumerate()
            .filter(|(_, count)| *count > 0)
        {
            match self.string(code) {
                Some(text) => take(text, count),
                None => missing += count as usize,
            }
        }
        missing
    }

    #[inline]
    fn string(&self, index: usize) -> Option<&str> {
        let known = index < self.strings.len() && self.strings.is_valid(index);
        known.then(|| self.strings.value(index))
    }
}

#[inline]
fn code(codes: &Int32Array, place: usize) -> Option<usize> {
    if codes.is_null(place) {
        return None;
    }
    let code = codes.values().get(place)?;
    usize::try_from(*code).ok()
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
    pub(super) fn get(&self, row: usize) -> Option<Range<usize>> {
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
    let read = |values: Ints| ReadKeys {
        values: Keys::Ints(values),
        odd: Vec::new(),
    };
    let whole = |values: Int64Array| read(Ints::Wide(values));
    Ok(match array.data_type() {
        DataType::Dictionary(_, values) if is_text(values) => coded(array)?,
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
            let floats = Numbers::read(array)?;
            let whole: Int64Array = match &floats {
                Numbers::Narrow(floats) => floats.unary_opt(|value| whole_number(f64::from(value))),
                Numbers::Wide(floats) => floats.unary_opt(whole_number),
                Numbers::Ints(ints) => ints.unary(i64::from),
            };
            let odd = match whole.null_count() == array.null_count() {
                true => Vec::new(),
                false => {
                    let odd = (0..array.len()).filter_map(|place| {
                        let value = floats.get(place)?;
                        (!value.is_nan() && whole.is_null(place)).then_some((place, value))
                    });
                    odd.collect()
                }
            };
            ReadKeys {
                odd,
                values: Keys::Ints(Ints::Wide(whole)),
            }
        }
        found if found.is_integer() || *found == DataType::Boolean => read(Ints::read(array)?),
        _ => texts(array)?,
    })
}

fn texts(array: &ArrayRef) -> Result<ReadKeys, ArrowError> {
    let texts = cast(array, &DataType::Utf8)?.as_string::<i32>().clone();
    Ok(ReadKeys {
        values: Keys::Texts(Texts {
            strings: texts,
            codes: None,
        }),
        odd: Vec::new(),
    })
}

/// Strings in a dictionary.
fn coded(array: &ArrayRef) -> Result<ReadKeys, ArrowError> {
    let array = cast(array, &text_codes())?;
    let dictionary = array.as_dictionary::<Int32Type>();
    Ok(ReadKeys {
        values: Keys::Texts(Texts {
            strings: dictionary.values().as_string::<i32>().clone(),
            codes: Some(dictionary.keys().clone()),
        }),
        odd: Vec::new(),
    })
}

/// Strings as codes in a dictionary.
pub(super) fn text_codes() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Whether it is a type of strings.
pub(super) fn is_text(found: &DataType) -> bool {
    matches!(
        found,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}

/// Reads entries of vectors.
pub(super) fn entries(array: &ArrayRef) -> Result<Float32Array, ArrowError> {
    Ok(cast(array, &DataType::Float32)?.as_primitive().clone())
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

/// What a feature makes of its column.
pub(super) fn derived(array: &ArrayRef, derive: Derive) -> Result<ArrayRef, ArrowError> {
    let numbers: Int64Array = match derive {
        Derive::Length => lengths(array)?,
        Derive::Time { part, unit } => {
            let (times, per_second) = times(array, unit)?;
            times.unary(|time| part_of(part, time.div_euclid(per_second)))
        }
    };
    Ok(Arc::new(numbers))
}

/// Entries of lists, characters of strings.
fn lengths(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    let rows = 0..array.len();
    match array.data_type() {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => {
            let (spans, _) = lists(array)?;
            Ok(rows.map(|row| Some(spans.get(row)?.len() as i64)).collect())
        }
        _ => {
            let texts = cast(array, &DataType::Utf8)?;
            let texts = texts.as_string::<i32>();
            let length = |row| {
                texts
                    .is_valid(row)
                    .then(|| texts.value(row).chars().count() as i64)
            };
            Ok(rows.map(length).collect())
        }
    }
}

/// Times since 1970, and how many of their units a second has.
fn times(array: &ArrayRef, unit: Unit) -> Result<(Int64Array, i64), ArrowError> {
    let whole = |array: &ArrayRef| -> Result<Int64Array, ArrowError> {
        Ok(cast(array, &DataType::Int64)?
            .as_primitive::<Int64Type>()
            .clone())
    };
    Ok(match array.data_type() {
        DataType::Dictionary(_, values) => return times(&cast(array, values)?, unit),
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>();
            (days.unary(|day| i64::from(day) * SECONDS_A_DAY), 1)
        }
        DataType::Date64 => (whole(array)?, 1000),
        DataType::Timestamp(unit, _) => {
            let per_second = match unit {
                TimeUnit::Second => 1,
                TimeUnit::Millisecond => 1000,
                TimeUnit::Microsecond => 1_000_000,
                TimeUnit::Nanosecond => 1_000_000_000,
            };
            (whole(array)?, per_second)
        }
        _ => {
            let per_second = match unit {
                Unit::Seconds => 1,
                Unit::Milliseconds => 1000,
                Unit::Microseconds => 1_000_000,
            };
            (whole(array)?, per_second)
        }
    })
}

const SECONDS_A_DAY: i64 = 86_400;

/// A part of a time in seconds since 1970, UTC.
fn part_of(part: TimePart, seconds: i64) -> i64 {
    let days = seconds.div_euclid(SECONDS_A_DAY);
    match part {
        TimePart::Hour => seconds.rem_euclid(SECONDS_A_DAY) / 3600,
        // 1 January 1970 was a Thursday.
        TimePart::Weekday => (days + 3).rem_euclid(7),
        TimePart::Day => days,
        TimePart::Month => i32::try_from(days).map_or(0, |days| civil_number(days) / 100 % 100),
    }
}

/// A float that is a whole number within ±2^63.
fn whole_number(value: f64) -> Option<i64> {
    const BOUND: f64 = 9_223_372_036_854_775_808.0;
    let whole = value as i64;
    (whole as f64 == value && (-BOUND..BOUND).contains(&value)).then_some(whole)
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
    use arrow::array::Float64Array;

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
    fn parts_of_times() {
        // 25 April 2022, a Monday, 13:59:59; and one second before 1970.
        for (seconds, parts) in [(1_650_895_199, [13, 0, 19_107, 4]), (-1, [23, 2, -1, 12])] {
            let all = [
                TimePart::Hour,
                TimePart::Weekday,
                TimePart::Day,
                TimePart::Month,
            ];
            assert_eq!(all.map(|part| part_of(part, seconds)), parts);
        }
        let times: ArrayRef = Arc::new(Int64Array::from(vec![
            Some(1_650_895_199_999),
            None,
            Some(-1),
        ]));
        let derive = Derive::Time {
            part: TimePart::Hour,
            unit: Unit::Milliseconds,
        };
        let hours = derived(&times, derive).unwrap();
        let expected = Int64Array::from(vec![Some(13), None, Some(23)]);
        assert_eq!(hours.as_primitive::<Int64Type>(), &expected);
        for unit in [TimeUnit::Second, TimeUnit::Nanosecond] {
            let seconds: ArrayRef = Arc::new(Int64Array::from(vec![1_650_895_199]));
            let stamps = cast(&seconds, &DataType::Timestamp(TimeUnit::Second, None)).unwrap();
            let stamps = cast(&stamps, &DataType::Timestamp(unit, None)).unwrap();
            // The type says the unit.
            let hours = derived(&stamps, derive).unwrap();
            assert_eq!(hours.as_primitive::<Int64Type>().value(0), 13);
        }
    }

    #[test]
    fn lengths_of_lists_and_strings() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("éa"), None, Some("")]));
        let lengths = derived(&texts, Derive::Length).unwrap();
        let expected = Int64Array::from(vec![Some(2), None, Some(0)]);
        assert_eq!(lengths.as_primitive::<Int64Type>(), &expected);
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
        ]);
        let lists: ArrayRef = Arc::new(lists);
        let lengths = derived(&lists, Derive::Length).unwrap();
        assert_eq!(lengths.as_primitive::<Int64Type>(), &expected);
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
