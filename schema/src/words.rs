//! Enums whose values have a word in the language.

/// A choice of the language: an enum whose values are words.
///
/// Specs, `graph.yaml`, checkpoints and hashes use the same words.
pub trait Choice: Copy + PartialEq + 'static {
    /// All values, in the order in which help and messages list them.
    const ALL: &'static [Self];
    /// Their words, in the same order.
    const WORDS: &'static [&'static str];

    /// The word of this value.
    fn word(self) -> &'static str;

    /// The value of a word.
    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

/// Declares enums without data, each value with its word, which serde and `Display` use too.
macro_rules! choices {
    ($(
        $(#[$doc:meta])*
        pub enum $name:ident {
            $($(#[$value_doc:meta])* $value:ident = $word:literal),* $(,)?
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize,
        )]
        pub enum $name {
            $($(#[$value_doc])* #[serde(rename = $word)] $value),*
        }

        impl $crate::Choice for $name {
            const ALL: &'static [Self] = &[$(Self::$value),*];
            const WORDS: &'static [&'static str] = &[$($word),*];

            fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word),*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($crate::Choice::word(*self))
            }
        }
    )*};
}

pub(crate) use choices;
