//! The registry of codes. A code means one kind of mistake for ever: it is never used again for
//! another one.

use super::{Level, Severity};

macro_rules! codes {
    ($($code:ident $name:literal $severity:ident;)*) => {
        /// What kind of message a diagnostic is; its page in the book explains it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(
                #[doc = concat!("`", $name, "`")]
                $code,
            )*
        }

        impl Code {
            /// All codes, ascending.
            pub const ALL: &[Code] = &[$(Code::$code),*];

            /// The code itself, such as `E0101`.
            pub fn id(self) -> &'static str {
                match self { $(Code::$code => stringify!($code)),* }
            }

            /// Its name, such as `unexpected-text`.
            pub fn name(self) -> &'static str {
                match self { $(Code::$code => $name),* }
            }

            /// What happens unless someone says otherwise.
            pub fn level(self) -> Level {
                match self { $(Code::$code => Level::$severity),* }
            }

            /// Its page, in Markdown.
            pub fn explanation(self) -> &'static str {
                match self {
                    $(Code::$code => include_str!(concat!("../../book/src/errors/", stringify!($code), ".md"))),*
                }
            }
        }
    };
}

codes! {
    E0101 "unexpected-text" Error;
    E0102 "unclosed-delimiter" Error;
    E0103 "unmatched-delimiter" Error;
    E0104 "unclosed-string" Error;
    E0105 "unknown-escape" Error;
    E0106 "nesting-too-deep" Error;
    E0107 "missing-separator" Error;

    E0201 "unknown-statement" Error;
    E0202 "unknown-setting" Error;
    E0203 "unknown-name" Error;
    E0204 "duplicate-name" Error;
    E0205 "duplicate-statement" Error;
    E0206 "invalid-name" Error;
    E0207 "reserved-name" Error;
    E0208 "colliding-names" Error;

    E0301 "missing-statement" Error;
    E0302 "missing-setting" Error;
    E0303 "wrong-form" Error;
    E0304 "wrong-type" Error;
    E0305 "out-of-range" Error;
    E0306 "conflicting-settings" Error;
    E0307 "misplaced-setting" Error;
    E0308 "nothing-declared" Error;
    E0309 "repeated-value" Error;

    E0310 "mixed-values" Error;
    E0311 "reversed-range" Error;

    E0401 "task-cycle" Error;
    E0402 "child-outside-parent" Error;
    E0403 "domain-without-task" Error;
    E0404 "domain-without-feature" Error;
    E0405 "shared-value" Error;
    E0406 "name-on-both-axes" Error;
    E0407 "outcome-as-input" Error;
    E0408 "overlapping-split" Error;
    E0409 "wrong-axis" Error;

    E0510 "default-outside-vocabulary" Error;
    E0511 "unordered-boundaries" Error;

    E0530 "setting-twice-for-domain" Error;
    E0531 "unequal-widths" Error;

    E0550 "like-cycle" Error;

    E0570 "unreadable-file" Error;
    E0571 "use-cycle" Error;
    E0572 "over-budget" Error;

    W0501 "unused-table" Warning;
    W0502 "unused-doc-comment" Warning;
    W0503 "redundant-feature" Warning;
    W0504 "unweighted-task" Warning;
    W0505 "outcome-like-input" Warning;
    W0506 "query-feature-in-item-tower" Warning;
    W0507 "no-feature-of-its-own" Allow;
    W0508 "budget-nearly-spent" Warning;
    W0509 "needless-allow" Warning;

    W0510 "idle-variant" Warning;
    W0511 "shared-label" Warning;

    W0530 "setting-without-effect" Warning;
}

impl Code {
    /// All codes, ascending.
    pub fn all() -> &'static [Code] {
        Self::ALL
    }

    /// How bad it is unless someone says otherwise.
    pub fn severity(self) -> Severity {
        match self.level() {
            Level::Error => Severity::Error,
            Level::Warning | Level::Allow => Severity::Warning,
        }
    }

    /// Finds a code by its id, in either case, or by its name.
    pub fn find(text: &str) -> Option<Code> {
        let matches = |code: &&Code| code.id().eq_ignore_ascii_case(text) || code.name() == text;
        Self::ALL.iter().find(matches).copied()
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.id())
    }
}
