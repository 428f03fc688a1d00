//! The formatter: one layout for every spec.
//!
//! It keeps what the author decides: the order, the comments, groups set apart by blank lines, and
//! whether a block or a list stands on one line or on several (a line end after the opening brace
//! or bracket says several). It decides the rest: indentation, spaces, columns, line ends.
//!
//! `tree` joins the syntax tree and the comments, `layout` decides columns, `print` writes. The
//! invariants, which the tests hold against every spec and against random text: the tree and the
//! comments stay the same, and formatting twice is formatting once.

mod layout;
mod print;
mod tree;

use super::parse;
use crate::diagnostics::{self, Diagnostic};
use crate::source::Source;

/// Lines are kept within this many columns where a block or list can be broken; comments and
/// single values may be longer.
const WIDTH: usize = 120;

/// A head that is longer than this behind its first word has no say in where the blocks of the lines
/// around it start, so that one long line does not stretch all others.
const LONGEST: usize = 48;

/// Columns that a block or an expanded list moves its contents to the right.
const INDENT: usize = 2;

/// The text of a source's root file, formatted; it ends with a line end unless it is empty.
///
/// # Errors
///
/// The syntax errors of the text: what is meant there is a guess, so the text is left alone.
pub fn format(source: &Source) -> Result<String, Vec<Diagnostic>> {
    let parsed = parse(source);
    if diagnostics::has_errors(&parsed.diagnostics) {
        return Err(diagnostics::arrange(parsed.diagnostics));
    }
    let body = tree::read(source, &parsed.file);
    Ok(print::print(&body))
}

#[cfg(test)]
mod tests;
