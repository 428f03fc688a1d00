//! Balanced text to statements.

use pest::Parser;
use pest::iterators::{Pair, Pairs};

use super::ast::{Atom, AtomKind, Block, File, Number, Statement, Word};
use super::messages::{Expected, doubled, number_with_commas, thousands, unexpected};
use super::repair::Repaired;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::{Source, Span};

/// The parser that pest makes of the grammar; its rules carry no documentation.
#[allow(missing_docs)]
mod grammar {
    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/mtmd.pest"]
    pub struct Grammar;
}
use grammar::{Grammar, Rule};

/// Parses a repaired text; places in the tree are the user's.
pub(super) fn parse(
    source: &Source,
    repaired: &Repaired<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> File {
    let mut builder = Builder {
        source,
        repaired,
        diagnostics,
        of_domains: false,
    };
    match Grammar::parse(Rule::file, &repaired.text) {
        Ok(pairs) => {
            let members = builder.members(pairs.flat_map(Pair::into_inner));
            File {
                statements: members.statements,
                damaged: members.damaged,
                ..File::default()
            }
        }
        Err(error) => {
            // The grammar accepts every balanced text, so this is a limit of the parser itself.
            let offset = match error.location {
                pest::error::InputLocation::Pos(start)
                | pest::error::InputLocation::Span((start, _)) => start,
            };
            let span = Span::at(repaired.original(offset));
            builder.diagnostics.push(Diagnostic::new(
                Code::E0101,
                "this file cannot be read on from here",
                span,
                "",
            ));
            File {
                damaged: true,
                ..File::default()
            }
        }
    }
}

struct Builder<'a> {
    source: &'a Source,
    repaired: &'a Repaired<'a>,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Whether the statements at hand are surfaces or products, which have `=` after their name.
    of_domains: bool,
}

/// What stands between a statement and what follows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    /// Nothing: they stand side by side.
    Nothing,
    /// New lines.
    Lines,
    /// A comma; or there is no statement before.
    Separated,
}

impl Gap {
    fn widened(self, separator: &str) -> Self {
        match (self, separator) {
            (Self::Nothing | Self::Lines, "\n") => Self::Lines,
            _ => Self::Separated,
        }
    }
}

/// Statements of a file or block.
#[derive(Default)]
struct Members {
    statements: Vec<Statement>,
    damaged: bool,
}

