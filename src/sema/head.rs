//! Reading the head of a statement, atom by atom.

use super::context::Context;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Number, Statement, Word};

/// A string of the spec, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub text: String,
    pub span: Span,
}

/// A cursor over a statement's atoms. It complains once: after the first atom that does not fit,
/// the rest is no news.
pub(super) struct Head<'s> {
    statement: &'s Statement,
    rest: &'s [Atom],
    /// How the statement is written, for help.
    form: String,
    silent: bool,
}

impl<'s> Head<'s> {
    pub fn new(statement: &'s Statement, form: impl Into<String>) -> Self {
        Self {
            statement,
            rest: &statement.atoms,
            form: form.into(),
            silent: statement.damaged,
        }
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

    /// The next atom must be this word.
    pub fn keyword(&mut self, context: &mut Context<'_>, word: &str) -> Option<()> {
        if self.is_word(word) {
            self.next();
            return Some(());
        }
        self.fail(context, &format!("`{word}`"), None);
        None
    }

    /// The next atom must be this mark.
    pub fn mark(&mut self, context: &mut Context<'_>, mark: &AtomKind) -> Option<()> {
        if self.peek() == Some(mark) {
            self.next();
            return Some(());
        }
        self.fail(context, mark.describe(), None);
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
        let unquoted = match self.peek() {
            Some(AtomKind::Text(text)) => {
                Some(("names of the spec stand without quotes", text.clone()))
            }
            _ => None,
        };
        self.fail(context, what, unquoted);
        None
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
                context.report(Diagnostic::new(
                    Code::E0305,
                    "this string is empty",
                    *span,
                    format!("expected {what}"),
                ));
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
            context.report(
                Diagnostic::new(
                    Code::E0303,
                    message,
                    first.span.to(last.span),
                    "this does not belong here",
                )
                .help(format!("write it as `{}`", self.form)),
            );
        }
    }

    /// Reports what stands here in place of what was expected. `better` is a known mistake and the
    /// text that mends it.
    pub fn fail(
        &mut self,
        context: &mut Context<'_>,
        expected: &str,
        better: Option<(&str, String)>,
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
        context.report(match (better, self.rest.first()) {
            (Some((message, text)), Some(atom)) => diagnostic.fix(message, atom.span, text),
            _ => diagnostic.help(help),
        });
    }
}
