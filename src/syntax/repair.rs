//! Repairs of a text, and the way back from places in the repaired text to the user's.

use std::borrow::Cow;

use crate::source::Span;

/// One change of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repair {
    /// Text to insert at an offset.
    Insert(usize, &'static str),
    /// Text to overwrite with spaces.
    Blank(Span),
}

/// Changes that make a text balanced.
#[derive(Debug, Default)]
pub(super) struct Repairs(Vec<Repair>);

impl Repairs {
    pub fn push(&mut self, repair: Repair) {
        self.0.push(repair);
    }

    /// The repaired text. Blanks swallow what is to be inserted within them.
    pub fn apply<'a>(mut self, text: &'a str) -> Repaired<'a> {
        if self.0.is_empty() {
            return Repaired {
                text: Cow::Borrowed(text),
                inserted: Vec::new(),
                blanks: Vec::new(),
            };
        }
        let place = |repair: &Repair| match repair {
            // At one place, what is inserted comes before what is blanked.
            Repair::Insert(offset, _) => (*offset, 0),
            Repair::Blank(span) => (span.start, 1),
        };
        self.0.sort_by_key(place);
        let mut output = String::with_capacity(text.len() + 2 * self.0.len());
        let (mut inserted, mut blanks) = (Vec::new(), Vec::new());
        let mut done = 0;
        for repair in self.0 {
            match repair {
                Repair::Insert(offset, new) if offset >= done => {
                    output.push_str(text.get(done..offset).unwrap_or(""));
                    inserted.push(Inserted {
                        repaired: output.len(),
                        original: offset,
                        len: new.len(),
                    });
                    output.push_str(new);
                    done = offset;
                }
                Repair::Blank(span) if span.end > done => {
                    let start = span.start.max(done);
                    output.push_str(text.get(done..start).unwrap_or(""));
                    blanks.push(output.len());
                    output.extend(std::iter::repeat_n(' ', span.end - start));
                    done = span.end;
                }
                Repair::Insert(..) | Repair::Blank(_) => {}
            }
        }
        output.push_str(text.get(done..).unwrap_or(""));
        Repaired {
            text: Cow::Owned(output),
            inserted,
            blanks,
        }
    }
}

/// A repaired text.
#[derive(Debug)]
pub(super) struct Repaired<'a> {
    pub text: Cow<'a, str>,
    /// Ascending.
    inserted: Vec<Inserted>,
    /// Where text has been overwritten, in the repaired text; ascending.
    blanks: Vec<usize>,
}

#[derive(Debug)]
struct Inserted {
    /// Offset in the repaired text.
    repaired: usize,
    /// Offset in the user's text.
    original: usize,
    len: usize,
}

impl Repaired<'_> {
    /// Offset in the user's text of an offset in the repaired text.
    pub fn original(&self, offset: usize) -> usize {
        match self.insertion_before(offset) {
            Some(last) if offset < last.repaired + last.len => last.original,
            Some(last) => last.original + (offset - last.repaired - last.len),
            None => offset,
        }
    }

    /// Whether text has been overwritten between two offsets of the repaired text.
    pub fn has_blank(&self, start: usize, end: usize) -> bool {
        let next = self.blanks.partition_point(|blank| *blank < start);
        self.blanks.get(next).is_some_and(|blank| *blank < end)
    }

    /// Whether the character at an offset of the repaired text is not the user's.
    pub fn is_inserted(&self, offset: usize) -> bool {
        self.insertion_before(offset)
            .is_some_and(|last| offset < last.repaired + last.len)
    }

    fn insertion_before(&self, offset: usize) -> Option<&Inserted> {
        let count = self
            .inserted
            .partition_point(|inserted| inserted.repaired <= offset);
        count
            .checked_sub(1)
            .and_then(|last| self.inserted.get(last))
    }
}

#[cfg(test)]
mod tests {
    use super::{Repair, Repairs};
    use crate::source::Span;

    #[test]
    fn places_map_back() {
        let mut repairs = Repairs::default();
        repairs.push(Repair::Blank(Span::new(4, 6)));
        repairs.push(Repair::Insert(2, "xy"));
        let repaired = repairs.apply("abcdefgh");
        assert_eq!(repaired.text, "abxycd  gh");
        let back: Vec<usize> = (0..=10).map(|offset| repaired.original(offset)).collect();
        assert_eq!(back, [0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 8]);
        assert!(repaired.is_inserted(2) && repaired.is_inserted(3) && !repaired.is_inserted(4));
    }
}
