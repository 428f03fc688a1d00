//! What the compiler tells people: codes, labels, notes and fixes, and two ways to show them.
//!
//! Nothing here knows what a spec is. A diagnostic names a place, a cause and, where there is
//! one, a fix; the renderers decide how that looks.

mod code;
mod counts;
mod github;
mod json;
mod level;
mod levels;
mod text;

pub use code::Code;
pub use counts::{counted, nouns};
pub use github::{data as github_data, render_github};
pub use json::render_json;
pub use level::Level;
pub use levels::Levels;
pub use text::render_text;

use crate::source::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is built.
    Error,
    /// Worth a look; the build goes on.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is said of it; may be empty.
    pub text: String,
}

impl Label {
    /// A label.
    pub fn new(span: Span, text: impl Into<String>) -> Self {
        Self {
            span,
            text: text.into(),
        }
    }
}

/// How sure a fix is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applicability {
    /// A tool may apply it without asking.
    MachineApplicable,
    /// It may not be what was meant: a person decides.
    MaybeIncorrect,
}

impl Applicability {
    /// The name that the JSON form uses, as rustc's does.
    pub fn name(self) -> &'static str {
        match self {
            Self::MachineApplicable => "machine-applicable",
            Self::MaybeIncorrect => "maybe-incorrect",
        }
    }
}

/// One replacement of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty to insert.
    pub span: Span,
    /// What takes its place; empty to remove.
    pub replacement: String,
}

/// A change of the source that mends the mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an imperative.
    pub message: String,
    /// Replacements, ascending and not overlapping.
    pub edits: Vec<Edit>,
    /// How sure it is.
    pub applicability: Applicability,
}

/// One message about a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of message.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line: lower-case start, no full stop, code in backticks.
    pub message: String,
    /// The place of the mistake.
    pub primary: Label,
    /// Places that explain it.
    pub secondary: Vec<Label>,
    /// Facts that explain it.
    pub notes: Vec<String>,
    /// Ways out.
    pub helps: Vec<String>,
    /// A way out that can be applied.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A diagnostic of the code's default severity, with one labelled place.
    pub fn new(
        code: Code,
        message: impl Into<String>,
        span: Span,
        label: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: code.severity(),
            message: message.into(),
            primary: Label::new(span, label),
            secondary: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
            fix: None,
        }
    }

    /// Adds a place that explains the mistake.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label::new(span, text));
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Adds a way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Sets the fix: one replacement that is surely meant.
    #[must_use]
    pub fn fix(
        self,
        message: impl Into<String>,
        span: Span,
        replacement: impl Into<String>,
    ) -> Self {
        self.fix_as(Applicability::MachineApplicable, message, span, replacement)
    }

    /// Sets the fix: one replacement that may not be what was meant.
    #[must_use]
    pub fn maybe(
        self,
        message: impl Into<String>,
        span: Span,
        replacement: impl Into<String>,
    ) -> Self {
        self.fix_as(Applicability::MaybeIncorrect, message, span, replacement)
    }

    fn fix_as(
        self,
        applicability: Applicability,
        message: impl Into<String>,
        span: Span,
        replacement: impl Into<String>,
    ) -> Self {
        let replacement = replacement.into();
        self.fix_all(applicability, message, vec![Edit { span, replacement }])
    }

    /// Sets the fix: several replacements, ascending and not overlapping.
    #[must_use]
    pub fn fix_all(
        mut self,
        applicability: Applicability,
        message: impl Into<String>,
        edits: Vec<Edit>,
    ) -> Self {
        self.fix = Some(Fix {
            message: message.into(),
            edits,
            applicability,
        });
        self
    }
}

/// Whether any of them is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics
        .iter()
        .any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// At most this many diagnostics are shown: a file that is no spec at all must not bury the
/// terminal, and the work of showing them stays in proportion to the file.
pub const MAX_SHOWN: usize = 100;

/// Sorts by place, drops duplicates and keeps the first [`MAX_SHOWN`]; the last one kept says how
/// many were left out. Errors are never dropped in favour of warnings.
pub fn arrange(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let place = |diagnostic: &Diagnostic| {
        (
            diagnostic.primary.span,
            diagnostic.code,
            diagnostic.message.clone(),
        )
    };
    diagnostics.sort_by_cached_key(place);
    diagnostics.dedup_by(|a, b| place(a) == place(b));
    if diagnostics.len() <= MAX_SHOWN {
        return diagnostics;
    }
    let hidden = diagnostics.len() - MAX_SHOWN;
    diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
    diagnostics.truncate(MAX_SHOWN);
    diagnostics.sort_by_cached_key(place);
    if let Some(last) = diagnostics.last_mut() {
        last.notes
            .push(format!("not shown: {}", counted(hidden, "more message")));
    }
    diagnostics
}
