//! Sets of a buffer's columns.

use std::ops::Range;

/// Disjoint ranges, ascending, no two of which touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Columns(Vec<Range<usize>>);

impl Columns {
    /// Adds columns.
    pub fn insert(&mut self, columns: Range<usize>) {
        if columns.is_empty() {
            return;
        }
        let mut joined = columns;
        self.0.retain(|other| {
            let apart = other.end < joined.start || joined.end < other.start;
            if !apart {
                joined = joined.start.min(other.start)..joined.end.max(other.end);
            }
            apart
        });
        let at = self.0.partition_point(|other| other.start < joined.start);
        self.0.insert(at, joined);
    }

    /// Whether any of the columns is in the set.
    pub fn overlaps(&self, columns: &Range<usize>) -> bool {
        let mut ranges = self.0.iter();
        ranges.any(|other| other.start < columns.end && columns.start < other.end)
    }

    /// The columns that are not in the set, as ranges.
    pub fn gaps(&self, columns: &Range<usize>) -> Vec<Range<usize>> {
        let mut gaps = vec![];
        let mut start = columns.start;
        for other in &self.0 {
            if other.end <= start || other.start >= columns.end {
                continue;
            }
            if start < other.start {
                gaps.push(start..other.start);
            }
            start = other.end;
        }
        if start < columns.end {
            gaps.push(start..columns.end);
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_ranges_make_the_whole() {
        let mut columns = Columns::default();
        columns.insert(4..6);
        columns.insert(8..9);
        assert_eq!(columns.gaps(&(0..10)), [0..4, 6..8, 9..10]);
        assert!(columns.overlaps(&(5..7)) && !columns.overlaps(&(6..8)));
        columns.insert(6..8);
        assert_eq!(columns.gaps(&(0..10)), [0..4, 9..10]);
        assert_eq!(columns.gaps(&(5..8)), []);
        columns.insert(3..3);
        assert_eq!(columns.gaps(&(3..10)), [3..4, 9..10]);
    }
}
