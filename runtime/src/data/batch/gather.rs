//! Gathering rows of columns into a batch, grouped by domain.

#![expect(
    clippy::indexing_slicing,
    reason = "a domain out of range, or more rows of it than were counted, stops with a message"
)]

use std::ops::Range;

use crate::bug::{bug, check, zip_equal};
use crate::data::batch::{Column, TowerBatch};

impl TowerBatch {
    /// Groups the rows of a batch by their domain and gathers their values: `rows` are places of
    /// `columns`, `domain` is theirs.
    pub(crate) fn group(domain: &[u16], domains: usize, columns: &[Column], rows: &[u32]) -> Self {
        let mut sizes = vec![0usize; domains];
        for &domain in domain {
            sizes[usize::from(domain)] += 1;
        }
        let mut start = 0;
        let ranges: Vec<_> = sizes
            .iter()
            .map(|size| {
                let range = start..start + size;
                start = range.end;
                range
            })
            .collect();
        let mut next: Vec<usize> = ranges.iter().map(|range| range.start).collect();
        let (mut order, mut places) = (vec![0; rows.len()], vec![0; rows.len()]);
        for ((&domain, &row), index) in zip_equal(domain, rows).zip(0..) {
            let next = &mut next[usize::from(domain)];
            order[*next] = index;
            places[*next] = row;
            *next += 1;
        }
        let columns = columns
            .iter()
            .map(|from| gather_column(from, &places))
            .collect();
        Self {
            domains: ranges,
            order,
            shared: None,
            columns,
        }
    }

    /// Some of its places, ascending, as a batch of so many rows.
    pub(crate) fn some(&self, places: &[u32]) -> Self {
        let domain_of = |place: &u32| {
            let place = *place as usize;
            match self
                .domains
                .iter()
                .position(|places| places.contains(&place))
            {
                Some(domain) => domain as u16,
                None => bug!("place {place} is of no domain"),
            }
        };
        let domain: Vec<u16> = places.iter().map(domain_of).collect();
        Self::group(&domain, self.domains.len(), &self.columns, places)
    }
}

fn gather_column(from: &Column, rows: &[u32]) -> Column {
    let mut to = match from {
        Column::Ids(_) => Column::Ids(Vec::with_capacity(rows.len())),
        Column::Lists { .. } => Column::Lists {
            offsets: vec![0],
            ids: Vec::new(),
            weights: Vec::new(),
        },
        Column::Vectors { width, .. } => Column::Vectors {
            width: *width,
            values: Vec::with_capacity(rows.len() * width),
        },
        Column::Numbers(_) => Column::Numbers(Vec::with_capacity(rows.len())),
    };
    extend_column(&mut to, from, rows);
    to
}

/// Appends rows of a column to one of the same kind.
pub(super) fn extend_column(to: &mut Column, from: &Column, rows: &[u32]) {
    match (to, from) {
        (Column::Ids(to), Column::Ids(from)) => take_into(to, from, rows),
        (Column::Numbers(to), Column::Numbers(from)) => take_into(to, from, rows),
        (
            Column::Vectors { width, values: to },
            Column::Vectors {
                width: found,
                values: from,
            },
        ) => {
            check!(
                width == found,
                "vectors of {found} entries for a column of {width}"
            );
            to.reserve(*width * rows.len());
            for &row in rows {
                let start = row as usize * *width;
                to.extend_from_slice(part(from, start..start + *width));
            }
        }
        (
            Column::Lists {
                offsets: to_offsets,
                ids: to,
                weights: to_weights,
            },
            Column::Lists {
                offsets,
                ids: from,
                weights,
            },
        ) => {
            let span = |row: u32| match offsets.get(row as usize..row as usize + 2) {
                Some([start, end]) => *start as usize..*end as usize,
                _ => bug!(
                    "row {row} of a column of lists with {} offsets",
                    offsets.len()
                ),
            };
            to.reserve(rows.iter().map(|&row| span(row).len()).sum());
            to_offsets.extend(rows.iter().map(|&row| {
                to.extend_from_slice(part(from, span(row)));
                to.len() as u32
            }));
            if !weights.is_empty() {
                for &row in rows {
                    to_weights.extend_from_slice(part(weights, span(row)));
                }
            }
        }
        _ => bug!("rows are appended to a column of another kind"),
    }
}

