//! Days as dates of the Gregorian calendar.

use std::ops::RangeInclusive;

/// Days since 1970-01-01 of the years 1 to 9999.
pub(crate) const DAYS: RangeInclusive<i64> = -719_162..=2_932_896;

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> [i64; 3] {
    let days = days + 719_468;
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
    [year, month, day]
}

/// Year, month and day in digits: `20220425`.
pub(crate) fn number(days: i64) -> i64 {
    let [year, month, day] = civil(days);
    year * 10_000 + month * 100 + day
}

/// The same as text, `2022-04-25`; a year outside 0 to 9999 has a sign.
pub(crate) fn text(days: i64) -> String {
    let [year, month, day] = civil(days);
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:+05}-{month:02}-{day:02}"),
    }
}

/// Month, from 1.
pub(crate) fn month(days: i64) -> i64 {
    let [_, month, _] = civil(days);
    month
}

/// Year.
pub(crate) fn year(days: i64) -> i64 {
    let [year, _, _] = civil(days);
    year
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_digits_and_as_text() {
        for (days, digits, expected) in [
            (0, 19_700_101, "1970-01-01"),
            (-1, 19_691_231, "1969-12-31"),
            (19_107, 20_220_425, "2022-04-25"),
            (11_016, 20_000_229, "2000-02-29"),
            (*DAYS.start(), 10_101, "0001-01-01"),
            (*DAYS.end(), 99_991_231, "9999-12-31"),
        ] {
            assert_eq!((number(days), text(days).as_str()), (digits, expected));
        }
        assert_eq!(text(DAYS.end() + 1), "+10000-01-01");
        assert_eq!(text(DAYS.start() - 367), "-0001-12-31");
    }
}
