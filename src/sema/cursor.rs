//! Reading the head of a statement, atom by atom.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::literals::Text;
use crate::sema::spelling::{Spelling, is_name, nearest_name};
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Number, Statement, Word};

/// A cursor over a statement's atoms. It complains once: after the first atom that does not fit,
/// the rest is no news.
pub(super) struct Cursor<'s> {
    statement: &'s Statement,
    rest: &'s [Atom],
    /// How the statement is written, for help.
    pub(super) form: String,
    /// Whether `from COLUMN` may come right after the name.
    names_column: bool,
    /// Whether nothing may follow the word.
    is_flag: bool,
    silent: bool,
}

impl<'s> Cursor<'s> {
    pub fn new(statement: &'s Statement, form: impl Into<String>) -> Self {
        Self {
            statement,
            rest: &statement.atoms,
            form: form.into(),
            names_column: false,
            is_flag: false,
            silent: statement.damaged,
        }
    }

    /// `from COLUMN` may come right after the name: a fix of the name keeps the column.
    pub fn with_column(mut self, names_column: bool) -> Self {
        self.names_column = names_column;
        self
    }

    /// Nothing may follow the word: a fix removes `true`.
    pub fn flag(mut self, is_flag: bool) -> Self {
        self.is_flag = is_flag;
        self
    }

    /// Does not complain of a statement whose first word has been complained about.
    pub fn spelt(mut self, spelling: Spelling) -> Self {
        self.silent |= spelling == Spelling::Wrong;
        self
    }

    /// Whether something did not fit.
    pub fn failed(&self) -> bool {
        self.silent
    }

