//! Diagnostics for people, in rustc's look.

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet,
};

use super::{Diagnostic, Fix, Label, Severity};
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
    let title = level(diagnostic.severity)
        .primary_title(&*diagnostic.message)
        .id(diagnostic.code.id());
    let (shown, far) = shown_labels(source, diagnostic);
    let first = match Window::new(source, shown.iter().map(|label| label.span)) {
        Some(window) => title.element(snippet(&window, &shown)),
        None => title.element(origin(source, diagnostic.primary.span)),
    };
    let (elsewhere, far): (Vec<_>, Vec<_>) = far.into_iter().partition(|label| {
        let own_file = source.file(diagnostic.primary.span.start).1;
        source.file(label.span.start).1 != own_file
    });
    let elsewhere = elsewhere.into_iter().filter_map(|label| {
        let window = Window::new(source, std::iter::once(label.span))?;
        let annotation = AnnotationKind::Context.span(window.range(label.span));
        Some(window.snippet().annotation(annotation.label(&*label.text)))
    });
    let far = far.into_iter().map(|label| {
        let (line, column) = source.line_column(label.span.start);
        Level::NOTE.message(format!(
            "{}: {}:{line}:{column}",
            label.text,
            source.file(label.span.start).0
        ))
    });
    let first = first
        .elements(elsewhere)
        .elements(far)
        .elements(
            diagnostic
                .notes
                .iter()
                .map(|note| Level::NOTE.message(&**note)),
        )
        .elements(
            diagnostic
                .helps
                .iter()
                .map(|help| Level::HELP.message(&**help)),
        );
    let fix = diagnostic
        .fix
        .as_ref()
        .and_then(|fix| suggestion(source, fix));
    std::iter::once(first).chain(fix).collect()
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    }
}

/// The labels to show in the source, the primary one first, and those too far from it for that.
fn shown_labels<'a>(
    source: &Source,
    diagnostic: &'a Diagnostic,
) -> (Vec<&'a Label>, Vec<&'a Label>) {
    let mut shown = vec![&diagnostic.primary];
    let mut far = Vec::new();
    for label in &diagnostic.secondary {
        let spans = shown.iter().map(|label| label.span).chain([label.span]);
        match Window::new(source, spans) {
            Some(_) => shown.push(label),
            None => far.push(label),
        }
    }
    (shown, far)
}

fn snippet<'a>(window: &Window<'a>, labels: &[&'a Label]) -> Snippet<'a, Annotation<'a>> {
    let annotation = |(place, label): (usize, &&'a Label)| {
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
        .annotations(labels.iter().enumerate().map(annotation))
}

fn origin(source: &Source, span: Span) -> Origin<'_> {
    let (line, column) = source.line_column(span.start);
    let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Origin::path(source.file(span.start).0)
        .line(size(line))
        .char_column(size(column))
}

fn suggestion<'a>(source: &'a Source, fix: &'a Fix) -> Option<Group<'a>> {
    let window = Window::new(source, fix.edits.iter().map(|edit| edit.span))?;
    let patches = fix
        .edits
        .iter()
        .map(|edit| Patch::new(window.range(edit.span), &*edit.replacement));
    Some(
        Level::HELP
            .secondary_title(&*fix.message)
            .element(window.snippet().patches(patches)),
    )
}

/// Whole lines of a source. Only they are handed to the renderer, which reads all it is given for
/// every diagnostic.
struct Window<'a> {
    source: &'a Source,
    lines: Span,
}

impl<'a> Window<'a> {
    /// No more bytes than this are shown: the work for a diagnostic must not grow with the file.
    const LARGEST: usize = 16 * 1024;

    /// The lines that hold all spans; `None` if that is too much, or in several files.
    fn new(source: &'a Source, spans: impl Iterator<Item = Span>) -> Option<Self> {
        let span = spans.reduce(Span::to)?;
        let lines = source.lines_of(span);
        let one_file = source.file(span.start).1 == source.file(span.end).1;
        (one_file && lines.end - lines.start <= Self::LARGEST).then_some(Self { source, lines })
    }

    fn snippet<T: Clone>(&self) -> Snippet<'a, T> {
        let line = usize::try_from(self.source.line(self.lines.start)).unwrap_or(usize::MAX);
        Snippet::source(self.source.slice(self.lines))
            .line_start(line)
            .path(self.source.file(self.lines.start).0)
    }

    fn range(&self, span: Span) -> std::ops::Range<usize> {
        let shift =
            |offset: usize| offset.clamp(self.lines.start, self.lines.end) - self.lines.start;
        shift(span.start)..shift(span.end)
    }
}
