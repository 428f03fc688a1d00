//! Where in the tree a cursor stands.

use super::analysis::View;
use crate::sema::Inside;
use crate::source::Span;
use crate::syntax::ast::{AtomKind, Comment, Statement};

/// Where a statement stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ground {
    /// In the file itself.
    File,
    /// In a block.
    Block(Inside),
    /// In a block that means nothing.
    Unknown,
}

/// A statement that holds the cursor, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'v> {
    pub ground: Ground,
    pub statement: &'v Statement,
}

/// The statements that hold an offset, the outermost first.
pub(super) fn path(view: &View, offset: usize) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut ground = Ground::File;
    let mut statements = view.statements();
    let holds = |span: Span| span.start <= offset && offset <= span.end;
    while let Some(statement) = statements.iter().find(|inner| holds(inner.span())) {
        steps.push(Step { ground, statement });
        ground = within(view, statement);
        statements = match &statement.block {
            Some(block) if offset > statement.head.end => &block.statements,
            _ => break,
        };
    }
    steps
}

/// Where the statements of a statement's block stand.
fn within(view: &View, statement: &Statement) -> Ground {
    match view.inside(statement) {
        Some(inside) => Ground::Block(inside),
        // A variant holds what a file does.
        None if statement.word.text == "variant" => Ground::File,
        None => Ground::Unknown,
    }
}

/// What may be typed at an offset.
#[derive(Debug)]
pub(super) struct Spot<'v> {
    pub ground: Ground,
    /// The statement whose block this is; `None` in the file itself.
    pub owner: Option<Step<'v>>,
    /// Whether a variant is around it.
    pub in_variant: bool,
    /// The statements beside it.
    pub siblings: &'v [Statement],
    /// The words of its statement before the one that is typed; none if a statement starts here.
    pub before: Vec<&'v str>,
}

/// What may be typed at an offset; `None` within a string or a comment.
pub(super) fn spot(view: &View, offset: usize) -> Option<Spot<'_>> {
    let line = view.spec.source.lines_of(Span::at(offset));
    let before =
        |comment: &Comment| line.start <= comment.span.start && comment.span.start < offset;
    if view.comments().iter().any(before) {
        return None;
    }
    let mut ground = Ground::File;
    let mut owner = None;
    let mut in_variant = false;
    let mut siblings = view.statements();
    while let Some(outer) = siblings
        .iter()
        .find(|inner| is_in_block(view, inner, offset))
    {
        owner = Some(Step {
            ground,
            statement: outer,
        });
        in_variant |= outer.word.text == "variant";
        ground = within(view, outer);
        siblings = outer.block.as_ref().map_or(&[], |block| &block.statements);
    }
    let last = siblings
        .iter()
        .take_while(|inner| inner.head.start <= offset)
        .last();
    let before = match last {
        Some(statement)
            if statement
                .block
                .as_ref()
                .is_none_or(|block| offset <= block.span.start) =>
        {
            words(
                view.spec
                    .source
                    .slice(Span::new(statement.head.start, offset)),
            )?
        }
        _ => Vec::new(),
    };
    Some(Spot {
        ground,
        owner,
        in_variant,
        siblings,
        before,
    })
}

fn is_in_block(view: &View, statement: &Statement, offset: usize) -> bool {
    let Some(block) = &statement.block else {
        return false;
    };
    let Span { start, end } = block.span;
    // What stands behind a block that has no brace at its end is in it until a statement begins.
    let source = &view.spec.source;
    let open = || {
        let behind = source.slice(Span::new(end, offset));
        !source.slice(block.span).ends_with('}') && behind.trim().is_empty()
    };
    start < offset && (offset < end || end <= offset && open())
}

/// The words between the start of a statement and the word that a cursor stands at the end of; none
/// if the statement has ended before the cursor; `None` within a string.
fn words(text: &str) -> Option<Vec<&str>> {
    let mut words = Vec::new();
    let mut depth = 0_u32;
    let mut word = None;
    let mut string = false;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        let is_word = character.is_alphanumeric() || character == '_';
        if string {
            string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        match (is_word, word) {
            (true, None) => word = Some(at),
            (false, Some(start)) => {
                words.extend(text.get(start..at));
                word = None;
            }
            _ => {}
        }
        match character {
            '"' => string = true,
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            '\n' | ',' if depth == 0 => words.clear(),
            _ => {}
        }
    }
    (!string).then_some(words)
}

/// Whether a statement's head names an option, as `from`.
pub(super) fn has_word(statement: &Statement, word: &str) -> bool {
    let mut atoms = statement.atoms.iter();
    atoms.any(|atom| matches!(&atom.kind, AtomKind::Word(text) if text == word))
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_before_the_cursor() {
        assert_eq!(words("pool m"), Some(vec!["pool"]));
        assert_eq!(words("pool "), Some(vec!["pool"]));
        assert_eq!(words("poo"), Some(vec![]));
        assert_eq!(words("on [a, b, "), Some(vec!["on", "a", "b"]));
        assert_eq!(words("x from \"a, \\\" b\" "), Some(vec!["x", "from"]));
        assert_eq!(words("x from \"a, "), None);
        assert_eq!(words("shallow, da"), Some(vec![]));
        assert_eq!(words("shallow\n  "), Some(vec![]));
    }
}
