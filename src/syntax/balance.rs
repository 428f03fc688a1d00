//! Balance: makes blocks, lists and strings whole before the grammar sees the text.
//!
//! One unclosed brace must not cost the rest of the file. A linear scan finds what is unclosed or
//! closes nothing, reports it once, at the opening place, and repairs a copy of the text: the
//! grammar then reads a balanced text that is otherwise the user's. Comments are kept on the way.

use super::ast::Comment;
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
    let plain = Scanner::new(text, 0).run();
    if plain.unclosed == 0 {
        return plain.balanced;
    }
    // Something is unclosed: indentation tells where its end was meant to be, as long as that
    // does not lead to more complaints than taking the file at its word.
    let guessed = Scanner::new(text, plain.unclosed).run();
    if guessed.balanced.diagnostics.len() <= plain.balanced.diagnostics.len() {
        guessed.balanced
    } else {
        plain.balanced
    }
}

struct Scanned {
    balanced: Balanced,
    /// Blocks without an end.
    unclosed: usize,
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
    /// End of the last token.
    code_end: usize,
    open: Vec<Open>,
    outer: Vec<OuterLine>,
    /// Brackets before this offset belong to a list that is known to be closed.
    list_until: usize,
    /// Brackets before this offset belong to an unclosed list that has been reported.
    bare_until: usize,
    /// Start of a block that nests too deep, and the depth at which it ends.
    too_deep: Option<(usize, usize)>,
    /// How many more unclosed blocks indentation may close.
    guesses: usize,
    unclosed: usize,
    repairs: Repairs,
    comments: Vec<Comment>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str, guesses: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            position: 0,
            line_start: 0,
            line_has_code: false,
            indent: 0,
            code_end: 0,
            open: Vec::new(),
            outer: Vec::new(),
            list_until: 0,
            bare_until: 0,
            too_deep: None,
            guesses,
            unclosed: 0,
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
            unclosed,
            ..
        } = self;
        Scanned {
            balanced: Balanced {
                repairs,
                comments,
                diagnostics,
            },
            unclosed,
        }
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'\n' => {
                self.position += 1;
                self.line_start = self.position;
                self.line_has_code = false;
            }
            b' ' | b'\t' | b'\r' => self.position += 1,
            b'/' if self.bytes.get(self.position + 1) == Some(&b'/') => self.comment(),
            _ => self.token(byte),
        }
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
        }
        match byte {
            b'"' => self.string(),
            b'[' => self.open_list(),
            b']' => self.close_list(),
            b'{' => self.open_block(),
            b'}' => self.close_block(),
            _ => self.position += 1,
        }
        self.code_end = self.position;
        if self.open.is_empty()
            && let Some(line) = self.outer.last_mut()
        {
            line.end = self.code_end;
        }
    }

    /// The first token of a line: it may show, by its indentation, that a block was meant to end.
    fn first_token(&mut self, byte: u8) {
        while self.guesses > 0 && self.position >= self.list_until {
            let outermost = self.open.len() == 1;
            let ended = |open: &Open| match byte {
                b'}' => self.indent < open.indent && !outermost,
                _ => self.indent <= open.indent,
            };
            let Some(open) = self.open.pop_if(|open| ended(open)) else {
                break;
            };
            self.guesses -= 1;
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
        self.unclosed += 1;
        self.repairs.push(Repair::Insert(self.code_end, " }"));
        if self.leave_too_deep(self.code_end) {
            return;
        }
        self.diagnostics.push(
            Diagnostic::new(
                Code::E0102,
                "this block is never closed",
                Span::new(open.offset, open.offset + 1),
                "unclosed `{`",
            )
            .help("add the missing `}`"),
        );
    }

    fn string(&mut self) {
        let string = string(self.bytes, self.position);
        if !string.closed {
            let span = Span::new(self.position, string.end);
            self.repairs.push(Repair::Insert(string.end, "\""));
            let diagnostic = Diagnostic::new(
                Code::E0104,
                "this string is never closed",
                span,
                "a string ends on its line",
            );
            // A lone quote is more likely the end of a string that lacks its own.
            self.diagnostics.push(match span.end - span.start {
                1 => diagnostic.help("the quotes of this line do not pair: one is missing"),
                _ => diagnostic.maybe("close it with `\"`", Span::at(string.end), "\""),
            });
        }
        self.position = string.end;
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
            self.repairs.push(Repair::Blank(span));
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
    }

    fn close_block(&mut self) {
        self.position += 1;
        if self.open.pop().is_none() {
            self.report_unmatched_block();
        } else {
            self.leave_too_deep(self.position);
        }
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

    fn report_unmatched_block(&mut self) {
        let span = Span::new(self.position - 1, self.position);
        let own_line = self.line_start + self.indent == span.start;
        let is_deeper = |line: &&OuterLine| line.indent > self.indent;
        let before = self.outer.iter().rev().find(|line| !is_deeper(line));
        let lacking = before.filter(|line| {
            own_line && !line.has_block && self.outer.last().is_some_and(|last| is_deeper(&last))
        });
        let diagnostic = Diagnostic::new(
            Code::E0103,
            "this `}` closes nothing",
            span,
            "no `{` is open here",
        );
        self.diagnostics.push(match lacking {
            Some(line) => {
                let insert = Span::at(line.end);
                self.repairs.push(Repair::Insert(line.end, " {"));
                diagnostic.label(insert, "a `{` may be missing here").maybe(
                    "open the block",
                    insert,
                    " {",
                )
            }
            None => {
                self.repairs.push(Repair::Blank(span));
                diagnostic.maybe("remove it", span, "")
            }
        });
        self.outer.clear();
    }
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    from + rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len())
}

