//! How often values were seen, and the vocabulary that comes of it.

use std::collections::HashMap;

use crate::hash::BuildMix;
use crate::schema::Table;
use crate::vocab::vocabulary::{RawValue, Vocabulary, room};

/// How often the values of one table were seen. Of more values than `most`, those seen least are forgotten, half of
/// all, and counted from 0 if they come again (as in Manku and Motwani's lossy counting): what is held is in
/// proportion to the table, whatever the data.
#[derive(Debug)]
pub(crate) struct ValueCounts {
    small: Small,
    ints: HashMap<i64, u64, BuildMix>,
    /// From 2^63 on.
    unsigned: HashMap<u64, u64, BuildMix>,
    texts: HashMap<Box<str>, u64, BuildMix>,
    most: usize,
    short: u64,
}

/// How often each of the first whole numbers was seen: most values are among them.
#[derive(Debug, Default)]
struct Small {
    counts: Vec<u64>,
    /// How many of them were seen.
    seen: usize,
}

impl Small {
    /// Numbers that have a place: as many as other values that the smallest table holds.
    const PLACES: usize = 1 << 16;

    /// The place of a value.
    #[inline]
    fn place(value: i64) -> Option<usize> {
        let place = usize::try_from(value).ok()?;
        (place < Self::PLACES).then_some(place)
    }

    /// Adds to the count of a place, and says whether it had none.
    #[inline]
    fn add(&mut self, place: usize, times: u64) -> bool {
        if place >= self.counts.len() {
            let places = (place + 1).next_power_of_two();
            self.counts.resize(places, 0);
        }
        let Some(count) = self.counts.get_mut(place) else {
            return false;
        };
        let is_new = *count == 0;
        *count += times;
        self.seen += usize::from(is_new);
        is_new
    }

    fn each(self) -> impl Iterator<Item = (i64, u64)> {
        let counts = (0..).zip(self.counts);
        counts.filter(|(_, count)| *count > 0)
    }
}

impl ValueCounts {
    pub(crate) fn new(table: &Table) -> Self {
        Self::holding(4 * table.rows + Small::PLACES)
    }

    fn holding(most: usize) -> Self {
        Self {
            small: Small::default(),
            ints: HashMap::default(),
            unsigned: HashMap::default(),
            texts: HashMap::default(),
            most,
            short: 0,
        }
    }

    #[inline]
    pub(crate) fn int(&mut self, value: i64) {
        if self.add_int(value, 1) {
            self.keep_within(self.most);
        }
    }

    /// Counts an unsigned number.
    #[inline]
    pub(crate) fn unsigned(&mut self, value: u64) {
        match i64::try_from(value) {
            Ok(value) => self.int(value),
            Err(_) => {
                *self.unsigned.entry(value).or_default() += 1;
                self.keep_within(self.most);
            }
        }
    }

    /// Counts a string that was seen several times.
    #[inline]
    pub(crate) fn text(&mut self, value: &str, times: u64) {
        match self.texts.get_mut(value) {
            Some(count) => *count += times,
            None => {
                self.texts.insert(value.into(), times);
                self.keep_within(self.most);
            }
        }
    }

    /// Whether it is a new value.
    #[inline]
    fn add_int(&mut self, value: i64, times: u64) -> bool {
        if let Some(place) = Small::place(value) {
            return self.small.add(place, times);
        }
        let count = self.ints.entry(value).or_default();
        let is_new = *count == 0;
        *count += times;
        is_new
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (value, count) in other.small.each().chain(other.ints) {
            self.add_int(value, count);
        }
        for (value, count) in other.unsigned {
            *self.unsigned.entry(value).or_default() += count;
        }
        for (value, count) in other.texts {
            *self.texts.entry(value).or_default() += count;
        }
        self.short += other.short;
        self.keep_within(self.most);
    }

    /// Forgets the values seen least, ties by value, if there are more than `most`.
    fn keep_within(&mut self, most: usize) {
        if self.values() <= most {
            return;
        }
        let mut seen = self.take();
        let rest = seen.split_off((most / 2).min(seen.len()));
        self.short += rest.first().map_or(0, |(count, _)| *count);
        for (count, value) in seen {
            match value {
                RawValue::Int(value) => drop(self.add_int(value, count)),
                RawValue::Unsigned(value) => drop(self.unsigned.insert(value, count)),
                RawValue::Text(value) => drop(self.texts.insert(value, count)),
            }
        }
    }

    fn values(&self) -> usize {
        self.small.seen + self.ints.len() + self.unsigned.len() + self.texts.len()
    }

    /// The values, the most frequent first, ties by value; none is left.
    fn take(&mut self) -> Vec<(u64, RawValue)> {
        let small = std::mem::take(&mut self.small).each();
        let ints = small.chain(std::mem::take(&mut self.ints));
        let ints = ints.map(|(value, count)| (count, RawValue::Int(value)));
        let unsigned = std::mem::take(&mut self.unsigned).into_iter();
        let unsigned = unsigned.map(|(value, count)| (count, RawValue::Unsigned(value)));
        let texts = std::mem::take(&mut self.texts).into_iter();
        let texts = texts.map(|(value, count)| (count, RawValue::Text(value)));
        let mut seen: Vec<(u64, RawValue)> = ints.chain(unsigned).chain(texts).collect();
        seen.sort_unstable_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.cmp(y)));
        seen
    }

    /// The values seen at least `min_count` times, the most frequent first, ties by value, as many as
    /// the table has room for.
    pub(crate) fn vocabulary(mut self, table: &Table, min_count: u32) -> Vocabulary {
        let mut seen = self.take();
        let all = seen.len();
        seen.retain(|(count, _)| *count >= u64::from(min_count));
        let rare = all - seen.len();
        let room = room(table);
        let unfit = seen.len().saturating_sub(room);
        let values = seen
            .into_iter()
            .take(room)
            .map(|(_, value)| value)
            .collect();
        Vocabulary {
            table: table.name.to_string(),
            values,
            unfit: unfit as u64,
            rare: rare as u64,
            short: self.short,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocab::vocabulary::fixture::table;

    #[test]
    fn most_frequent_first_ties_by_value() {
        let mut counts = ValueCounts::new(&table(5));
        for (value, times) in [(7, 3), (5, 3), (9, 5), (1, 1)] {
            (0..times).for_each(|_| counts.int(value));
        }
        for (value, times) in [("b", 3), ("a", 3), ("c", 1)] {
            (0..times).for_each(|_| counts.text(value, 1));
        }
        let vocabulary = counts.vocabulary(&table(5), 2);
        let text = |text: &str| RawValue::Text(text.into());
        assert_eq!(
            vocabulary.values,
            [
                RawValue::Int(9),
                RawValue::Int(5),
                RawValue::Int(7),
                text("a")
            ]
        );
        assert_eq!((vocabulary.unfit, vocabulary.rare), (1, 2));
    }

    #[test]
    fn of_too_many_values_the_frequent_ones_stay() {
        let mut counts = ValueCounts::holding(100);
        let mut stray = 1000;
        for round in 0..500 {
            counts.int(round % 4);
            for _ in 0..3 {
                stray += 1;
                counts.int(stray);
            }
            assert!(counts.values() <= 100);
        }
        let vocabulary = counts.vocabulary(&table(5), 2);
        let frequent = [0, 1, 2, 3].map(RawValue::Int);
        assert_eq!(vocabulary.values, frequent);
        assert!((1..500).contains(&vocabulary.short), "{}", vocabulary.short);
    }
}