    pub fn peek(&self) -> Option<&'s AtomKind> {
        self.rest.first().map(|atom| &atom.kind)
    }

    /// Whether the next atom is this word.
    pub fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Some(AtomKind::Word(text)) if text == word)
    }

    pub fn next(&mut self) -> Option<&'s Atom> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Whether a number is among what is left.
    pub fn holds_number(&self) -> bool {
        holds_number(self.rest)
    }

    /// The next atom must be this word.
    pub fn keyword(&mut self, context: &mut Context<'_>, word: &str) -> Option<()> {
        if self.is_word(word) {
            self.next();
            return Some(());
        }
        self.report(context, &format!("`{word}`"), |_, wrong| wrong);
        None
    }

    /// The next atom must be this mark.
    pub fn mark(&mut self, context: &mut Context<'_>, mark: &AtomKind) -> Option<()> {
        if self.peek() == Some(mark) {
            self.next();
            return Some(());
        }
        self.report(context, mark.describe(), |_, wrong| wrong);
        None
    }

    /// The next atom must be a name.
    pub fn name(&mut self, context: &mut Context<'_>, what: &str) -> Option<Word> {
        if let Some(Atom {
            kind: AtomKind::Word(text),
            span,
        }) = self.rest.first()
        {
            self.next();
            return Some(Word {
                text: text.clone(),
                span: *span,
            });
        }
        match self.rest.first() {
            Some(Atom {
                kind: AtomKind::Text(text),
                span,
            }) => {
                let literal = context.text(*span);
                self.report(context, what, |cursor, wrong| {
                    let wrong = unquoted(wrong, text, *span);
                    cursor.keeping_column(wrong, literal)
                });
            }
            _ => self.fail(context, what, None),
        }
        None
    }

    /// Lets a fix that makes another name of a feature's string keep the string as its column.
    fn keeping_column(&self, mut wrong: Diagnostic, literal: &str) -> Diagnostic {
        let says_column =
            |atom: &Atom| matches!(&atom.kind, AtomKind::Word(word) if word == "from");
        let reads_column = self.names_column && !self.rest.iter().any(says_column);
        let edits = wrong.fix.iter_mut().flat_map(|fix| &mut fix.edits);
        for edit in
            edits.filter(|edit| reads_column && literal.trim_matches('"') != edit.replacement)
        {
            edit.replacement = format!("{} from {literal}", edit.replacement);
        }
        wrong
    }

    /// The next atom must be a string that is not empty.
    pub fn text(&mut self, context: &mut Context<'_>, what: &str) -> Option<Text> {
        if let Some(Atom {
            kind: AtomKind::Text(text),
            span,
        }) = self.rest.first()
        {
            self.next();
            if text.is_empty() {
                self.silent = true;
                let expected = format!("expected {what}");
                let empty = Diagnostic::new(Code::E0305, "this string is empty", *span, expected);
                context.report(empty.help(format!("write it as `{}`", self.form)));
                return None;
            }
            return Some(Text {
                text: text.clone(),
                span: *span,
            });
        }
        let quoted = match self.peek() {
            Some(AtomKind::Word(word)) => Some((
                "what stands in the data is written in quotes",
                format!("\"{word}\""),
            )),
            _ => None,
        };
        self.fail(context, what, quoted);
        None
    }

    /// The next atom must be a number.
    pub fn number(&mut self, context: &mut Context<'_>, what: &str) -> Option<(&'s Number, Span)> {
        if let Some(Atom {
            kind: AtomKind::Number(number),
            span,
        }) = self.rest.first()
        {
            self.next();
            return Some((number, *span));
        }
        self.fail(context, what, None);
        None
    }

    /// The next atom must be a list that is not empty.
    pub fn list(&mut self, context: &mut Context<'_>, what: &str) -> Option<(&'s [Atom], Span)> {
        let Some(AtomKind::List(items)) = self.peek() else {
            self.fail(context, what, None);
            return None;
        };
        let span = self.next()?.span;
        if items.is_empty() {
            let expected = format!("expected {what}");
            context.report(Diagnostic::new(
                Code::E0308,
                "this list is empty",
                span,
                expected,
            ));
            return None;
        }
        Some((items, span))
    }

    /// There must be no further atom.
    pub fn end(&mut self, context: &mut Context<'_>) {
        if let (Some(first), Some(last)) = (self.rest.first(), self.rest.last())
            && !self.silent
        {
            self.silent = true;
            let message = format!(
                "`{}` does not take {} here",
                self.statement.word.text,
                first.kind.describe()
            );
            let left_over = first.span.to(last.span);
            let diagnostic =
                Diagnostic::new(Code::E0303, message, left_over, "this does not belong here")
                    .help(format!("write it as `{}`", self.form));
            let starts_statement = matches!(first.kind, AtomKind::Word(_)) && self.rest.len() > 1;
            let mended = self
                .quoted_part()
                .or_else(|| self.flag_said_true(left_over));
            context.report(match (mended, starts_statement) {
                (Some((message, span, text)), _) => diagnostic.fix(message, span, text),
                (None, true) => {
                    let place = Span::at(self.end_of_read());
                    diagnostic.maybe("separate it if another statement starts here", place, ",")
                }
                (None, false) => diagnostic,
            });
        }
    }

    /// `"hour"`, if what is left over is `of` and a column: what is made of it is no column itself.
    fn quoted_part(&self) -> Option<(&'static str, Span, &'s str)> {
        let read = self.statement.atoms.len() - self.rest.len();
        let last = self.statement.atoms.get(read.checked_sub(1)?)?;
        match (&last.kind, self.rest) {
            (
                AtomKind::Text(part),
                [
                    Atom {
                        kind: AtomKind::Word(of),
                        ..
                    },
                    Atom {
                        kind: AtomKind::Text(_),
                        ..
                    },
                ],
            ) if of == "of" && is_name(part) => Some((
                "what is made of a column stands without quotes",
                last.span,
                part,
            )),
            _ => None,
        }
    }

    /// `true` after a flag: it is set by its word alone.
    fn flag_said_true(&self, left_over: Span) -> Option<(&'static str, Span, &'s str)> {
        let value = match self.rest {
            [
                Atom {
                    kind: AtomKind::Equals,
                    ..
                },
                value,
            ]
            | [value] => value,
            _ => return None,
        };
        let is_true = matches!(&value.kind, AtomKind::Word(word) if word == "true");
        let word = self.statement.word.span;
        let place = Span::new(word.end, left_over.end);
        (is_true && self.is_flag).then_some(("a flag is set by its word alone", place, ""))
    }

    /// End of what has been read.
    fn end_of_read(&self) -> usize {
        let read = self.statement.atoms.len() - self.rest.len();
        let last = read
            .checked_sub(1)
            .and_then(|last| self.statement.atoms.get(last));
        last.map_or(self.statement.word.span.end, |atom| atom.span.end)
    }

    /// Reports what stands here in place of what was expected. `better` is a known mistake and the
    /// text that mends it.
    pub fn fail(
        &mut self,
        context: &mut Context<'_>,
        expected: &str,
        better: Option<(&str, String)>,
    ) {
        self.report(context, expected, |cursor, wrong| {
            match (better, cursor.rest) {
                (Some((message, text)), [atom, ..]) => wrong.fix(message, atom.span, text),
                // A value that would do without the `=`, as settings are written elsewhere.
                (
                    None,
                    [
                        Atom {
                            kind: AtomKind::Equals,
                            span,
                        },
                        value,
                        ..,
                    ],
                ) if cursor.rest.len() == cursor.statement.atoms.len() => wrong.fix(
                    "remove the `=`: a word and its value stand side by side",
                    Span::new(span.start, value.span.start),
                    "",
                ),
                _ => wrong,
            }
        });
    }

    /// Reports what stands here in place of what was expected, with the way out that `mend` knows;
    /// else with the form of the statement.
    fn report(
        &mut self,
        context: &mut Context<'_>,
        expected: &str,
        mend: impl FnOnce(&Self, Diagnostic) -> Diagnostic,
    ) {
        if std::mem::replace(&mut self.silent, true) {
            return;
        }
        let word = &self.statement.word.text;
        let help = format!("write it as `{}`", self.form);
        let diagnostic = match self.rest.first() {
            Some(atom) => Diagnostic::new(
                Code::E0303,
                format!(
                    "`{word}` expects {expected} here, not {}",
                    atom.kind.describe()
                ),
                atom.span,
                format!("expected {expected}"),
            ),
            None => Diagnostic::new(
                Code::E0303,
                format!("`{word}` is not complete"),
                self.statement.head,
                format!("expected {expected} after this"),
            ),
        };
        let mended = mend(self, diagnostic);
        let helped = mended.fix.is_some() || !mended.helps.is_empty();
        context.report(match helped {
            true => mended,
            false => mended.help(help),
        });
    }
}

/// Whether a number is among some values, or in a list among them.
pub(super) fn holds_number(items: &[Atom]) -> bool {
    items.iter().any(|item| match &item.kind {
        AtomKind::Number(number) => number.whole.is_some(),
        AtomKind::List(inner) => holds_number(inner),
        _ => false,
    })
}

/// Adds the way out of a string where a name belongs.
pub(super) fn unquoted(diagnostic: Diagnostic, text: &str, span: Span) -> Diagnostic {
    let rule = "names of the spec stand without quotes";
    if is_name(text) {
        return diagnostic.fix(rule, span, text);
    }
    match nearest_name(text) {
        Some(name) => diagnostic.maybe(rule, span, name),
        None => diagnostic.help(rule),
    }
}
