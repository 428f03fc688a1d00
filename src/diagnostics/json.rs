//! Diagnostics for tools: one JSON object a line. Fields are only ever added under one `schema`.

use serde::Serialize;

use super::{Diagnostic, Fix, Label};
use crate::source::{Source, Span};

/// Version of the form.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct JsonDiagnostic<'a> {
    schema: u32,
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    message: &'a str,
    file: &'a str,
    /// The primary one first.
    labels: Vec<JsonLabel<'a>>,
    notes: &'a [String],
    helps: &'a [String],
    fix: Option<JsonFix<'a>>,
}

#[derive(Serialize)]
struct JsonLabel<'a> {
    primary: bool,
    text: &'a str,
    span: JsonSpan<'a>,
}

#[derive(Serialize)]
struct JsonFix<'a> {
    message: &'a str,
    applicability: &'static str,
    edits: Vec<JsonEdit<'a>>,
}

#[derive(Serialize)]
struct JsonEdit<'a> {
    span: JsonSpan<'a>,
    replacement: &'a str,
}

#[derive(Serialize)]
struct JsonSpan<'a> {
    file: &'a str,
    start: JsonPlace,
    end: JsonPlace,
}

/// Line and column in the file from 1, the column in characters; the byte from 0.
#[derive(Serialize)]
struct JsonPlace {
    line: u32,
    column: u32,
    byte: usize,
}

/// Renders diagnostics as JSON lines, in the order given.
pub fn render_json(source: &Source, diagnostics: &[Diagnostic]) -> String {
    let mut output = String::new();
    for diagnostic in diagnostics {
        // The form is plain strings and numbers: there is nothing in it that serde_json refuses.
        if let Ok(line) = serde_json::to_string(&view(source, diagnostic)) {
            output.push_str(&line);
            output.push('\n');
        }
    }
    output
}

fn view<'a>(source: &'a Source, diagnostic: &'a Diagnostic) -> JsonDiagnostic<'a> {
    let primary = label(source, &diagnostic.primary, true);
    let secondary = diagnostic
        .secondary
        .iter()
        .map(|item| label(source, item, false));
    JsonDiagnostic {
        schema: SCHEMA,
        code: diagnostic.code.id(),
        name: diagnostic.code.name(),
        severity: diagnostic.severity.name(),
        message: &diagnostic.message,
        file: source.file(diagnostic.primary.span.start).0,
        labels: std::iter::once(primary).chain(secondary).collect(),
        notes: &diagnostic.notes,
        helps: &diagnostic.helps,
        fix: diagnostic.fix.as_ref().map(|item| fix(source, item)),
    }
}

fn label<'a>(source: &'a Source, label: &'a Label, primary: bool) -> JsonLabel<'a> {
    JsonLabel {
        primary,
        text: &label.text,
        span: span(source, label.span),
    }
}

fn fix<'a>(source: &'a Source, fix: &'a Fix) -> JsonFix<'a> {
    let edit = |edit: &'a super::Edit| JsonEdit {
        span: span(source, edit.span),
        replacement: &edit.replacement,
    };
    JsonFix {
        message: &fix.message,
        applicability: fix.applicability.name(),
        edits: fix.edits.iter().map(edit).collect(),
    }
}

fn span(source: &Source, span: Span) -> JsonSpan<'_> {
    let (file, whole) = source.file(span.start);
    let place = |offset: usize| {
        let (line, column) = source.line_column(offset);
        let byte = offset - whole.start.min(offset);
        JsonPlace { line, column, byte }
    };
    JsonSpan {
        file,
        start: place(span.start),
        end: place(span.end),
    }
}
