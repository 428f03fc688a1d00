//! Looking ahead: where a line, a string or a list ends, or should have ended.

/// Where the line ends, its line feed not in it.
pub(super) fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    from + rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len())
}

/// Where a string ends.
pub(super) struct StringEnd {
    /// One past the closing quote, or where it should stand.
    pub end: usize,
    pub closed: bool,
    /// Whether a closing quote put at the end would be escaped.
    pub escapes: bool,
}

/// The string that starts at `start`. An unclosed one is taken to end before the first bracket,
/// brace or comma of its line, which hardly any column or value contains.
pub(super) fn string(bytes: &[u8], start: usize) -> StringEnd {
    let mut position = start + 1;
    let mut delimiter = None;
    loop {
        match bytes.get(position) {
            Some(b'"') => {
                return StringEnd {
                    end: position + 1,
                    closed: true,
                    escapes: false,
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
    let inner = bytes.get(start + 1..end).unwrap_or(&[]);
    let backslashes = inner
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count();
    StringEnd {
        end,
        closed: false,
        escapes: backslashes % 2 == 1,
    }
}

/// Where a list ends.
pub(super) enum ListEnd {
    /// One past the `]`, and how deep brackets nest in it.
    Closed { end: usize, depth: usize },
    /// Where the `]` should stand.
    Unclosed { insert: usize },
}

/// Looks for the end of the list that starts at `start`. A brace ends the search, and so does,
/// from the second line on, what only a statement holds: a value after a value without a comma,
/// `=`, `&`, another list.
pub(super) fn list(bytes: &[u8], start: usize) -> ListEnd {
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
