//! Values of the schema as Rust expressions.
//!
//! Names are those of `mtmd::schema`: `text(…)` and `list(&[…])` borrow what a `static` holds.

use crate::reflect::{Content, Fields, Reflected, Struct, reflect};
use crate::sema::pascal_case;
use mtmd_schema::DomainSet;
use serde::Serialize;
use std::collections::BTreeMap;

/// Texts that are stored as files of the crate, and the paths that include them.
pub(super) type Files<'f> = BTreeMap<&'f str, String>;

/// Longest line of a literal that is laid out, unless it is an item of a list.
const WIDTH: usize = 100;

/// Columns per level of indentation.
const INDENT: usize = 4;

/// The expression that makes a value, on one line. A text that is one of the files is included.
pub(super) fn line(value: &impl Serialize, files: &Files<'_>) -> String {
    Printer { files }.line(&reflect(value))
}

/// The expression that makes a value, laid out: what does not fit on a line has one for each field or
/// item. An item of a list, such as an operation, is always one line, so that a diff shows it whole; numbers
/// share lines.
pub(super) fn laid_out(value: &Reflected) -> String {
    let printer = Printer {
        files: &Files::new(),
    };
    let mut out = String::new();
    printer.lay_out(&mut out, 0, value);
    out
}

struct Printer<'a> {
    files: &'a Files<'a>,
}

impl Printer<'_> {
    fn line(&self, value: &Reflected) -> String {
        let mut out = String::new();
        self.write(&mut out, value);
        out
    }

    fn lay_out(&self, out: &mut String, indent: usize, value: &Reflected) {
        let before = out.lines().next_back().unwrap_or_default().len();
        let line = is_short(value).then(|| self.line(value));
        let line = line.filter(|line| before + line.len() < WIDTH);
        match (line, value) {
            (Some(line), _) => *out += &line,
            (None, Reflected::Struct(Struct { name, fields })) => {
                *out += &format!("{name} {{");
                let inner = indent + INDENT;
                for (name, value) in fields {
                    *out += &format!("\n{:inner$}{name}: ", "");
                    self.lay_out(out, inner, value);
                    out.push(',');
                }
                *out += &format!("\n{:indent$}}}", "");
            }
            (None, Reflected::List(items)) => {
                *out += "list(&[";
                let inner = indent + INDENT;
                let numbers = items.iter().all(|item| matches!(item, Reflected::Whole(_)));
                let mut width = WIDTH;
                for item in items {
                    let item = format!("{},", self.line(item));
                    // Numbers fill their lines, everything else has a line per item.
                    if numbers && width + item.len() < WIDTH {
                        *out += &format!(" {item}");
                        width += item.len() + 1;
                    } else {
                        *out += &format!("\n{:inner$}{item}", "");
                        width = inner + item.len();
                    }
                }
                *out += &format!("\n{:indent$}])", "");
            }
            (None, _) => self.write(out, value),
        }
    }

    fn write(&self, out: &mut String, value: &Reflected) {
        match value {
            Reflected::None => *out += "None",
            Reflected::Some(value) => self.call(out, "Some", std::slice::from_ref(value)),
            Reflected::Bool(value) => *out += if *value { "true" } else { "false" },
            Reflected::Whole(number) => *out += &number.to_string(),
            Reflected::Real(number) => {
                assert!(number.is_finite(), "{number} has no literal");
                *out += &format!("{number:?}");
            }
            Reflected::Constant(name) => *out += name,
            Reflected::Text(text) => match self.files.get(&**text) {
                Some(path) => *out += &format!("text(include_str!({path:?}))"),
                None => *out += &format!("text({text:?})"),
            },
            Reflected::List(items) => {
                *out += "list(&[";
                self.separated(out, items);
                *out += "])";
            }
            Reflected::Tuple(items) => self.call(out, "", items),
            Reflected::Newtype(DomainSet::TYPE, ids) => match first_ids(ids) {
                Some(count) => *out += &format!("DomainSet::first::<{count}>()"),
                None => self.call(out, DomainSet::TYPE, std::slice::from_ref(ids)),
            },
            Reflected::Newtype(name, value) => self.call(out, name, std::slice::from_ref(value)),
            Reflected::Struct(Struct { name, fields }) => self.named(out, name, fields),
            Reflected::Variant { of, name, content } => {
                let path = format!("{of}::{}", pascal_case(name));
                match &**content {
                    Content::Unit => *out += &path,
                    Content::Tuple(items) => self.call(out, &path, items),
                    Content::Struct(fields) => self.named(out, &path, fields),
                }
            }
        }
    }

    fn call(&self, out: &mut String, path: &str, items: &[impl AsRef<Reflected>]) {
        *out += path;
        out.push('(');
        self.separated(out, items);
        out.push(')');
    }

    fn separated(&self, out: &mut String, items: &[impl AsRef<Reflected>]) {
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                *out += ", ";
            }
            self.write(out, item.as_ref());
        }
    }

    fn named(&self, out: &mut String, path: &str, fields: &Fields) {
        *out += path;
        *out += " { ";
        for (place, (name, value)) in fields.iter().enumerate() {
            if place > 0 {
                *out += ", ";
            }
            *out += &format!("{name}: ");
            self.write(out, value);
        }
        *out += " }";
    }
}

