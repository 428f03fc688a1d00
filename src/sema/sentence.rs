//! Lists in sentences.

/// `a`, `b` and `c`, in backticks; more than `most` are counted.
pub(crate) fn enumerate<'n>(names: impl IntoIterator<Item = &'n str>, most: usize) -> String {
    let mut names = names.into_iter();
    let shown = names.by_ref().take(most);
    let mut shown: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
    let more = names.count();
    if more > 0 {
        shown.push(format!("{more} more"));
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
