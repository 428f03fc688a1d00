//! Diagnostics for people, in rustc's look.

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::{Diagnostic, Fix, Severity};
use crate::source::{Source, Span};

/// Renders diagnostics one after the other, in the order given, with an empty line after each.
pub fn render_text(source: &Source, diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut output = String::new();
    for diagnostic in diagnostics {
        output.push_str(&renderer.render(&groups(source, diagnostic)));
        output.push_str("\n\n");
    }
    output
}

fn groups<'a>(source: &'a Source, diagnostic: &'a Diagnostic) -> Vec<Group<'a>> {
    let mut first = level(diagnostic.severity)
        .primary_title(&*diagnostic.message)
        .id(diagnostic.code.id())
        .element(snippet(source, diagnostic))
        .elements(
            diagnostic
                .notes
                .iter()
                .map(|note| Level::NOTE.message(&**note)),
        );
    first = first.elements(
        diagnostic
            .helps
            .iter()
            .map(|help| Level::HELP.message(&**help)),
    );
    let fix = diagnostic.fix.as_ref().map(|fix| suggestion(source, fix));
    std::iter::once(first).chain(fix).collect()
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    }
}

/// The lines around the labels. Only they are handed to the renderer, which reads all it is
/// given for every diagnostic.
fn snippet<'a>(source: &'a Source, diagnostic: &'a Diagnostic) -> Snippet<'a, Annotation<'a>> {
    let labels = || std::iter::once(&diagnostic.primary).chain(&diagnostic.secondary);
    let all = labels()
        .map(|label| label.span)
        .fold(diagnostic.primary.span, Span::to);
    let window = Window::new(source, all);
    let annotation = |(place, label): (usize, &'a super::Label)| {
        let kind = if place == 0 {
            AnnotationKind::Primary
        } else {
            AnnotationKind::Context
        };
        let text = (!label.text.is_empty()).then_some(&*label.text);
        kind.span(window.range(label.span)).label(text)
    };
    window
        .snippet()
        .annotations(labels().enumerate().map(annotation))
}

fn suggestion<'a>(source: &'a Source, fix: &'a Fix) -> Group<'a> {
    let all = fix
        .edits
        .iter()
        .map(|edit| edit.span)
        .reduce(Span::to)
        .unwrap_or_default();
    let window = Window::new(source, all);
    let patches = fix
        .edits
        .iter()
        .map(|edit| Patch::new(window.range(edit.span), &*edit.replacement));
    Level::HELP
        .secondary_title(&*fix.message)
        .element(window.snippet().patches(patches))
}

/// Whole lines of a source.
struct Window<'a> {
    source: &'a Source,
    lines: Span,
}

impl<'a> Window<'a> {
    fn new(source: &'a Source, span: Span) -> Self {
        Self {
            source,
            lines: source.lines_of(span),
        }
    }

    fn snippet<T: Clone>(&self) -> Snippet<'a, T> {
        let line = usize::try_from(self.source.line(self.lines.start)).unwrap_or(usize::MAX);
        Snippet::source(self.source.slice(self.lines))
            .line_start(line)
            .path(self.source.name())
    }

    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let shift =
            |offset: usize| offset.clamp(self.lines.start, self.lines.end) - self.lines.start;
        shift(span.start)..shift(span.end)
    }
}