/// Whether a value may fit on a line: each of its parts takes a column at least.
fn is_short(value: &Reflected) -> bool {
    fn spend(budget: usize, value: &Reflected) -> Option<usize> {
        let budget = budget.checked_sub(1)?;
        match value {
            Reflected::None
            | Reflected::Bool(_)
            | Reflected::Whole(_)
            | Reflected::Real(_)
            | Reflected::Text(_)
            | Reflected::Constant(_) => Some(budget),
            Reflected::Some(value) | Reflected::Newtype(_, value) => spend(budget, value),
            Reflected::List(items) | Reflected::Tuple(items) => {
                items.iter().try_fold(budget, spend)
            }
            Reflected::Struct(Struct { fields, .. }) => {
                let values = fields.iter().map(|(_, value)| value);
                values.into_iter().try_fold(budget, spend)
            }
            Reflected::Variant { content, .. } => match &**content {
                Content::Unit => Some(budget),
                Content::Tuple(items) => items.iter().try_fold(budget, spend),
                Content::Struct(fields) => {
                    let mut values = fields.iter().map(|(_, value)| value);
                    values.try_fold(budget, spend)
                }
            },
        }
    }
    spend(WIDTH, value).is_some()
}

/// How many ids there are, if they are the first ones.
fn first_ids(ids: &Reflected) -> Option<usize> {
    let Reflected::List(ids) = ids else {
        return None;
    };
    let is_at = |(place, id): (i128, &Reflected)| matches!(id, Reflected::Newtype(_, id) if **id == Reflected::Whole(place));
    (0..).zip(ids).all(is_at).then_some(ids.len())
}

#[cfg(test)]
mod tests {
    use super::{Files, laid_out, line};
    use crate::reflect::{Reflected, reflect};
    use mtmd_schema::plan::{Address, BufferId, Init, Op, Scope, View};
    use mtmd_schema::{
        AdamW, Crossing, Derive, DomainId, DomainSet, Input, Label, List, Norm, Pool, TableId,
        TimePart, Transform, Unit, Value, list, text,
    };
    use serde::Serialize;

    /// Asserts that a value is written as an expression, whatever its spaces.
    fn assert_literal(value: &impl Serialize, expected: &str) {
        let files = Files::from([("a\nb\n", "lines.txt".to_owned())]);
        let layout = |expression: &str| {
            let item = format!("static X: () = {expression};");
            prettyplease::unparse(&syn::parse_file(&item).unwrap())
        };
        assert_eq!(layout(&line(value, &files)), layout(expected));
    }

