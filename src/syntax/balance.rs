//! Balance: makes blocks, lists and strings whole before the grammar sees the text.
//!
//! One unclosed brace must not cost the rest of the file. A linear scan finds what is unclosed or
//! closes nothing, reports it once, at the opening place, and repairs a copy of the text: the
//! grammar then reads a balanced text that is otherwise the user's. Comments are kept on the way.

use super::ast::Comment;
use super::ends::{ListEnd, head_end, line_end, list, string, unpaired_braces, unpaired_quote};
use super::repair::{Repair, Repairs};
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;

/// Blocks, and brackets in a list, may nest this deep; the language itself needs three. It bounds
/// the recursion of everything that walks the tree.
pub(super) const MAX_DEPTH: usize = 16;

/// What a scan finds.
pub(super) struct Balanced {
    /// Changes that make the text balanced.
    pub repairs: Repairs,
    /// Comments, by place.
    pub comments: Vec<Comment>,
    /// What is unbalanced.
    pub diagnostics: Vec<Diagnostic>,
}

/// Scans a text.
pub(super) fn balance(text: &str) -> Balanced {
    let plain = Scanner::new(text, Guesses::default()).run();
    if plain.lacking == Guesses::default() {
        return plain.balanced;
    }
    // A brace is missing: indentation and lines tell where it was meant to be, as long as that
    // does not lead to more complaints than taking the file at its word.
    let guessed = Scanner::new(text, plain.lacking).run();
    if guessed.balanced.diagnostics.len() <= plain.balanced.diagnostics.len() {
        guessed.balanced
    } else {
        plain.balanced
    }
}

struct Scanned {
    balanced: Balanced,
    lacking: Guesses,
}

/// How many braces are missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Guesses {
    /// Those that would end a block.
    closing: usize,
    /// Those that would start one.
    opening: usize,
}

/// An open block.
struct Open {
    offset: usize,
    indent: usize,
}

