//! Checking a spec: syntax and meaning in one run.

use crate::diagnostics::{self, Diagnostic};
use crate::sema::{self, Index, spec::Spec};
use crate::source::Source;
use crate::syntax;

/// What checking a spec gives.
#[derive(Debug)]
pub struct Checked {
    /// The checked spec; `None` if and only if there is an error.
    pub spec: Option<Spec>,
    /// Errors and warnings, by place.
    pub diagnostics: Vec<Diagnostic>,
    /// Where names are declared and used.
    pub index: Index,
}

/// Checks a spec. Every mistake is reported in one run, whichever floor finds it.
pub fn check(source: &Source) -> Checked {
    let parsed = syntax::parse(source);
    let checked = sema::check(source, &parsed.file);
    let syntax_is_sound = !diagnostics::has_errors(&parsed.diagnostics);
    let spec = checked.spec.filter(|_| syntax_is_sound);
    let all = parsed
        .diagnostics
        .into_iter()
        .chain(checked.diagnostics)
        .collect();
    Checked {
        spec,
        diagnostics: diagnostics::arrange(all),
        index: checked.index,
    }
}
