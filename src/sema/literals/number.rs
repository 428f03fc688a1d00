//! Numbers: their ranges, and how a spec writes them.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::cursor::Cursor;
use crate::sema::settings::forms::Bound;
use crate::source::Span;
use crate::syntax::ast::Number;

impl Bound {
    pub(in crate::sema) fn holds(self, value: f64) -> bool {
        fits(value)
            && match self {
                Self::Finite => true,
                Self::Positive => value > 0.0,
                Self::NotNegative => value >= 0.0,
                Self::Fraction => (0.0..1.0).contains(&value),
            }
    }

    pub(in crate::sema) fn describe(self) -> &'static str {
        match self {
            Self::Finite => "finite",
            Self::Positive => "above 0",
            Self::NotNegative => "0 or above",
            Self::Fraction => "from 0 to below 1",
        }
    }
}

/// Largest whole number in a spec, so that sizes and products of sizes fit in u64.
pub(in crate::sema) const MAX_SIZE: u64 = 1_000_000_000;

fn out_of_range(name: &str, wants: &str, span: Span, found: &str) -> Diagnostic {
    let message = format!("`{name}` must be {wants}, not `{found}`");
    Diagnostic::new(Code::E0305, message, span, format!("must be {wants}"))
}

/// A whole number from `least` to [`MAX_SIZE`].
pub(in crate::sema) fn whole(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'_>,
    name: &str,
    least: u64,
) -> Option<u64> {
    let (number, span) = cursor.number(context, "a whole number")?;
    whole_of(context, number, span, name, least, MAX_SIZE)
}

/// A whole number from `least` up.
pub(in crate::sema) fn large(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'_>,
    name: &str,
    least: u64,
) -> Option<u64> {
    let (number, span) = cursor.number(context, "a whole number")?;
    whole_of(context, number, span, name, least, i64::MAX.unsigned_abs())
}

pub(in crate::sema) fn whole_of(
    context: &mut Context<'_>,
    number: &Number,
    span: Span,
    name: &str,
    least: u64,
    most: u64,
) -> Option<u64> {
    let value = number.whole.and_then(|value| u64::try_from(value).ok());
    if let Some(value) = value.filter(|value| (least..=most).contains(value)) {
        return Some(value);
    }
    if !number.is_written_whole() {
        let message = format!("`{name}` is a whole number, not `{}`", number.text);
        let diagnostic = Diagnostic::new(Code::E0304, message, span, "expected a whole number");
        context.report(match written_out(number.real, least, most) {
            Some(whole) => diagnostic.fix("write it out", span, whole),
            None => diagnostic,
        });
    } else if value.is_some_and(|value| value > most) || value.is_none() && number.real > 0.0 {
        context.report(out_of_range(
            name,
            &format!("at most {}", grouped(most.into())),
            span,
            &number.text,
        ));
    } else {
        context.report(out_of_range(
            name,
            &format!("at least {least}"),
            span,
            &number.text,
        ));
    }
    None
}

/// A number such as `64.0` or `1e3` in digits; `None` if it has a fraction, which only a person can
/// round.
fn written_out(number: f64, least: u64, most: u64) -> Option<String> {
    /// Up to here, every whole number is itself in double precision.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() != 0.0 || !(0.0..=EXACT).contains(&number) {
        return None;
    }
    let whole = format!("{number:.0}").parse().ok()?;
    (least..=most)
        .contains(&whole)
        .then(|| grouped(whole.into()))
}

/// A whole number as a spec writes it, with `_` between thousands.
pub fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let group = |(place, digit): (usize, char)| {
        let starts = place > 0 && (digits.len() - place).is_multiple_of(3);
        starts.then_some('_').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(group).collect()
}

pub(in crate::sema) fn real(
    context: &mut Context<'_>,
    cursor: &mut Cursor<'_>,
    name: &str,
    bound: Bound,
) -> Option<f64> {
    let (number, span) = cursor.number(context, "a number")?;
    if !fits(number.real) {
        context.report(too_large(span));
        return None;
    }
    if !bound.holds(number.real) {
        let wrong = out_of_range(name, bound.describe(), span, &number.text);
        context.report(wrong.help(format!("write it as `{}`", cursor.form)));
        return None;
    }
    Some(number.real)
}

/// Whether float32, in which the model computes, has a number of this size.
pub(in crate::sema) fn fits(value: f64) -> bool {
    value.abs() <= f64::from(f32::MAX)
}

pub(in crate::sema) fn too_large(span: Span) -> Diagnostic {
    let message = "a number is at most 3.4e38 in size, as float32 has it";
    Diagnostic::new(Code::E0305, message, span, "too large a number")
}
