//! Fixes of diagnostics, as actions on the code.

use super::analysis::View;
use super::diagnostics;
use super::documents::Documents;
use crate::diagnostics::Applicability;
use gen_lsp_types::{CodeAction, CodeActionKind, CodeActionOptions, CodeActionProvider, Range};

pub(super) fn provider() -> CodeActionProvider {
    CodeActionProvider::CodeActionOptions(CodeActionOptions {
        code_action_kinds: Some(vec![CodeActionKind::QuickFix]),
        ..CodeActionOptions::default()
    })
}

/// The fixes of the diagnostics that touch a range of the file.
pub(super) fn actions(view: &View, range: Range, documents: &Documents) -> Vec<CodeAction> {
    let mut actions = Vec::new();
    for diagnostic in &view.spec.diagnostics {
        let place = diagnostic.primary.span;
        let Some(fix) = diagnostic.fix.as_ref().filter(|_| view.holds(place)) else {
            continue;
        };
        let found = view.range(place);
        if found.end < range.start || range.end < found.start {
            continue;
        }
        actions.push(CodeAction {
            title: fix.message.clone(),
            kind: Some(CodeActionKind::QuickFix),
            diagnostics: Some(vec![diagnostics::convert(
                &view.spec, diagnostic, documents,
            )]),
            is_preferred: Some(fix.applicability == Applicability::MachineApplicable),
            edit: Some(documents.edit(fix.edits.iter().map(|edit| (&view.spec.source, edit)))),
            ..CodeAction::default()
        });
    }
    actions
}
