//! Sets of integers as ranges.

use std::ops::Range;

/// Disjoint ranges that do not touch, ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intervals(Vec<Range<usize>>);

impl Intervals {
    /// Adds a range.
    pub fn insert(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let mut joined = range;
        self.0.retain(|other| {
            let apart = other.end < joined.start || joined.end < other.start;
            if !apart {
                joined = joined.start.min(other.start)..joined.end.max(other.end);
            }
            apart
        });
        let at = self.0.partition_point(|other| other.end < joined.start);
        self.0.insert(at, joined);
    }

    /// Whether every element of a range is in it.
    pub fn covers(&self, range: &Range<usize>) -> bool {
        let mut within = self.0.iter();
        range.is_empty() || within.any(|own| own.start <= range.start && range.end <= own.end)
    }

    /// Whether an element of a range is in it.
    pub fn meets(&self, range: &Range<usize>) -> bool {
        self.0.iter().any(|own| overlap(own, range))
    }

    /// The ranges.
    pub fn iter(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().cloned()
    }
}

/// Whether two ranges have an element in common.
pub fn overlap(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start.max(other.start) < one.end.min(other.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch() {
        let mut set = Intervals::default();
        for range in [5..7, 1..2, 9..9, 2..4, 6..10] {
            set.insert(range);
        }
        assert_eq!(set.0, [1..4, 5..10]);
        assert!(set.covers(&(5..10)) && set.covers(&(3..3)) && !set.covers(&(3..6)));
        assert!(
            set.meets(&(0..2)) && set.meets(&(3..6)) && !set.meets(&(4..5)) && !set.meets(&(2..2))
        );
    }
}
