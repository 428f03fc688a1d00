//! Lists in lines of a terminal.

/// Adds a list in lines of at most a hundred columns; nothing for an empty list.
pub fn push_wrapped(text: &mut String, heading: &str, entries: impl Iterator<Item = String>) {
    const COLUMNS: usize = 100;
    let mut line = String::new();
    for entry in entries {
        if line.is_empty() {
            line = format!("{heading}{entry}");
        } else if line.chars().count() + entry.chars().count() + 3 > COLUMNS {
            text.push_str(&line);
            text.push_str(",\n");
            line = format!("  {entry}");
        } else {
            line.push_str(", ");
            line.push_str(&entry);
        }
    }
    if !line.is_empty() {
        text.push_str(&line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_wrapped() {
        let mut text = String::new();
        push_wrapped(
            &mut text,
            "values: ",
            (0..40).map(|value| format!("value_{value}")),
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        assert!(text.starts_with("values: value_0, value_1"));
        assert!(text.ends_with("value_39\n"));
        let mut empty = String::new();
        push_wrapped(&mut empty, "values: ", std::iter::empty());
        assert_eq!(empty, "");
    }
}