struct StringEnd {
    /// One past the closing quote, or where it should stand.
    end: usize,
    closed: bool,
}

/// The string that starts at `start`. An unclosed one is taken to end before the first bracket,
/// brace or comma of its line, which hardly any column or value contains.
fn string(bytes: &[u8], start: usize) -> StringEnd {
    let mut position = start + 1;
    let mut delimiter = None;
    loop {
        match bytes.get(position) {
            Some(b'"') => {
                return StringEnd {
                    end: position + 1,
                    closed: true,
                };
            }
            Some(b'\\') if bytes.get(position + 1).is_some_and(|next| *next != b'\n') => {
                position += 1
            }
            Some(b'{' | b'}' | b'[' | b']' | b',') => delimiter = delimiter.or(Some(position)),
            Some(b'\n') | None => break,
            Some(_) => {}
        }
        position += 1;
    }
    let mut end = delimiter.unwrap_or(position.min(bytes.len()));
    while end > start + 1 && matches!(bytes.get(end - 1), Some(b' ' | b'\t' | b'\r')) {
        end -= 1;
    }
    StringEnd { end, closed: false }
}

enum ListEnd {
    /// One past the `]`, and how deep brackets nest in it.
    Closed { end: usize, depth: usize },
    /// Where the `]` should stand.
    Unclosed { insert: usize },
}

/// Looks for the end of the list that starts at `start`. A brace ends the search, and so does,
/// from the second line on, what only a statement holds: a value after a value without a comma,
/// `=`, `&`, another list.
fn list(bytes: &[u8], start: usize) -> ListEnd {
    let mut scan = ListScan {
        position: start + 1,
        end: start + 1,
        before_line: None,
        depth: 1,
        deepest: 1,
        after_value: false,
    };
    while let Some(byte) = bytes.get(scan.position).copied() {
        if let Some(end) = scan.step(bytes, byte) {
            return end;
        }
    }
    ListEnd::Unclosed { insert: scan.end }
}

struct ListScan {
    position: usize,
    /// End of the last token that is no comma.
    end: usize,
    /// The same before this line, if this is not the list's first line.
    before_line: Option<usize>,
    depth: usize,
    deepest: usize,
    /// Whether the last token was a value: a word may then not follow.
    after_value: bool,
}

impl ListScan {
    fn step(&mut self, bytes: &[u8], byte: u8) -> Option<ListEnd> {
        let later_line = self.before_line.is_some();
        let mut next = self.position + 1;
        match byte {
            b'\n' => {
                self.before_line = Some(self.end);
                self.position = next;
                return None;
            }
            b' ' | b'\t' | b'\r' => {
                self.position = next;
                return None;
            }
            b'/' if bytes.get(next) == Some(&b'/') => {
                self.position = line_end(bytes, next);
                return None;
            }
            b'{' | b'=' | b'&' | b'[' if later_line => return Some(self.statement_follows()),
            b'{' | b'}' => return Some(ListEnd::Unclosed { insert: self.end }),
            b']' => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Some(ListEnd::Closed {
                        end: next,
                        depth: self.deepest,
                    });
                }
                self.after_value = true;
            }
            b'[' => {
                self.depth += 1;
                self.deepest = self.deepest.max(self.depth);
                self.after_value = false;
            }
            b',' => self.after_value = false,
            b'"' => {
                next = string(bytes, self.position).end;
                self.after_value = true;
            }
            _ => {
                let is_word = byte.is_ascii_alphabetic() || byte == b'_';
                if is_word && self.after_value && later_line {
                    return Some(self.statement_follows());
                }
                while bytes.get(next).is_some_and(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | 0x80..)
                }) {
                    next += 1;
                }
                self.after_value = true;
            }
        }
        self.position = next;
        if byte != b',' {
            self.end = next;
        }
        None
    }

    /// The list should have ended before this line, or before this token if that starts the line.
    fn statement_follows(&self) -> ListEnd {
        ListEnd::Unclosed {
            insert: self.before_line.unwrap_or(self.end),
        }
    }
}
