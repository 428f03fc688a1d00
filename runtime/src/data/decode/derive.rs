//! What a feature makes of its column: a part of a time, a length.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Int64Array, UInt64Array};
use arrow_cast::cast;
use arrow_schema::{ArrowError, DataType, TimeUnit};

use crate::arrays::calendar::{self, DAYS};
use crate::arrays::keys::{DateForm, Keys, keys, lists};
use crate::arrays::numbers::{Numbers, value};
use crate::schema::{Derive, TimePart, Unit};

const SECONDS_A_DAY: i64 = 86_400;

/// Numbers that stand for a column's values, null where there is none.
pub(crate) struct Derived {
    pub numbers: ArrayRef,
    /// Places of times that have no date.
    pub odd: Vec<(usize, OddTime)>,
}

/// A time outside the years 1 to 9999, or an infinite one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum OddTime {
    /// So many units from 1970.
    Count(f64, Unit),
    /// A timestamp or date of this year.
    Year(i64),
}

/// What a feature makes of its column.
pub(crate) fn derived(array: &ArrayRef, derive: Derive) -> Result<Derived, ArrowError> {
    let mut odd = Vec::new();
    let numbers: Int64Array = match derive {
        Derive::Length => lengths(array)?,
        Derive::Time { part, unit } => {
            let times = ColumnTimes::read(array, unit)?;
            let parts = (0..array.len()).map(|place| {
                let seconds = times.seconds(place)?;
                match DAYS.contains(&seconds.div_euclid(SECONDS_A_DAY)) {
                    true => Some(part_of(part, seconds)),
                    false => {
                        odd.push((place, times.odd(place, seconds)));
                        None
                    }
                }
            });
            parts.collect()
        }
    };
    Ok(Derived {
        numbers: Arc::new(numbers),
        odd,
    })
}

/// Entries of lists, characters of strings.
fn lengths(array: &ArrayRef) -> Result<Int64Array, ArrowError> {
    let rows = 0..array.len();
    if let DataType::List(_) = array.data_type() {
        let (spans, _) = lists(array)?;
        return Ok(rows.map(|row| Some(spans.get(row)?.len() as i64)).collect());
    }
    let Keys::Texts(texts) = keys(array, DateForm::Text)?.values else {
        // A column without any value.
        return Ok(Int64Array::new_null(array.len()));
    };
    let length = texts.each(|text| text.chars().count() as i64);
    Ok(rows.map(length).collect())
}

/// Times since 1970.
struct ColumnTimes {
    counts: TimeCounts,
    per_second: i64,
    /// Of plain numbers.
    unit: Option<Unit>,
}

enum TimeCounts {
    Whole(Int64Array),
    Unsigned(UInt64Array),
    Floats(Numbers),
}

impl ColumnTimes {
    fn read(array: &ArrayRef, unit: Unit) -> Result<Self, ArrowError> {
        let typed = |counts, per_second| Self {
            counts: TimeCounts::Whole(counts),
            per_second,
            unit: None,
        };
        let whole = |array: &ArrayRef| -> Result<Int64Array, ArrowError> {
            let whole = cast(array, &DataType::Int64)?;
            Ok(whole.as_primitive::<Int64Type>().clone())
        };
        Ok(match array.data_type() {
            DataType::Date32 => {
                let days = array.as_primitive::<Date32Type>();
                typed(days.unary(|day| i64::from(day) * SECONDS_A_DAY), 1)
            }
            DataType::Date64 => typed(whole(array)?, 1000),
            DataType::Timestamp(unit, _) => {
                let per_second = match unit {
                    TimeUnit::Second => 1,
                    TimeUnit::Millisecond => 1000,
                    TimeUnit::Microsecond => 1_000_000,
                    TimeUnit::Nanosecond => 1_000_000_000,
                };
                typed(whole(array)?, per_second)
            }
            found => Self {
                counts: match found {
                    DataType::UInt64 => {
                        TimeCounts::Unsigned(array.as_primitive::<UInt64Type>().clone())
                    }
                    found if found.is_floating() => TimeCounts::Floats(Numbers::read(array)?),
                    _ => TimeCounts::Whole(whole(array)?),
                },
                per_second: per_second(unit),
                unit: Some(unit),
            },
        })
    }

    /// Seconds since 1970, rounded down, `None` if missing. What does not fit 64 bits is the nearest that does: no
    /// year has such a time either.
    fn seconds(&self, place: usize) -> Option<i64> {
        let count = match &self.counts {
            TimeCounts::Whole(counts) => value(counts, place)?,
            TimeCounts::Unsigned(counts) => {
                i64::try_from(value(counts, place)?).unwrap_or(i64::MAX)
            }
            TimeCounts::Floats(counts) => {
                let count = counts.get(place).filter(|count| !count.is_nan())?;
                count.floor() as i64
            }
        };
        Some(count.div_euclid(self.per_second))
    }

    fn odd(&self, place: usize, seconds: i64) -> OddTime {
        let count = match &self.counts {
            TimeCounts::Whole(counts) => value(counts, place).map(|count| count as f64),
            TimeCounts::Unsigned(counts) => value(counts, place).map(|count| count as f64),
            TimeCounts::Floats(counts) => counts.get(place),
        };
        match self.unit.zip(count) {
            Some((unit, count)) => OddTime::Count(count, unit),
            None => OddTime::Year(calendar::year(seconds.div_euclid(SECONDS_A_DAY))),
        }
    }
}