    #[test]
    fn numbers_fill_their_lines() {
        let numbers: Vec<usize> = (1_000..1_030).collect();
        let shown = laid_out(&reflect(&List::from(numbers)));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 4, "{shown}");
        assert_eq!((lines[0], lines[3]), ("list(&[", "])"));
        assert!(
            lines[1].starts_with("    1000, 1001, ") && lines[1].len() < 100,
            "{shown}"
        );
    }

    #[test]
    fn one_value_of_each_shape() {
        assert_literal(&true, "true");
        assert_literal(&-7_i64, "-7");
        assert_literal(&1e-5, "1e-5");
        assert_literal(&5.0, "5.0");
        assert_literal(&text("\"\\\n{}"), r#"text("\"\\\n{}")"#);
        assert_literal(&text("a\nb\n"), r#"text(include_str!("lines.txt"))"#);
        assert_literal(&Some(3), "Some(3)");
        assert_literal(&None::<usize>, "None");
        assert_literal(&(0.0, 1.5), "(0.0, 1.5)");
        assert_literal(&List::from(vec![512_usize, 128]), "list(&[512, 128])");
        assert_literal(&List::<f64>::default(), "list(&[])");
        assert_literal(&TableId(4), "TableId(4)");
        assert_literal(&DomainSet::all(3), "DomainSet::first::<3>()");
        assert_literal(
            &DomainSet::from_iter([DomainId(2), DomainId(0)]),
            "DomainSet(list(&[DomainId(0), DomainId(2)]))",
        );
        let adamw = AdamW {
            lr: 0.001,
            weight_decay: 0.0,
        };
        assert_literal(&adamw, "AdamW { lr: 0.001, weight_decay: 0.0, }");
    }

    #[test]
    fn one_variant_of_each_shape() {
        assert_literal(&Norm::Pre, "Norm::Pre");
        assert_literal(
            &Label::Score(text("hw_ctr")),
            r#"Label::Score(text("hw_ctr"))"#,
        );
        assert_literal(&Value::Int(-1), "Value::Int(-1)");
        assert_literal(
            &Input::List {
                pool: Pool::Sum,
                weights: Some(text("w")),
                last: Some(9),
            },
            r#"Input::List { pool: Pool::Sum, weights: Some(text("w")), last: Some(9), }"#,
        );
        assert_literal(
            &Derive::Time {
                part: TimePart::Weekday,
                unit: Unit::Milliseconds,
            },
            "Derive::Time { part: TimePart::Weekday, unit: Unit::Milliseconds, }",
        );
        assert_literal(&Crossing::Mlp(list(&[64])), "Crossing::Mlp(list(&[64]))");
        assert_literal(
            &mtmd_schema::FeatureKind::Number(Transform::DEFAULT),
            "FeatureKind::Number(Transform { default: 0.0, clip: None, log: false, standardise: None, })",
        );
    }

    #[test]
    fn operations_of_a_plan() {
        let to = View {
            buffer: BufferId(3),
            start: 0,
            width: 8,
        };
        let parameter = Address {
            scope: Scope::Tower,
            offset: 16,
        };
        assert_literal(
            &Op::Repeat { parameter, to },
            "Op::Repeat { parameter: Address { scope: Scope::Tower, offset: 16, }, \
             to: View { buffer: BufferId(3), start: 0, width: 8, }, }",
        );
        assert_literal(&Init::Uniform(512), "Init::Uniform(512)");
    }

    #[test]
    fn what_does_not_fit_on_a_line_has_more() {
        let view = |buffer| View {
            buffer: BufferId(buffer),
            start: 100,
            width: 100,
        };
        let named = Reflected::Constant("SECOND".to_owned());
        let items = vec![reflect(&view(0)), named, reflect(&view(2))];
        assert_eq!(
            laid_out(&Reflected::List(items)),
            "list(&[\n    \
                 View { buffer: BufferId(0), start: 100, width: 100 },\n    \
                 SECOND,\n    \
                 View { buffer: BufferId(2), start: 100, width: 100 },\n\
             ])"
        );
    }
}
