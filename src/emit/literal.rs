//! Values of the schema as Rust.
//!
//! Names are those of `mtmd::schema`: `text(…)` and `list(&[…])` borrow what a `static` holds.

use crate::reflect::{Content, Fields, Reflected, Struct, reflect};
use crate::sema::pascal_case;
use mtmd_schema::DomainSet;
use serde::Serialize;
use std::collections::BTreeMap;

/// Texts that are files of the crate, and the paths that include them.
pub(super) type Files<'f> = BTreeMap<&'f str, String>;

/// The expression that makes a value. A text that is one of the files is included.
pub(super) fn literal(value: &impl Serialize, files: &Files<'_>) -> String {
    let mut out = String::new();
    write(&mut out, &reflect(value), files);
    out
}

fn write(out: &mut String, value: &Reflected, files: &Files<'_>) {
    match value {
        Reflected::None => *out += "None",
        Reflected::Some(value) => call(out, "Some", std::slice::from_ref(value), files),
        Reflected::Bool(value) => *out += if *value { "true" } else { "false" },
        Reflected::Whole(number) => *out += &number.to_string(),
        Reflected::Real(number) => {
            assert!(number.is_finite(), "{number} has no literal");
            *out += &format!("{number:?}");
        }
        Reflected::Text(text) => match files.get(&**text) {
            Some(path) => *out += &format!("text(include_str!({path:?}))"),
            None => *out += &format!("text({text:?})"),
        },
        Reflected::List(items) => {
            *out += "list(&[";
            separated(out, items, files);
            *out += "])";
        }
        Reflected::Tuple(items) => call(out, "", items, files),
        Reflected::Newtype(DomainSet::TYPE, ids) => match first_ids(ids) {
            Some(count) => *out += &format!("DomainSet::first::<{count}>()"),
            None => call(out, DomainSet::TYPE, std::slice::from_ref(ids), files),
        },
        Reflected::Newtype(name, value) => call(out, name, std::slice::from_ref(value), files),
        Reflected::Struct(Struct { name, fields }) => named(out, name, fields, files),
        Reflected::Variant { of, name, content } => {
            let path = format!("{of}::{}", pascal_case(name));
            match &**content {
                Content::Unit => *out += &path,
                Content::Tuple(items) => call(out, &path, items, files),
                Content::Struct(fields) => named(out, &path, fields, files),
            }
        }
    }
}

fn call(out: &mut String, path: &str, items: &[impl AsRef<Reflected>], files: &Files<'_>) {
    *out += path;
    out.push('(');
    separated(out, items, files);
    out.push(')');
}

fn separated(out: &mut String, items: &[impl AsRef<Reflected>], files: &Files<'_>) {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            *out += ", ";
        }
        write(out, item.as_ref(), files);
    }
}

fn named(out: &mut String, path: &str, fields: &Fields, files: &Files<'_>) {
    *out += path;
    *out += " { ";
    for (name, value) in fields {
        *out += name;
        *out += ": ";
        write(out, value, files);
        *out += ", ";
    }
    out.push('}');
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
    use super::{Files, literal};
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
        assert_eq!(layout(&literal(value, &files)), layout(expected));
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
}
