//! Diagnostics in the editor's form.

use super::analysis::Analysis;
use super::documents::Documents;
use super::place;
use crate::diagnostics::{Code, Diagnostic, Severity};
use gen_lsp_types as lsp;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The diagnostics of every file that an open text says something of, by URI. What a spec says of
/// a part that it uses takes the place of what the part says of itself.
pub(super) fn by_file(
    analyses: &[Rc<Analysis>],
    documents: &Documents,
) -> BTreeMap<String, Vec<lsp::Diagnostic>> {
    let mut files: BTreeMap<String, Vec<lsp::Diagnostic>> = BTreeMap::new();
    for analysis in analyses {
        let path = analysis.source.name();
        let used = |other: &&Rc<Analysis>| !other.part && other.file(path).is_some();
        if analysis.part && analyses.iter().any(|other| used(&other)) {
            continue;
        }
        // One value a line is no spec, though the editor may have opened it as one.
        if analyses.iter().any(|other| other.has_vocabulary(path)) {
            continue;
        }
        for diagnostic in &analysis.diagnostics {
            let (path, _) = analysis.source.file(diagnostic.primary.span.start);
            let shown = files.entry(documents.uri(path)).or_default();
            let diagnostic = convert(analysis, diagnostic, documents);
            // Two specs may say the same of a part.
            if !shown.contains(&diagnostic) {
                shown.push(diagnostic);
            }
        }
    }
    files
}

/// One diagnostic. The protocol has one text for a message, so notes and helps follow it.
pub(super) fn convert(
    analysis: &Analysis,
    diagnostic: &Diagnostic,
    documents: &Documents,
) -> lsp::Diagnostic {
    let source = &analysis.source;
    let labels = diagnostic
        .secondary
        .iter()
        .filter(|label| !label.text.is_empty());
    let related = labels.map(|label| lsp::DiagnosticRelatedInformation {
        location: documents.location(source, label.span),
        message: label.text.clone(),
    });
    let unused = matches!(diagnostic.code, Code::W0501 | Code::W0502);
    lsp::Diagnostic {
        range: place::range(source, diagnostic.primary.span),
        severity: Some(match diagnostic.severity {
            Severity::Error => lsp::DiagnosticSeverity::Error,
            Severity::Warning => lsp::DiagnosticSeverity::Warning,
        }),
        code: Some(lsp::Code::String(diagnostic.code.id().to_owned())),
        source: Some("mtmdc".to_owned()),
        message: lsp::Message::String(text(diagnostic)),
        tags: unused.then(|| vec![lsp::DiagnosticTag::Unnecessary]),
        related_information: Some(related.collect()),
        ..lsp::Diagnostic::default()
    }
}

fn text(diagnostic: &Diagnostic) -> String {
    let label = &diagnostic.primary.text;
    let mut text = diagnostic.message.clone();
    if !label.is_empty() {
        text.push_str(": ");
        text.push_str(label);
    }
    let notes = diagnostic.notes.iter().map(|note| ("note", note));
    let helps = diagnostic.helps.iter().map(|help| ("help", help));
    let fix = diagnostic.fix.iter().map(|fix| ("help", &fix.message));
    for (kind, line) in notes.chain(helps).chain(fix) {
        text.push_str(&format!("\n{kind}: {line}"));
    }
    text
}
