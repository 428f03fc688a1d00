//! Text to syntax tree. The only place that names pest.
//!
//! Two steps, both linear. `balance` makes blocks, lists and strings whole and reports those that
//! are not; `parse` then reads the balanced text with a grammar that accepts every such text and
//! marks what does not belong. So every mistake is reported in one run and costs one statement.

pub mod ast;
mod balance;
mod docs;
mod ends;
mod format;
pub mod merge;
mod messages;
mod parse;
mod repair;
mod shift;

pub use format::format;

use crate::diagnostics::Diagnostic;
use crate::source::{Source, Span};

/// A parsed file.
#[derive(Debug)]
pub struct Parsed {
    /// The tree: of every statement that could be read.
    pub file: ast::File,
    /// Syntax errors.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses the file of a source that lies at `place`, as [`Source::add`] gives it.
pub fn parse_part(source: &Source, place: Span) -> Parsed {
    let mut parsed = parse(&Source::new("", source.slice(place)));
    shift::shift(&mut parsed, place.start);
    parsed
}

/// Parses the root file of a source. Never fails: what cannot be read is reported and left out.
pub fn parse(source: &Source) -> Parsed {
    let balance::Balanced {
        repairs,
        comments,
        mut diagnostics,
    } = balance::balance(source.text());
    let mut file = parse::parse(source, &repairs.apply(source.text()), &mut diagnostics);
    file.comments = comments;
    // In a broken file, what a doc comment belongs to may be what could not be read.
    if diagnostics.is_empty() {
        docs::attach(source, &mut file);
    }
    Parsed { file, diagnostics }
}

#[cfg(test)]
mod tests;