fn per_second(unit: Unit) -> i64 {
    match unit {
        Unit::Seconds => 1,
        Unit::Milliseconds => 1000,
        Unit::Microseconds => 1_000_000,
    }
}

fn name(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => "seconds",
        Unit::Milliseconds => "milliseconds",
        Unit::Microseconds => "microseconds",
    }
}

/// A part of a time in seconds since 1970, UTC.
fn part_of(part: TimePart, seconds: i64) -> i64 {
    let days = seconds.div_euclid(SECONDS_A_DAY);
    match part {
        TimePart::Hour => seconds.rem_euclid(SECONDS_A_DAY) / 3600,
        // 1 January 1970 was a Thursday.
        TimePart::Weekday => (days + 3).rem_euclid(7),
        TimePart::Day => days,
        TimePart::Month => calendar::month(days),
    }
}

impl fmt::Display for OddTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a time must be in the years 1 to 9999, this is ")?;
        let (count, unit) = match *self {
            Self::Year(year) => return write!(f, "in the year {year}"),
            Self::Count(count, _) if !count.is_finite() => return write!(f, "{count}"),
            Self::Count(count, unit) => (count, unit),
        };
        match count.abs() < 1e20 {
            true => write!(f, "{count} {} since 1970", name(unit))?,
            false => write!(f, "{count:e} {} since 1970", name(unit))?,
        }
        let fits = |per_second: f64| {
            let days = (count / per_second / SECONDS_A_DAY as f64).floor();
            DAYS.contains(&(days as i64))
        };
        let finer = [Unit::Milliseconds, Unit::Microseconds];
        match finer
            .into_iter()
            .find(|unit| fits(per_second(*unit) as f64))
        {
            Some(unit) => {
                let unit = name(unit);
                write!(f, "; if the column counts {unit}, write `unit {unit}`")
            }
            None if fits(1e9) => write!(
                f,
                "; if the column counts nanoseconds, write it as timestamps"
            ),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Float64Array, ListArray, StringArray};

    use super::*;

    fn numbers(derived: &Derived) -> &Int64Array {
        derived.numbers.as_primitive::<Int64Type>()
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
        assert_eq!(numbers(&hours), &expected);
        for unit in [TimeUnit::Second, TimeUnit::Nanosecond] {
            let seconds: ArrayRef = Arc::new(Int64Array::from(vec![1_650_895_199]));
            let stamps = cast(&seconds, &DataType::Timestamp(TimeUnit::Second, None)).unwrap();
            let stamps = cast(&stamps, &DataType::Timestamp(unit, None)).unwrap();
            // The type says the unit.
            let hours = derived(&stamps, derive).unwrap();
            assert_eq!(numbers(&hours).value(0), 13);
        }
    }

    #[test]
    fn times_are_rounded_down_and_must_have_a_date() {
        let (end, per_day) = (253_402_300_800.0, 86_400.0);
        let times = vec![
            Some(-0.5),
            Some(f64::NAN),
            None,
            Some(end - 0.5),
            Some(end),
            Some(f64::INFINITY),
            Some(1e300),
            Some(-719_162.0 * per_day),
            Some(-719_162.0 * per_day - 0.5),
        ];
        let times: ArrayRef = Arc::new(Float64Array::from(times));
        let days = derived(
            &times,
            Derive::Time {
                part: TimePart::Day,
                unit: Unit::Seconds,
            },
        )
        .unwrap();
        let expected = [
            Some(-1),
            None,
            None,
            Some(2_932_896),
            None,
            None,
            None,
            Some(-719_162),
            None,
        ];
        assert_eq!(numbers(&days), &Int64Array::from(expected.to_vec()));
        let odd: Vec<usize> = days.odd.iter().map(|(place, _)| *place).collect();
        assert_eq!(odd, [4, 5, 6, 8]);
        let huge: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        let days = derived(
            &huge,
            Derive::Time {
                part: TimePart::Day,
                unit: Unit::Microseconds,
            },
        )
        .unwrap();
        assert_eq!(days.odd.len(), 1);
    }

    #[test]
    fn odd_times_say_what_may_be_meant() {
        let told = |count, unit| OddTime::Count(count, unit).to_string();
        assert_eq!(
            told(1_767_225_600_000.0, Unit::Seconds),
            "a time must be in the years 1 to 9999, this is 1767225600000 seconds since 1970; \
             if the column counts milliseconds, write `unit milliseconds`"
        );
        assert!(told(1.76e15, Unit::Milliseconds).ends_with("write `unit microseconds`"));
        assert!(told(1.76e18, Unit::Seconds).ends_with("write it as timestamps"));
        assert!(told(f64::INFINITY, Unit::Seconds).ends_with("this is inf"));
        assert!(told(1e300, Unit::Seconds).ends_with("this is 1e300 seconds since 1970"));
        assert!(
            OddTime::Year(57_970)
                .to_string()
                .ends_with("this is in the year 57970")
        );
    }

    #[test]
    fn lengths_of_lists_and_strings() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("éa"), None, Some("")]));
        let lengths = derived(&texts, Derive::Length).unwrap();
        let expected = Int64Array::from(vec![Some(2), None, Some(0)]);
        assert_eq!(numbers(&lengths), &expected);
        let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
        ]);
        let lists: ArrayRef = Arc::new(lists);
        let lengths = derived(&lists, Derive::Length).unwrap();
        assert_eq!(numbers(&lengths), &expected);
    }
}
