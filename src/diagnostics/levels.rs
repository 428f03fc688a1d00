//! Levels: which warnings are shown, and which count as errors.

use super::{Code, Diagnostic, Level, Severity};

/// Levels that differ from the registry's. Later ones win.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    /// Levels of single codes.
    pub codes: Vec<(Code, Level)>,
    /// Whether every warning that is shown counts as an error.
    pub deny_warnings: bool,
    /// Whether a model beyond its budget is told of and no error: what is not built may be looked at, above all to
    /// see where the budget goes.
    pub beyond_budget: bool,
}

impl Levels {
    /// The level of a code.
    pub fn of(&self, code: Code) -> Level {
        let asked = self.codes.iter().rev().find(|(other, _)| *other == code);
        match (code.level(), asked) {
            (Level::Error, _) if code == Code::E0572 && self.beyond_budget => Level::Warning,
            (Level::Error, _) => Level::Error,
            (_, Some((_, level))) => *level,
            (level, None) => level,
        }
    }

    /// Drops what is not shown, and makes errors of what counts as one.
    pub fn apply(&self, diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let level = |mut diagnostic: Diagnostic| {
            diagnostic.severity = match self.of(diagnostic.code) {
                Level::Error => Severity::Error,
                Level::Warning if self.deny_warnings => Severity::Error,
                Level::Warning => Severity::Warning,
                Level::Allow => return None,
            };
            Some(diagnostic)
        };
        diagnostics.into_iter().filter_map(level).collect()
    }
}