impl Builder<'_> {
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        Span::new(
            self.repaired.original(span.start()),
            self.repaired.original(span.end()),
        )
    }

    fn unexpected(&mut self, span: Span, expected: Expected) {
        self.diagnostics
            .push(unexpected(self.source, span, expected));
    }

    fn members<'i>(&mut self, pairs: impl Iterator<Item = Pair<'i, Rule>>) -> Members {
        let mut members = Members::default();
        let mut gap = Gap::Separated;
        for pair in pairs {
            match pair.as_rule() {
                Rule::separator => gap = gap.widened(pair.as_str()),
                Rule::statement => {
                    let Some(mut statement) = self.statement(pair) else {
                        continue;
                    };
                    if let (Gap::Nothing, Some(last)) = (gap, members.statements.last()) {
                        self.missing_separator(last, &mut statement);
                    }
                    members.statements.push(statement);
                    gap = Gap::Nothing;
                }
                Rule::misplaced if self.rest_of_number(&pair, members.statements.last_mut()) => {}
                Rule::misplaced => {
                    let last = members
                        .statements
                        .last_mut()
                        .filter(|_| gap != Gap::Separated);
                    let owned = self.misplaced(pair, last);
                    members.damaged |= !owned;
                    gap = Gap::Separated;
                }
                Rule::block_end => {
                    members.damaged |= self.repaired.is_inserted(pair.as_span().start());
                }
                _ => {}
            }
        }
        members
    }

    /// Whether text that starts no statement is a group of a number such as `20,000,000`, which
    /// is reported at its first comma. `last` is the statement that the number stands in.
    fn rest_of_number(&mut self, pair: &Pair<'_, Rule>, last: Option<&mut Statement>) -> bool {
        let Some(part) = pair.clone().into_inner().next() else {
            return false;
        };
        let (span, is_number) = (self.span(&part), part.as_rule() == Rule::number);
        let (Some(last), true) = (last, is_number) else {
            return false;
        };
        let number = number_with_commas(self.source, span);
        let Some(number) = number.filter(|number| last.head.end > number.start) else {
            return false;
        };
        if last.head.end < span.start && last.head.end < number.end {
            last.damaged = true;
            last.head = last.head.to(number);
            self.diagnostics.push(thousands(self.source, number));
        }
        true
    }

    /// What follows a block and has none of its own may have been meant for that block: it then
    /// stands for nothing.
    fn missing_separator(&mut self, first: &Statement, second: &mut Statement) {
        let diagnostic = Diagnostic::new(
            Code::E0107,
            "two statements stand side by side",
            second.word.span,
            "expected a new line or `,` before this",
        );
        let place = Span::at(first.span().end);
        let names_column =
            |atom: &Atom| matches!(&atom.kind, AtomKind::Word(word) if word == "from");
        let may_be_setting = first.block.is_some()
            && second.block.is_none()
            && !second.atoms.iter().any(names_column);
        second.damaged |= may_be_setting;
        self.diagnostics.push(match may_be_setting {
            true => diagnostic
                .help(format!(
                    "a setting of `{}` stands in its block: move it before the `}}`",
                    first.word.text
                ))
                .maybe("separate it if it is a statement of its own", place, ","),
            false => diagnostic.fix("separate them", place, ","),
        });
    }

    /// Text that starts no statement; `last` is the statement that it may belong to. A block on
    /// the line after its statement is taken for that statement's: then the answer is `true`.
    fn misplaced(&mut self, pair: Pair<'_, Rule>, last: Option<&mut Statement>) -> bool {
        let mut inner = pair.into_inner();
        let Some(first) = inner.next() else {
            return true;
        };
        let span = self.span(&first);
        if first.as_rule() != Rule::block {
            self.unexpected(span, Expected::Statement);
            return false;
        }
        let brace = Span::new(span.start, span.start + 1);
        let message = "this block belongs to no statement";
        let diagnostic = Diagnostic::new(Code::E0101, message, brace, "expected a word before it")
            .help("a block opens on the line of its statement: `tasks {`");
        match last {
            Some(last) if last.block.is_none() => {
                let gap = Span::new(last.head.end, span.start);
                let diagnostic = diagnostic.label(last.head, "perhaps to this one");
                self.diagnostics
                    .push(match self.source.slice(gap).trim().is_empty() {
                        true => diagnostic.maybe("open the block on that line", gap, " "),
                        false => diagnostic,
                    });
                last.block = Some(self.block(first));
                true
            }
            _ => {
                self.diagnostics.push(diagnostic);
                false
            }
        }
    }

    fn statement(&mut self, pair: Pair<'_, Rule>) -> Option<Statement> {
        let whole = pair.as_span();
        let mut inner = pair.into_inner();
        let word = inner.next()?;
        let mut head_end = whole.end();
        let word = Word {
            text: word.as_str().to_owned(),
            span: self.span(&word),
        };
        let mut statement = Statement {
            doc: None,
            head: word.span,
            word,
            atoms: Vec::new(),
            block: None,
            damaged: false,
        };
        for pair in inner {
            let span = self.span(&pair);
            match pair.as_rule() {
                Rule::block => {
                    head_end = pair.as_span().start();
                    let of_domains = self.of_domains;
                    self.of_domains = ["surfaces", "products"].contains(&&*statement.word.text);
                    statement.block = Some(self.block(pair));
                    self.of_domains = of_domains;
                }
                Rule::junk if statement.damaged => statement.head = statement.head.to(span),
                Rule::junk => {
                    statement.damaged = true;
                    statement.head = statement.head.to(span);
                    let named = statement.atoms.is_empty() && statement.word.text != "others";
                    self.unexpected(
                        span,
                        match self.of_domains && named {
                            true => Expected::Equals,
                            false => Expected::Continuation,
                        },
                    );
                }
                Rule::equals | Rule::and if follows_itself(&statement, &pair, span) => {
                    statement.damaged = true;
                    let place = statement.atoms.last().map_or(span, |last| last.span);
                    self.diagnostics
                        .push(doubled(pair.as_str(), place.to(span)));
                }
                _ => {
                    statement.head = statement.head.to(span);
                    statement.damaged |= self
                        .repaired
                        .is_inserted(pair.as_span().end().saturating_sub(1));
                    statement
                        .atoms
                        .extend(self.atom(pair, &mut statement.damaged));
                }
            }
        }
        statement.damaged |= self.repaired.has_blank(whole.start(), head_end);
        Some(statement)
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> Block {
        let span = self.span(&pair);
        let members = self.members(pair.into_inner());
        Block {
            statements: members.statements,
            span,
            damaged: members.damaged,
        }
    }

    fn atom(&mut self, pair: Pair<'_, Rule>, damaged: &mut bool) -> Option<Atom> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::word => AtomKind::Word(pair.as_str().to_owned()),
            Rule::number => AtomKind::Number(number(pair.as_str())),
            Rule::string => {
                let reported = self.diagnostics.len();
                let text = self.text(pair.as_str(), span);
                // Nobody knows the text that was meant: what else it does wrong is no news.
                *damaged |= self.diagnostics.len() > reported;
                AtomKind::Text(text)
            }
            Rule::list => AtomKind::List(self.list(pair.into_inner(), damaged)),
            Rule::equals => AtomKind::Equals,
            Rule::and => AtomKind::And,
            Rule::range => AtomKind::Range,
            _ => return None,
        };
        Some(Atom { kind, span })
    }

    /// Values and commas must alternate; the first place where they do not is reported.
    fn list(&mut self, pairs: Pairs<'_, Rule>, damaged: &mut bool) -> Vec<Atom> {
        let mut values: Vec<Atom> = Vec::new();
        let mut after_value = false;
        let mut reported = *damaged;
        for pair in pairs {
            let span = self.span(&pair);
            let expected = if after_value {
                Expected::Comma
            } else {
                Expected::Value
            };
            let fits = match pair.as_rule() {
                Rule::list_end => true,
                Rule::comma => std::mem::replace(&mut after_value, false),
                Rule::number | Rule::word | Rule::string => {
                    !std::mem::replace(&mut after_value, true)
                }
                _ => false,
            };
            if !fits && !std::mem::replace(&mut reported, true) {
                let diagnostic = unexpected(self.source, span, expected);
                self.diagnostics.push(match (values.last(), expected) {
                    (Some(last), Expected::Comma)
                        if matches!(pair.as_rule(), Rule::number | Rule::word | Rule::string) =>
                    {
                        diagnostic.maybe("separate the values", Span::at(last.span.end), ",")
                    }
                    _ => diagnostic,
                });
            }
            if matches!(pair.as_rule(), Rule::number | Rule::word | Rule::string) {
                values.extend(self.atom(pair, damaged));
            }
        }
        *damaged |= reported;
        values
    }

    /// Resolves escapes; `literal` has its quotes.
    fn text(&mut self, literal: &str, span: Span) -> String {
        let inner = literal
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'))
            .unwrap_or("");
        let mut output = String::with_capacity(inner.len());
        let mut characters = inner.char_indices();
        while let Some((_, character)) = characters.next() {
            if character != '\\' {
                output.push(character);
                continue;
            }
            match characters.next() {
                Some((_, 'n')) => output.push('\n'),
                Some((_, 't')) => output.push('\t'),
                Some((_, same @ ('"' | '\\'))) => output.push(same),
                Some((offset, other)) => {
                    output.push(other);
                    let start = span.start + offset;
                    self.unknown_escape(Span::new(start, start + 1 + other.len_utf8()), other);
                }
                None => {}
            }
        }
        output
    }

    fn unknown_escape(&mut self, span: Span, character: char) {
        let escape = format!("\\{}", character.escape_debug());
        self.diagnostics.push(
            Diagnostic::new(
                Code::E0105,
                format!("unknown escape `{escape}`"),
                span,
                "not an escape",
            )
            .note("the escapes are `\\\"`, `\\\\`, `\\n` and `\\t`")
            .maybe(
                "write the backslash itself as `\\\\`",
                Span::at(span.start),
                "\\",
            ),
        );
    }
}

/// Whether a mark stands right after the same mark.
fn follows_itself(statement: &Statement, mark: &Pair<'_, Rule>, span: Span) -> bool {
    let same = |last: &Atom| match last.kind {
        AtomKind::Equals => mark.as_rule() == Rule::equals,
        AtomKind::And => mark.as_rule() == Rule::and,
        _ => false,
    };
    let last = statement.atoms.last();
    last.is_some_and(|last| last.span.end == span.start && same(last))
}

fn number(text: &str) -> Number {
    let digits = text.replace('_', "");
    // The grammar lets through only what Rust reads too; a number too large reads as infinite.
    Number {
        text: text.to_owned(),
        whole: digits.parse().ok(),
        real: digits.parse().unwrap_or(f64::NAN),
    }
}
