//! What a draft writes: strings, values, and names that a spec can have.

use super::columns::Raw;
use crate::sema::{NameKind, objection};
use std::collections::BTreeSet;

/// A string as a spec writes it. Rust's own `{:?}` has escapes that the language lacks.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// A column as a comment names it: on one line, whatever its name.
pub(super) fn in_comment(name: &str) -> String {
    format!("`{}`", escaped(name))
}

fn escaped(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\n' => output.push_str("\\n"),
            '\t' => output.push_str("\\t"),
            other => output.push(other),
        }
    }
    output
}

/// A raw value as a spec writes it.
pub(super) fn literal(raw: &Raw) -> String {
    match raw {
        Raw::Int(number) => number.to_string(),
        Raw::Text(text) => quoted(text),
    }
}

/// The name itself if something of this kind can have it, else with a word before it.
pub(super) fn allowed_name(kind: NameKind, name: String) -> String {
    match objection(kind, &name) {
        None => name,
        Some(_) => format!("{}_{name}", kind.noun()),
    }
}

/// A name that no other has, nor one that reads the same as a type.
pub(super) fn free_name(name: &str, names: &mut BTreeSet<String>) -> String {
    let mut free = name.to_owned();
    let mut number = 2;
    while !names.insert(free.replace('_', "")) {
        free = format!("{name}_{number}");
        number += 1;
    }
    free
}

/// What is left of a name in `snake_case`.
pub(super) fn snake(name: &str) -> String {
    let mut text = String::new();
    let mut lower = false;
    for c in name.chars() {
        if c.is_ascii_uppercase() && lower {
            text.push('_');
        }
        lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        text.push(if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '_'
        });
    }
    let parts: Vec<&str> = text.split('_').filter(|part| !part.is_empty()).collect();
    let name = parts.join("_");
    match name.starts_with(|c: char| c.is_ascii_lowercase()) {
        true => name,
        false => format!("x{name}"),
    }
}
