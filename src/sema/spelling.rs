//! What may be a name, and what a misspelt word may have meant.

use crate::diagnostics::Diagnostic;
use crate::sema::sentence::enumerate;
use crate::syntax::ast::Word;

/// Keywords of Rust, also the reserved and the coming ones: names become fields and modules.
pub(super) const KEYWORDS: [&str; 53] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "raw",
];

/// Whether a text may stand as a name, of whatever it is.
pub(super) fn is_name(text: &str) -> bool {
    is_snake_case(text) && !KEYWORDS.contains(&text)
}

/// The name that is nearest to a text: `my_shop` to `my-shop`.
pub(super) fn nearest_name(text: &str) -> Option<String> {
    let joined: String = text
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    Some(snake_case(&joined)).filter(|name| is_name(name))
}

pub(super) fn is_snake_case(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('_').all(part)
}

pub(super) fn snake_case(name: &str) -> String {
    let mut output = String::new();
    let mut after_lower = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && after_lower {
            output.push('_');
        }
        after_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        output.push(character.to_ascii_lowercase());
    }
    let parts: Vec<&str> = output.split('_').filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

/// Letters of other scripts that look like Latin ones, each with the one that it looks like.
const LOOK_ALIKES: [(char, char); 22] = [
    ('а', 'a'),
    ('е', 'e'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('у', 'y'),
    ('х', 'x'),
    ('і', 'i'),
    ('ј', 'j'),
    ('ѕ', 's'),
    ('һ', 'h'),
    ('ԁ', 'd'),
    ('к', 'k'),
    ('м', 'm'),
    ('т', 't'),
    ('в', 'b'),
    ('н', 'h'),
    ('ο', 'o'),
    ('α', 'a'),
    ('ν', 'v'),
    ('ι', 'i'),
    ('ρ', 'p'),
];

/// A text with Latin letters for those that look like them.
pub(super) fn latin(text: &str) -> String {
    let like = |c: char| {
        let found = LOOK_ALIKES.iter().find(|(foreign, _)| *foreign == c);
        found.map_or(c, |(_, latin)| *latin)
    };
    text.chars().map(like).collect()
}

/// Names the first character of a word that is not ASCII: it may look as if it were.
pub(super) fn with_foreign(diagnostic: Diagnostic, word: &str) -> Diagnostic {
    match word.chars().find(|c| !c.is_ascii()) {
        Some(found) => {
            let code_point = u32::from(found);
            diagnostic.note(format!(
                "the `{found}` in it is U+{code_point:04X}, no letter from `a` to `z`"
            ))
        }
        None => diagnostic,
    }
}

/// Whether a word is what it was meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Right,
    /// It has been complained about.
    Wrong,
}

/// The candidate that a misspelt word most likely means. Ties go to the first candidate.
pub(super) fn closest<'n>(
    word: &str,
    candidates: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    /// Longer words are no misspelling of anything, and comparing them takes long.
    const LONGEST: usize = 64;
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    let allowed = (length / 3).max(1);
    let lower = latin(&word.to_lowercase());
    candidates
        .into_iter()
        .filter(|candidate| {
            candidate.len() <= LONGEST && candidate.len().abs_diff(length) <= allowed
        })
        .map(|candidate| (strsim::osa_distance(&lower, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Adds the word that a misspelt one means.
pub(super) fn did_you_mean(diagnostic: Diagnostic, word: &Word, meant: &str) -> Diagnostic {
    with_foreign(diagnostic, &word.text).fix(format!("did you mean `{meant}`?"), word.span, meant)
}

/// Adds "did you mean" to a diagnostic, or else the words that there are.
pub(super) fn suggest<'n>(
    diagnostic: Diagnostic,
    word: &Word,
    candidates: impl IntoIterator<Item = &'n str> + Clone,
    what: &str,
) -> Diagnostic {
    const MOST: usize = 20;
    if let Some(candidate) = closest(&word.text, candidates.clone()) {
        return did_you_mean(diagnostic, word, candidate);
    }
    let all = enumerate(candidates, MOST);
    if all.is_empty() {
        diagnostic
    } else {
        with_foreign(diagnostic, &word.text).note(format!("{what}: {all}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{closest, is_snake_case, snake_case};

    #[test]
    fn names() {
        for good in ["a", "tab0", "home_feed", "a_1"] {
            assert!(is_snake_case(good), "{good}");
        }
        for bad in ["", "_", "A", "homeFeed", "a__b", "a_", "_a", "é", "1a"] {
            assert!(!is_snake_case(bad), "{bad}");
        }
        assert_eq!(snake_case("HomeFeed_2X"), "home_feed_2_x");
    }

    #[test]
    fn misspellings() {
        assert_eq!(closest("crt", ["ctr", "gctr"]), Some("ctr"));
        assert_eq!(closest("Embeding", ["embedding"]), Some("embedding"));
        assert_eq!(closest("x", ["y", "zzz"]), None);
        assert_eq!(closest("colour", ["rows", "dim"]), None);
    }
}
