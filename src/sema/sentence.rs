//! Lists in sentences.

/// `a`, `b` and `c`, in backticks; more than `most` are counted.
pub(crate) fn enumerate<'n>(names: impl IntoIterator<Item = &'n str>, most: usize) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    some_of(names.iter().copied(), names.len(), most)
}

/// The same of `count` names, of which only those that are shown are looked at.
pub(crate) fn some_of<'n>(
    names: impl IntoIterator<Item = &'n str>,
    count: usize,
    most: usize,
) -> String {
    let shown = names.into_iter().take(most);
    let mut shown: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
    if count > most {
        shown.push(format!("{} more", count - most));
    }
    join(shown)
}

/// a, b and c.
pub(super) fn join(words: Vec<String>) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}
