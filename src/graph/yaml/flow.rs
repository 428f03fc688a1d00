//! Scalars, and mappings and lists on one line or wrapped.
//!
//! Scalars are written so that YAML 1.1 and 1.2 parsers read the same: a plain string cannot be
//! taken for a boolean, a date or a number, and a float always has a point.

use mtmd_schema::bug;
use std::fmt::Display;

/// Widest line, in characters.
const WIDTH: usize = 100;

/// A mapping or list that is written on one line if it fits. Its contents are YAML already.
pub(super) enum Flow {
    /// Keys and values.
    Map(Vec<(String, String)>),
    List(Vec<String>),
}

impl Flow {
    /// An empty mapping.
    pub(super) fn map() -> Self {
        Self::Map(vec![])
    }

    /// A list of strings.
    pub(super) fn names<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        Self::list(names.into_iter().map(|name| string(name.as_ref())))
    }

    /// A list of what is already YAML.
    pub(super) fn list<T: Display>(entries: impl IntoIterator<Item = T>) -> Self {
        Self::List(entries.into_iter().map(|entry| entry.to_string()).collect())
    }

    /// Adds an entry whose value is already YAML.
    pub(super) fn with(mut self, key: &str, value: impl Display) -> Self {
        match &mut self {
            Self::Map(pairs) => pairs.push((string(key), value.to_string())),
            Self::List(_) => bug!("`{key}` is added to a list"),
        }
        self
    }

    /// Adds an entry whose value is a string.
    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.with(key, string(value))
    }

    /// Adds an entry if there is a value.
    pub(super) fn maybe(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// The first entry of a mapping, and the others.
    pub(super) fn pairs(&self) -> (&(String, String), &[(String, String)]) {
        match self {
            Self::Map(pairs) => pairs.split_first(),
            Self::List(_) => None,
        }
        .unwrap_or_else(|| bug!("`{self}` has no entry"))
    }

    fn entries(&self) -> Vec<String> {
        match self {
            Self::Map(pairs) => {
                let pairs = pairs.iter().map(|(key, value)| format!("{key}: {value}"));
                pairs.collect()
            }
            Self::List(entries) => entries.clone(),
        }
    }

    fn brackets(&self) -> [&'static str; 2] {
        match self {
            Self::Map(_) => ["{ ", " }"],
            Self::List(_) => ["[", "]"],
        }
    }

    /// The text after `prefix`, wrapped between entries; further lines stand two spaces deeper
    /// than the key.
    pub(super) fn wrap(&self, indent: usize, prefix: &str) -> String {
        let [open, close] = self.brackets();
        let mut line = format!("{:indent$}{prefix}{open}", "");
        let mut text = String::new();
        let mut entries = self.entries().into_iter().peekable();
        let mut first = true;
        let hang = if prefix.starts_with("- ") { 4 } else { 2 };
        while let Some(entry) = entries.next() {
            let end = if entries.peek().is_none() {
                close.len()
            } else {
                1
            };
            let width = line.chars().count() + usize::from(!first) + entry.chars().count() + end;
            if width > WIDTH && !first {
                text += &line;
                text.push('\n');
                line = format!("{:1$}", "", indent + hang);
            } else if !first {
                line.push(' ');
            }
            line += &entry;
            if entries.peek().is_some() {
                line.push(',');
            }
            first = false;
        }
        text + &line + close + "\n"
    }
}

impl Display for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [open, close] = self.brackets();
        write!(f, "{open}{}{close}", self.entries().join(", "))
    }
}

/// A string, plain where every parser reads it as one.
pub(super) fn string(text: &str) -> String {
    const TAKEN: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_.".contains(c))
        && !TAKEN.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if is_printable(c) => quoted.push(c),
            c => quoted += &format!("\\U{:08X}", u32::from(c)),
        }
    }
    quoted + "\""
}

/// Characters that stand in a YAML stream as they are and do not hide from a reader.
fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// A float, with a point and a signed exponent: some parsers take `1e-5` for a string.
pub(super) fn float(value: f64) -> String {
    let text = format!("{value:?}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text;
    };
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    format!("{mantissa}{point}e{sign}{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_plain_only_where_every_parser_agrees() {
        for (text, yaml) in [
            ("home_feed", "home_feed"),
            ("query.home_feed", "query.home_feed"),
            ("no", "\"no\""),
            ("Null", "\"Null\""),
            ("", "\"\""),
            ("0", "\"0\""),
            ("2022-04-25", "\"2022-04-25\""),
            ("a: b", "\"a: b\""),
            ("\"\\\u{1}", "\"\\\"\\\\\\U00000001\""),
        ] {
            assert_eq!(string(text), yaml);
            let read: serde_yaml::Value = serde_yaml::from_str(yaml).unwrap();
            assert_eq!(read.as_str(), Some(text));
        }
    }

    #[test]
    fn floats_have_a_point() {
        for (value, yaml) in [
            (5.0, "5.0"),
            (1e-5, "1.0e-5"),
            (1.5e-7, "1.5e-7"),
            (1e16, "1.0e+16"),
            (-0.2, "-0.2"),
        ] {
            assert_eq!(float(value), yaml);
            let read: serde_yaml::Value = serde_yaml::from_str(yaml).unwrap();
            assert_eq!(read.as_f64(), Some(value));
        }
    }

    #[test]
    fn long_lists_wrap_between_entries() {
        let names: Vec<String> = (0..20).map(|i| format!("feature_{i}")).collect();
        let text = Flow::names(&names).wrap(4, "embedded: ");
        assert!(text.lines().count() == 3 && text.lines().all(|line| line.len() <= WIDTH));
        assert!(
            text.lines()
                .skip(1)
                .all(|line| line.starts_with("      feature"))
        );
        let read: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(read["embedded"].as_sequence().map(Vec::len), Some(20));
    }
}
