//! Counts and sizes for people.

use crate::diagnostics::nouns;

/// A count, to three digits: `1.25 M`.
pub(super) fn count(number: u128) -> String {
    scale(number, "")
}

/// Bytes, to three digits: `25.6 MB`.
pub(super) fn bytes(number: u128) -> String {
    scale(number, "B")
}

/// Parameters: `1.25 M parameters`.
pub(super) fn parameters(number: u128) -> String {
    format!("{} {}", count(number), nouns(number, "parameter"))
}

fn scale(number: u128, unit: &str) -> String {
    let mut larger = ["k", "M", "G", "T", "P", "E"].into_iter();
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = number as f64;
    let mut prefix = None;
    while value >= 999.5
        && let Some(next) = larger.next()
    {
        value /= 1000.0;
        prefix = Some(next);
    }
    match prefix {
        None if unit.is_empty() => format!("{number}"),
        None => format!("{number} {unit}"),
        Some(prefix) if value < 9.995 => format!("{value:.2} {prefix}{unit}"),
        Some(prefix) if value < 99.95 => format!("{value:.1} {prefix}{unit}"),
        Some(prefix) => format!("{value:.0} {prefix}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, count};

    #[test]
    fn three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00 k"),
            (9_996, "10.0 k"),
            (99_960, "100 k"),
            (999_500, "1.00 M"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(bytes(12), "12 B");
        assert_eq!(bytes(25_600_000), "25.6 MB");
    }
}
