//! String columns, including those that a file stores as codes into a dictionary.

use arrow_array::{Array, Int32Array, StringArray};

use crate::arrays::numbers::value;

/// A string column; null where a string is missing.
#[derive(Debug, Clone)]
pub(crate) struct Texts {
    /// Strings by place, or by code.
    pub(super) strings: StringArray,
    /// The code of each place, where strings have codes.
    pub(super) codes: Option<Int32Array>,
}

impl Texts {
    /// The value at a place, `None` if missing.
    #[inline]
    pub(crate) fn get(&self, place: usize) -> Option<&str> {
        match &self.codes {
            None => self.string(place),
            Some(codes) => self.string(code(codes, place)?),
        }
    }

    /// A function from a place to `make` of the string there, `None` if missing. A string that has a code is
    /// made once, when it is first met.
    pub(crate) fn each<'a, T: Copy>(
        &'a self,
        mut make: impl FnMut(&'a str) -> T,
    ) -> impl FnMut(usize) -> Option<T> {
        let mut made = match self.codes {
            Some(_) => vec![None; self.strings.len()],
            None => Vec::new(),
        };
        move |place| {
            let Some(codes) = &self.codes else {
                return self.string(place).map(&mut make);
            };
            let code = code(codes, place)?;
            let made = made.get_mut(code)?;
            if made.is_none() {
                *made = self.string(code).map(&mut make);
            }
            *made
        }
    }

    /// Calls `take` with the strings at some places and how often each occurs: once per code, in the order of
    /// codes, if strings have codes, else once per place. Returns how many were missing.
    pub(crate) fn count(
        &self,
        places: impl Iterator<Item = usize>,
        mut take: impl FnMut(&str, u64),
    ) -> usize {
        let mut missing = 0;
        let Some(codes) = &self.codes else {
            for place in places {
                match self.string(place) {
                    Some(text) => take(text, 1),
                    None => missing += 1,
                }
            }
            return missing;
        };
        let mut counts = vec![0; self.strings.len()];
        for place in places {
            match code(codes, place).and_then(|code| counts.get_mut(code)) {
                Some(count) => *count += 1,
                None => missing += 1,
            }
        }
        for (code, count) in counts
            .into_iter()
            .enumerate()
            .filter(|(_, count)| *count > 0)
        {
            match self.string(code) {
                Some(text) => take(text, count),
                None => missing += count as usize,
            }
        }
        missing
    }

    #[inline]
    fn string(&self, index: usize) -> Option<&str> {
        let known = index < self.strings.len() && self.strings.is_valid(index);
        known.then(|| self.strings.value(index))
    }
}

#[inline]
fn code(codes: &Int32Array, place: usize) -> Option<usize> {
    value(codes, place).and_then(|code| usize::try_from(code).ok())
}
