//! Drawn values.

use crate::data::synth::plan::{Universe, ValueRange};
use crate::hash::Random;
use crate::schema::{Axis, Standardise, Transform, Value};

/// A drawn value and its number in the universe, from 0.
pub(super) struct Draw {
    pub number: usize,
    pub value: Drawn,
}

pub(super) enum Drawn {
    Int(i64),
    Text(String),
}

impl From<&Value> for Drawn {
    fn from(value: &Value) -> Self {
        match value {
            Value::Int(value) => Self::Int(*value),
            Value::Text(value) => Self::Text(value.to_string()),
        }
    }
}

impl Universe {
    pub(super) fn is_text(self) -> bool {
        match self.values {
            ValueRange::Declared(values) => matches!(values.first(), Some(Value::Text(_))),
            ValueRange::Lines(_, _, whole) => !whole,
            ValueRange::Ints(_) => false,
            ValueRange::Texts(_) => true,
        }
    }

    /// Draws by Zipf's law: the value of rank k comes with a weight near 1 / k.
    pub(super) fn draw(self, random: &mut Random) -> Draw {
        let size = match self.values {
            ValueRange::Declared(values) => values.len(),
            ValueRange::Lines(_, size, _) | ValueRange::Ints(size) | ValueRange::Texts(size) => {
                size
            }
        };
        let rank = ((size as f64 + 1.0).ln() * random.uniform()).exp() as usize;
        let number = rank.saturating_sub(1).min(size.saturating_sub(1));
        let value = match self.values {
            ValueRange::Declared(values) => values.get(number).map_or(Drawn::Int(0), Into::into),
            ValueRange::Lines(text, _, whole) => {
                let line = text.lines().nth(number).unwrap_or_default();
                match line.parse() {
                    Ok(value) if whole => Drawn::Int(value),
                    _ => Drawn::Text(line.to_owned()),
                }
            }
            ValueRange::Ints(_) => Drawn::Int(number as i64 + 1),
            ValueRange::Texts(_) => Drawn::Text(format!("v{}", number + 1)),
        };
        Draw { number, value }
    }
}

/// Domains come in falling shares, so that some have few rows.
pub(super) fn domain(axis: &Axis, random: &mut Random) -> usize {
    let count = axis.domains.len();
    let domain = (count as f64 * random.uniform().powf(1.5)) as usize;
    domain.min(count.saturating_sub(1))
}

/// A whole number that no domain of an axis names.
pub(super) fn undeclared(axis: &Axis) -> i64 {
    let values = axis.domains.iter().flat_map(|domain| domain.values.iter());
    let largest = values.map(|value| match value {
        Value::Int(value) => *value,
        Value::Text(_) => 0,
    });
    largest.max().unwrap_or(0).wrapping_add(1)
}

/// A value of the range that the position falls in: numbers rise through their range with the position,
/// strings are one of its ends.
pub(super) fn split(ranges: &[(f64, &Value, &Value)], position: f64, random: &mut Random) -> Drawn {
    let mut start = 0.0;
    let mut last = Drawn::Int(0);
    for (end, from, to) in ranges {
        let within = ((position - start) / (end - start)).clamp(0.0, 1.0);
        start = *end;
        last = match (*from, *to) {
            (Value::Int(from), Value::Int(to)) => {
                let values = to.saturating_sub(*from).saturating_add(1);
                Drawn::Int(
                    from.saturating_add((values as f64 * within) as i64)
                        .min(*to),
                )
            }
            (from, to) => if random.below(2) == 0 { from } else { to }.into(),
        };
        if position < *end {
            break;
        }
    }
    last
}

/// A raw number for a standard normal: spread over its bounds if it has some, else with a long tail if its
/// logarithm is taken.
pub(super) fn number(transform: Transform, normal: f64) -> f64 {
    match transform.clip {
        Some((low, high)) => low + (high - low) / (1.0 + (-normal).exp()),
        None if transform.log => (2.0 + normal).exp(),
        None => match transform.standardise {
            Some(Standardise::Given { mean, std }) => mean + std * normal,
            Some(Standardise::Learned) | None => normal,
        },
    }
}