/// The values of a row or a list.
fn part<T>(values: &[T], span: Range<usize>) -> &[T] {
    let Some(part) = values.get(span.clone()) else {
        bug!("values {span:?} of a column of {}", values.len());
    };
    part
}

/// The values of some rows.
pub(super) fn taken<T: Copy>(from: &[T], rows: &[u32]) -> Vec<T> {
    let mut to = Vec::with_capacity(rows.len());
    take_into(&mut to, from, rows);
    to
}

/// The same of values that there may be none of, whatever the rows.
pub(super) fn taken_optional<T: Copy>(from: &[T], rows: &[u32]) -> Vec<T> {
    let mut to = Vec::new();
    take_optional(&mut to, from, rows);
    to
}

/// Appends the values of some rows.
pub(super) fn take_into<T: Copy>(to: &mut Vec<T>, from: &[T], rows: &[u32]) {
    to.extend(rows.iter().map(|&row| match from.get(row as usize) {
        Some(value) => *value,
        None => bug!("row {row} of a column of {}", from.len()),
    }));
}

/// The same of values that there may be none of, whatever the rows.
pub(super) fn take_optional<T: Copy>(to: &mut Vec<T>, from: &[T], rows: &[u32]) {
    if !from.is_empty() {
        take_into(to, from, rows);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every row of the batch is at one place, in its domain's range, in the batch's order there,
        /// with the values of its row of the chunk.
        #[test]
        fn grouping_moves_rows_and_loses_none(
            rows in prop::collection::vec((0u16..5, 0u32..40), 0..60),
            lists in prop::collection::vec(prop::collection::vec(any::<u32>(), 0..5), 40),
        ) {
            let (domain, rows): (Vec<u16>, Vec<u32>) = rows.into_iter().unzip();
            let mut offsets = vec![0];
            lists.iter().for_each(|list| offsets.push(offsets[offsets.len() - 1] + list.len() as u32));
            let columns = [
                Column::Ids((0..40).map(|row| row * 7).collect()),
                Column::Lists { offsets, weights: lists.concat().iter().map(|id| *id as f32).collect(), ids: lists.concat() },
                Column::Vectors { width: 2, values: (0..80).map(|value| value as f32).collect() },
                Column::Numbers((0..40).map(|row| row as f32).collect()),
            ];
            let batch = TowerBatch::group(&domain, 5, &columns, &rows);
            prop_assert_eq!(batch.domains.len(), 5);
            let mut seen: Vec<u32> = batch.order.clone();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..rows.len() as u32).collect::<Vec<_>>());
            let mut start = 0;
            for (index, range) in batch.domains.iter().enumerate() {
                prop_assert_eq!(range.start, start);
                start = range.end;
                let order = &batch.order[range.clone()];
                prop_assert!(order.is_sorted());
                prop_assert!(order.iter().all(|row| usize::from(domain[*row as usize]) == index));
            }
            prop_assert_eq!(start, rows.len());
            for (place, row) in batch.order.iter().map(|row| rows[*row as usize] as usize).enumerate() {
                let [Column::Ids(ids), Column::Lists { offsets, ids: entries, weights }, Column::Vectors { values, .. }, Column::Numbers(numbers)] =
                    &batch.columns[..] else { panic!("columns of other kinds") };
                prop_assert_eq!(ids[place] as usize, row * 7);
                let span = offsets[place] as usize..offsets[place + 1] as usize;
                prop_assert_eq!(&entries[span.clone()], &lists[row][..]);
                prop_assert!(weights[span].iter().zip(&lists[row]).all(|(weight, id)| *weight == *id as f32));
                prop_assert_eq!(&values[2 * place..2 * place + 2], &[(2 * row) as f32, (2 * row + 1) as f32][..]);
                prop_assert_eq!(numbers[place], row as f32);
            }
        }
    }
}
