//! Disjoint parts of a slice, and work spread over threads.

use std::ops::Range;
use std::sync::Mutex;

use crate::params::disjoint;

/// The parts of a slice at these ranges, in their order.
pub fn parts_mut<T>(
    values: &mut [T],
    ranges: impl IntoIterator<Item = Range<usize>>,
) -> Vec<&mut [T]> {
    let mut ranges: Vec<_> = ranges.into_iter().enumerate().collect();
    ranges.sort_by_key(|(_, range)| (range.start, range.end));
    let (places, ranges): (Vec<_>, Vec<_>) = ranges.into_iter().unzip();
    let mut parts: Vec<_> = places.into_iter().zip(disjoint(values, ranges)).collect();
    parts.sort_by_key(|(place, _)| *place);
    parts.into_iter().map(|(_, part)| part).collect()
}

/// Does all work by all threads, the largest first, and returns what came of each in the order of `work`.
pub fn spread<T: Send, R: Send>(
    work: Vec<T>,
    size: impl Fn(&T) -> usize,
    of: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let mut work: Vec<_> = work.into_iter().enumerate().collect();
    work.sort_by_key(|(_, work)| std::cmp::Reverse(size(work)));
    let found = Mutex::new(Vec::with_capacity(work.len()));
    rayon::scope_fifo(|scope| {
        for (place, work) in work {
            let (of, found) = (&of, &found);
            scope.spawn_fifo(move |_| {
                let result = of(work);
                found
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push((place, result));
            });
        }
    });
    let mut found = found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_the_order_of_their_ranges() {
        let mut values = [0, 1, 2, 3, 4, 5];
        let parts = parts_mut(&mut values, [4..6, 1..2, 3..3]);
        assert_eq!(parts, [&mut [4, 5][..], &mut [1], &mut []]);
    }

    #[test]
    #[should_panic(expected = "this is a bug of mtmdc")]
    fn parts_that_overlap_are_a_bug() {
        parts_mut(&mut [0; 6], [2..4, 3..5]);
    }

    #[test]
    fn results_are_in_the_order_of_the_work() {
        let squares = spread((0..100).collect(), |n: &usize| *n, |n| n * n);
        assert!(squares.into_iter().eq((0..100).map(|n| n * n)));
    }
}
