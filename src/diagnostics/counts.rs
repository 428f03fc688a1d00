//! Counts with their nouns.

use std::fmt::Display;

/// A count with its noun: `1 task`, `2 tasks`.
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    format!("{count} {}", nouns(count, noun))
}

/// The noun alone, for a count that is written in another way: `task` for 1, else `tasks`.
pub fn nouns<N: PartialEq + From<u8>>(count: N, noun: &str) -> String {
    if count == N::from(1) {
        return noun.to_owned();
    }
    let ending = if noun.ends_with(['s', 'x']) {
        "es"
    } else {
        "s"
    };
    format!("{noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::counted;

    #[test]
    fn one_is_singular() {
        for (count, noun, text) in [
            (0_usize, "task", "0 tasks"),
            (1, "task", "1 task"),
            (2, "more message", "2 more messages"),
            (1, "fix", "1 fix"),
            (2, "fix", "2 fixes"),
        ] {
            assert_eq!(counted(count, noun), text);
        }
    }
}
