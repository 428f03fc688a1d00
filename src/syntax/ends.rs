//! Looking ahead: where a line, a string or a list ends, or should have ended.

/// Where the line ends, its line feed not in it.
pub(super) fn line_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or(&[]);
    from + rest
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(rest.len())
}

/// The end of the one or two words that a statement starts with; `start` if it starts otherwise.
pub(super) fn head_end(bytes: &[u8], start: usize) -> usize {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | 0x80..);
    let skip = |from: usize, accept: &dyn Fn(&u8) -> bool| {
        let rest = bytes.get(from..).unwrap_or(&[]);
        from + rest.iter().take_while(|byte| accept(byte)).count()
    };
    let first = skip(start, &is_word);
    let gap = skip(first, &|byte| matches!(byte, b' ' | b'\t'));
    let second = skip(gap, &is_word);
    if first == start || second == gap {
        first
    } else {
        second
    }
}

/// The quote of a line that has no partner, if the line has others before it.
pub(super) fn unpaired_quote(bytes: &[u8], start: usize) -> Option<usize> {
    let mut position = start;
    let mut paired = false;
    loop {
        match bytes.get(position)? {
            b'\n' => return None,
            b'/' if bytes.get(position + 1) == Some(&b'/') => return None,
            b'"' => match string(bytes, position) {
                StringEnd {
                    closed: true, end, ..
                } => {
                    paired = true;
                    position = end;
                }
                StringEnd { closed: false, .. } => return paired.then_some(position),
            },
            _ => position += 1,
        }
    }
}

/// The braces between two offsets that have no partner between them, ascending.
pub(super) fn unpaired_braces(bytes: &[u8], start: usize, end: usize) -> Vec<usize> {
    let mut unpaired: Vec<usize> = Vec::new();
    for position in start..end {
        match bytes.get(position) {
            Some(b'{') => unpaired.push(position),
            Some(b'}') => {
                let opened = unpaired.pop_if(|open| bytes.get(*open) == Some(&b'{'));
                if opened.is_none() {
                    unpaired.push(position);
                }
            }
            _ => {}
        }
    }
    unpaired
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
        before_word: None,
        statement: None,
    };
    while let Some(byte) = bytes.get(scan.position).copied() {
        if let Some(end) = scan.step(bytes, byte) {
            return end;
        }
    }
    scan.unclosed()
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
    /// If the last token was a word, the end of what stands before it.
    before_word: Option<usize>,
    /// The same for the first word that a value follows: such a word starts a statement.
    statement: Option<usize>,
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
            b'{' | b'}' => return Some(self.unclosed()),
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
                self.value(false);
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
                self.value(is_word);
            }
        }
        self.position = next;
        if byte != b',' {
            self.end = next;
        }
        None
    }

    /// Notes a value, before its end is known.
    fn value(&mut self, is_word: bool) {
        if self.after_value {
            self.statement = self.statement.or(self.before_word);
        }
        self.before_word = is_word.then_some(self.end);
        self.after_value = true;
    }

    /// The list ends nowhere.
    fn unclosed(&self) -> ListEnd {
        ListEnd::Unclosed {
            insert: self.statement.unwrap_or(self.end),
        }
    }

    /// The list should have ended before this line, or before this token if that starts the line.
    fn statement_follows(&self) -> ListEnd {
        ListEnd::Unclosed {
            insert: self.before_line.unwrap_or(self.end),
        }
    }
}
