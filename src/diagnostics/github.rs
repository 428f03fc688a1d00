//! Diagnostics as annotations of a pull request: GitHub's workflow commands, one a line.

use super::Diagnostic;
use crate::source::Source;

/// Renders diagnostics as workflow commands, in the order given.
pub fn render_github(source: &Source, diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(|diagnostic| command(source, diagnostic))
        .collect()
}

fn command(source: &Source, diagnostic: &Diagnostic) -> String {
    let span = diagnostic.primary.span;
    let (line, column) = source.line_column(span.start);
    let (end_line, end_column) = source.line_column(span.end);
    let mut text = diagnostic.message.clone();
    let fix = diagnostic.fix.iter().map(|fix| &fix.message);
    let label = std::iter::once(&diagnostic.primary.text).filter(|label| !label.is_empty());
    let rest = label.chain(&diagnostic.notes).chain(&diagnostic.helps);
    for more in rest.chain(fix) {
        text.push('\n');
        text.push_str(more);
    }
    format!(
        "::{} file={},line={line},endLine={end_line},col={column},endColumn={end_column},title={}::{}\n",
        diagnostic.severity.name(),
        property(source.file(span.start).0),
        property(&format!("{} {}", diagnostic.code, diagnostic.code.name())),
        data(&text)
    )
}

/// The message of a command, with what would end it escaped.
pub fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property of a command, with what would end it escaped.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