/// A line outside of any block, which may lack its `{`.
struct OuterLine {
    indent: usize,
    /// End of its last token.
    end: usize,
    has_block: bool,
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
    line_start: usize,
    /// Whether a token has been seen on this line.
    line_has_code: bool,
    /// Indentation of the line, once a token has been seen.
    indent: usize,
    /// First token since the start of the line or its last brace.
    segment: Option<usize>,
    /// First word of the statement that is being read, if it starts on this line.
    statement: Option<usize>,
    /// Whether a statement may start here.
    separated: bool,
    /// End of the last token.
    code_end: usize,
    open: Vec<Open>,
    outer: Vec<OuterLine>,
    /// Brackets before this offset belong to a list that is known to be closed.
    list_until: usize,
    /// Brackets before this offset belong to an unclosed list that has been reported.
    bare_until: usize,
    /// The last string that is not closed: its diagnostic, and where it and its line end.
    open_string: Option<(usize, usize, usize)>,
    /// Start of a block that nests too deep, and the depth at which it ends.
    too_deep: Option<(usize, usize)>,
    /// How many more missing braces may be guessed.
    guesses: Guesses,
    lacking: Guesses,
    /// Whether indentation is trusted to tell where braces are missing.
    guessing: bool,
    repairs: Repairs,
    comments: Vec<Comment>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, guesses: Guesses) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            position: 0,
            line_start: 0,
            line_has_code: false,
            indent: 0,
            segment: None,
            statement: None,
            separated: true,
            code_end: 0,
            open: Vec::new(),
            outer: Vec::new(),
            list_until: 0,
            bare_until: 0,
            open_string: None,
            too_deep: None,
            guesses,
            guessing: guesses != Guesses::default(),
            lacking: Guesses::default(),
            repairs: Repairs::default(),
            comments: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    fn run(mut self) -> Scanned {
        while let Some(byte) = self.bytes.get(self.position).copied() {
            self.step(byte);
        }
        while let Some(open) = self.open.pop() {
            self.report_unclosed_block(&open);
        }
        if let Some((start, _)) = self.too_deep {
            self.repairs
                .push(Repair::Blank(Span::new(start, self.text.len())));
        }
        let Self {
            repairs,
            comments,
            diagnostics,
            lacking,
            ..
        } = self;
        Scanned {
            balanced: Balanced {
                repairs,
                comments,
                diagnostics,
            },
            lacking,
        }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                self.position += 1;
                self.line_start = self.position;
                self.line_has_code = false;
                self.end_segment();
            }
            b' ' | b'\t' | b'\r' => self.position += 1,
            // The mark of UTF-8 that some editors put first is white space, as it is in the grammar.
            0xEF if self.at_mark() => self.position += '\u{FEFF}'.len_utf8(),
            b'/' if self.bytes.get(self.position + 1) == Some(&b'/') => self.comment(),
            _ => self.token(byte),
        }
    }

    fn at_mark(&self) -> bool {
        let rest = self.text.get(self.position..);
        rest.is_some_and(|rest| rest.starts_with('\u{FEFF}'))
    }

    fn comment(&mut self) {
        let end = line_end(self.bytes, self.position);
        let text = self.text.get(self.position..end).unwrap_or("");
        self.comments.push(Comment {
            span: Span::new(self.position, self.position + text.trim_end().len()),
            doc: text.starts_with("///") && !text.starts_with("////"),
            own_line: !self.line_has_code,
        });
        self.position = end;
    }

    fn token(&mut self, byte: u8) {
        if !self.line_has_code {
            self.line_has_code = true;
            self.indent = self.position - self.line_start;
            self.first_token(byte);
            if let (true, Some(quote)) = (
                self.position >= self.list_until,
                unpaired_quote(self.bytes, self.position),
            ) {
                self.broken_line(quote);
                return;
            }
        }
        self.note_statement(byte);
        match byte {
            b'"' => self.string(),
            b'[' => self.open_list(),
            b']' => self.close_list(),
            b'{' => self.open_block(),
            b'}' => self.close_block(),
            _ => self.position += 1,
        }
        self.end_token();
    }

    fn end_token(&mut self) {
        self.code_end = self.position;
        if let (true, Some(line)) = (self.open.is_empty(), self.outer.last_mut()) {
            line.end = self.code_end;
        }
    }

    fn end_segment(&mut self) {
        self.segment = None;
        self.statement = None;
        self.separated = true;
    }

    fn note_statement(&mut self, byte: u8) {
        match byte {
            b',' => self.separated = true,
            b'{' | b'}' => {}
            _ => {
                self.segment.get_or_insert(self.position);
                if std::mem::replace(&mut self.separated, false) && byte.is_ascii_alphabetic() {
                    self.statement = Some(self.position);
                }
            }
        }
    }

    /// A line whose quotes do not pair: what is in a string there, and what is not, is anyone's
    /// guess. Its first words are kept, and its braces as far as they do not pair on the line.
    fn broken_line(&mut self, quote: usize) {
        self.diagnostics.push(
            Diagnostic::new(
                Code::E0104,
                "the quotes of this line do not pair",
                Span::new(quote, quote + 1),
                "this one has no partner",
            )
            .help("add the missing `\"`: a string ends on its line"),
        );
        let end = line_end(self.bytes, self.position);
        let braces = unpaired_braces(self.bytes, self.position, end);
        self.position = head_end(self.bytes, self.position);
        self.end_token();
        for brace in braces {
            self.repairs
                .push(Repair::Blank(Span::new(self.position, brace)));
            self.position = brace;
            match self.bytes.get(brace) {
                Some(b'{') => self.open_block(),
                _ => self.close_block(),
            }
            self.end_token();
        }
        self.repairs
            .push(Repair::Blank(Span::new(self.position, end)));
        self.position = end;
    }

    /// The first token of a line: it may show, by its indentation, that a block was meant to end.
    fn first_token(&mut self, byte: u8) {
        while self.guesses.closing > 0 && self.position >= self.list_until {
            let outermost = self.open.len() == 1;
            let ended = |open: &Open| match byte {
                b'}' => self.indent < open.indent && !outermost,
                _ => self.indent <= open.indent,
            };
            let Some(open) = self.open.pop_if(|open| ended(open)) else {
                break;
            };
            self.guesses.closing -= 1;
            self.report_unclosed_block(&open);
        }
        if self.open.is_empty() && byte != b'}' {
            self.outer.push(OuterLine {
                indent: self.indent,
                end: self.position,
                has_block: false,
            });
        }
    }

    fn report_unclosed_block(&mut self, open: &Open) {
        self.lacking.closing += 1;
        self.repairs.push(Repair::Insert(self.code_end, " }"));
        if self.leave_too_deep(self.code_end) {
            return;
        }
        let brace = Span::new(open.offset, open.offset + 1);
        let diagnostic =
            |place, label| Diagnostic::new(Code::E0102, "this block is never closed", place, label);
        self.diagnostics.push(if self.guessing {
            // Indentation tells where the block was meant to end.
            let end = match self.line_start > open.offset {
                true => format!("\n{:1$}}}", "", open.indent),
                false => " }".to_owned(),
            };
            let place = Span::at(self.code_end);
            diagnostic(place, "expected `}` after this")
                .label(brace, "the block opens here")
                .maybe("close it", place, end)
        } else {
            diagnostic(brace, "unclosed `{`").help("add the missing `}`")
        });
    }

    fn string(&mut self) {
        let string = string(self.bytes, self.position);
        if !string.closed && (self.ends_curly_string() || self.ends_string_of_line_before()) {
            self.position += 1;
            return;
        }
        if !string.closed {
            let end = line_end(self.bytes, self.position);
            self.open_string = Some((self.diagnostics.len(), string.end, end));
            let span = Span::new(self.position, string.end);
            let end = if string.escapes { "\\\"" } else { "\"" };
            self.repairs.push(Repair::Insert(string.end, end));
            let diagnostic = Diagnostic::new(
                Code::E0104,
                "this string is never closed",
                span,
                "a string ends on its line",
            );
            let text = self.text.get(span.start..span.end).unwrap_or("");
            self.diagnostics.push(match text.chars().next_back() {
                Some(curly @ ('“' | '”')) => {
                    let place = Span::new(span.end - curly.len_utf8(), span.end);
                    diagnostic.fix("a string ends with a straight `\"`", place, "\"")
                }
                _ => diagnostic.maybe("close it with `\"`", Span::at(string.end), "\""),
            });
        }
        self.position = string.end;
    }

    /// Whether the quote at hand ends a string that starts with `“`, which is complained about.
    fn ends_curly_string(&mut self) -> bool {
        let before = self.text.get(self.line_start..self.position).unwrap_or("");
        let mut quotes = before
            .chars()
            .rev()
            .filter(|c| matches!(c, '"' | '“' | '”'));
        let curly = quotes.next() == Some('“');
        if curly {
            let quote = Span::new(self.position, self.position + 1);
            self.repairs.push(Repair::Blank(quote));
        }
        curly
    }

    /// Whether the quote at hand ends a string that a line break has cut in two: that is one
    /// mistake. What follows the quote is then read on the string's line.
    fn ends_string_of_line_before(&mut self) -> bool {
        let Some((diagnostic, end, line)) = self.open_string else {
            return false;
        };
        let between = self.text.get(line..self.position).unwrap_or("");
        // A quote that starts a string has white space or a mark before it.
        let goes_on = between.ends_with(|c: char| c.is_alphanumeric() || "_./-".contains(c));
        let is_text = goes_on && !between.contains(['{', '}', '[', ']', '"']);
        let to_line_end = self.text.get(end..line).unwrap_or("").trim().is_empty();
        if line + 1 != self.line_start || !is_text || !to_line_end {
            return false;
        }
        if let Some(found) = self.diagnostics.get_mut(diagnostic) {
            found.fix = None;
            found
                .helps
                .push("write it on one line; a line break in it is `\\n`".to_owned());
        }
        let rest = Span::new(end.max(line), self.position + 1);
        self.repairs.push(Repair::Blank(rest));
        self.open_string = None;
        true
    }

    fn open_list(&mut self) {
        let start = self.position;
        self.position += 1;
        if start < self.bare_until {
            self.repairs
                .push(Repair::Blank(Span::new(start, self.position)));
        } else if start >= self.list_until {
            match list(self.bytes, start) {
                ListEnd::Closed { end, depth } if depth <= MAX_DEPTH => self.list_until = end,
                ListEnd::Closed { end, .. } => {
                    self.report_too_deep(start);
                    self.repairs.push(Repair::Blank(Span::new(start, end)));
                    self.position = end;
                }
                ListEnd::Unclosed { insert } => {
                    self.bare_until = insert;
                    self.repairs.push(Repair::Insert(insert, "]"));
                    self.diagnostics.push(
                        Diagnostic::new(
                            Code::E0102,
                            "this list is never closed",
                            Span::new(start, start + 1),
                            "unclosed `[`",
                        )
                        .maybe("close it with `]`", Span::at(insert), "]"),
                    );
                }
            }
        }
    }

    fn close_list(&mut self) {
        let span = Span::new(self.position, self.position + 1);
        self.position += 1;
        if span.start >= self.list_until {
            // The statement's values are then no list: they are left out with the bracket.
            let values = self
                .statement
                .map_or(span.start, |start| head_end(self.bytes, start));
            let start = if span.start >= self.bare_until {
                values
            } else {
                span.start
            };
            self.repairs.push(Repair::Blank(Span::new(start, span.end)));
        }
        if span.start >= self.list_until.max(self.bare_until) {
            self.diagnostics.push(
                Diagnostic::new(
                    Code::E0103,
                    "this `]` closes nothing",
                    span,
                    "no `[` is open here",
                )
                .maybe("remove it", span, ""),
            );
        }
    }

    fn open_block(&mut self) {
        if let (true, Some(line)) = (self.open.is_empty(), self.outer.last_mut()) {
            line.has_block = true;
        }
        if self.open.len() == MAX_DEPTH && self.too_deep.is_none() {
            self.report_too_deep(self.position);
            self.too_deep = Some((self.position, MAX_DEPTH));
        }
        self.open.push(Open {
            offset: self.position,
            indent: self.indent,
        });
        self.position += 1;
        self.end_segment();
    }

    fn close_block(&mut self) {
        let own_line = self.line_start + self.indent == self.position;
        // A block that started on an earlier line ends, as a rule, on a line of its own.
        let lacks_opening = !own_line
            && self.segment.is_some()
            && self
                .open
                .last()
                .is_none_or(|open| open.offset < self.line_start);
        self.position += 1;
        if lacks_opening && (self.open.is_empty() || self.guesses.opening > 0) {
            self.guesses.opening = self.guesses.opening.saturating_sub(1);
            self.report_line_without_opening();
        } else if self.open.pop().is_none() {
            self.report_unmatched_block(own_line);
        } else {
            self.leave_too_deep(self.position);
        }
        self.end_segment();
    }

    /// A line such as `id user_id rows 10 }`: the block that ends here never started.
    fn report_line_without_opening(&mut self) {
        self.lacking.opening += 1;
        let start = self.segment.unwrap_or(self.position);
        let head = Span::new(start, head_end(self.bytes, start));
        let brace = Span::new(self.position - 1, self.position);
        self.repairs
            .push(Repair::Blank(Span::new(head.end, brace.end)));
        let message = "this `}` closes nothing";
        let mut diagnostic =
            Diagnostic::new(Code::E0103, message, brace, "no `{` is open on this line");
        if head.end > head.start {
            diagnostic = diagnostic.label(head, "a `{` may be missing after this");
        }
        self.diagnostics
            .push(diagnostic.help("add the missing `{`, or remove the `}`"));
    }

    /// Ends the region that nests too deep if its block has just been closed. Says whether the
    /// position still belongs to it.
    fn leave_too_deep(&mut self, end: usize) -> bool {
        match self.too_deep {
            Some((start, depth)) if self.open.len() == depth => {
                self.repairs.push(Repair::Blank(Span::new(start, end)));
                self.too_deep = None;
                true
            }
            Some(_) => true,
            None => false,
        }
    }

    fn report_too_deep(&mut self, offset: usize) {
        self.diagnostics.push(
            Diagnostic::new(Code::E0106, "this nests too deep", Span::new(offset, offset + 1), format!("level {}", MAX_DEPTH + 1))
                .note(format!("blocks and lists may nest {MAX_DEPTH} deep; no statement of the language needs more than three levels")),
        );
    }

    fn report_unmatched_block(&mut self, own_line: bool) {
        self.lacking.opening += 1;
        let span = Span::new(self.position - 1, self.position);
        let is_deeper = |line: &&OuterLine| line.indent > self.indent;
        let before = self.outer.iter().rev().find(|line| !is_deeper(line));
        let lacking = before.filter(|line| {
            own_line && !line.has_block && self.outer.last().is_some_and(|last| is_deeper(&last))
        });
        self.diagnostics.push(match lacking {
            Some(line) => {
                let insert = Span::at(line.end);
                self.repairs.push(Repair::Insert(line.end, " {"));
                let message = "this block is never opened";
                Diagnostic::new(Code::E0103, message, insert, "expected `{` after this")
                    .label(span, "this closes nothing")
                    .maybe("open the block", insert, " {")
            }
            None => {
                self.repairs.push(Repair::Blank(span));
                let message = "this `}` closes nothing";
                Diagnostic::new(Code::E0103, message, span, "no `{` is open here").maybe(
                    "remove it",
                    span,
                    "",
                )
            }
        });
        self.outer.clear();
    }
}
