//! Which rows of the tables a batch uses, and for what. All of it follows from the data, so the
//! loader's threads can compute it.

#![expect(
    clippy::indexing_slicing,
    reason = "places and columns are those of one batch and one layout; one that does not fit stops with a message"
)]

use mtmd_schema::Tower;

use crate::bug::{bug, check};
use crate::data::batch::{Batch, Column};
use crate::tables::layout::{TableField, TableLayout};

/// The rows of one table that a batch uses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableUses {
    /// Rows, ascending; never row 0.
    pub(super) rows: Vec<u32>,
    /// The uses of row `i` of `rows` are `uses[starts[i]..starts[i + 1]]`.
    pub(super) starts: Vec<u32>,
    /// By row, in the order of towers, domains, fields and places.
    pub(super) uses: Vec<Use>,
}

/// One use of a row: it is added, times a factor, to a field of an input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Use {
    /// The input: the domains of the query tower come first, then those of the item tower.
    pub input: u32,
    /// First element of the field among the embedded columns of the domain's rows,
    /// `[rows, embedded]`.
    pub start: u32,
    pub factor: f32,
}

impl TableUses {
    /// The uses of a row by its place in `rows`.
    #[inline]
    pub(super) fn of(&self, place: usize) -> &[Use] {
        &self.uses[self.starts[place] as usize..self.starts[place + 1] as usize]
    }

    /// Sorts uses by their rows.
    fn new(uses: &[(u32, Use)]) -> Self {
        // A row, and the place of one of its uses among all, as one number: sorted, the uses of a
        // row are side by side, in their first order.
        let keys = uses.iter().zip(0_u64..);
        let mut keys: Vec<u64> = keys
            .map(|((row, _), place)| u64::from(*row) << 32 | place)
            .collect();
        keys.sort_unstable();
        let mut sorted = Self {
            rows: Vec::new(),
            starts: Vec::new(),
            uses: Vec::with_capacity(uses.len()),
        };
        for key in keys {
            let (row, place) = ((key >> 32) as u32, key as u32);
            if sorted.rows.last() != Some(&row) {
                sorted.rows.push(row);
                sorted.starts.push(sorted.uses.len() as u32);
            }
            sorted.uses.push(uses[place as usize].1);
        }
        sorted.starts.push(sorted.uses.len() as u32);
        sorted
    }
}

impl TableLayout {
    /// The rows of every table that a batch uses.
    pub fn uses(&self, batch: &Batch) -> Vec<TableUses> {
        let mut uses: Vec<Vec<(u32, Use)>> = vec![Vec::new(); self.tables()];
        let mut input = 0;
        for tower in Tower::ALL {
            let rows = batch.tower(tower);
            check!(
                rows.domains.len() == self.domains(tower),
                "a batch of another {} tower",
                tower.name()
            );
            for (domain, places) in rows.domains.iter().enumerate() {
                let columns = self.of(tower, domain);
                check!(
                    places.len() * columns.embedded <= u32::MAX as usize,
                    "a batch of {} rows of one domain",
                    places.len()
                );
                for field in &columns.fields {
                    let to = &mut uses[field.table];
                    let column = &rows.columns[field.feature];
                    for (row, place) in places.clone().enumerate() {
                        let start = (row * columns.embedded + field.columns.start) as u32;
                        let entries = field.entries(column, place);
                        to.extend(entries.map(|(row, factor)| {
                            let used = Use {
                                input,
                                start,
                                factor,
                            };
                            (row, used)
                        }));
                    }
                }
                input += 1;
            }
        }
        uses.iter()
            .map(|uses| {
                check!(
                    uses.len() < u32::MAX as usize,
                    "{} uses of a table",
                    uses.len()
                );
                TableUses::new(uses)
            })
            .collect()
    }
}

impl TableField {
    /// Table rows of a place, and their weights; none if they count alike.
    #[inline]
    pub(super) fn listed<'a>(&self, column: &'a Column, place: usize) -> (&'a [u32], &'a [f32]) {
        match column {
            Column::Ids(ids) => (&ids[place..=place], &[]),
            Column::Lists {
                offsets,
                ids,
                weights,
            } => {
                let span = offsets[place] as usize..offsets[place + 1] as usize;
                let weights = match weights.is_empty() {
                    true => &[],
                    false => &weights[span.clone()],
                };
                (&ids[span], weights)
            }
            Column::Vectors { .. } | Column::Numbers(_) => bug!("an embedded feature without ids"),
        }
    }

    /// Table rows of a place with the factor of each, those of row 0 left out.
    #[inline]
    pub(super) fn entries<'a>(
        &self,
        column: &'a Column,
        place: usize,
    ) -> impl Iterator<Item = (u32, f32)> + use<'a> {
        let (rows, weights) = self.listed(column, place);
        let weight = move |entry: usize| match weights {
            [] => 1.0,
            weights => weights[entry],
        };
        let used = rows.iter().enumerate().filter(|(_, row)| **row != 0);
        let sum = if self.mean {
            let sum: f32 = used.clone().map(|(entry, _)| weight(entry)).sum();
            // Nothing counts where all weights are 0.
            if sum > 0.0 { sum } else { f32::INFINITY }
        } else {
            1.0
        };
        // A weight is divided by the sum itself: of a tiny one the inverse is infinite.
        let alike = 1.0 / sum;
        let factor = move |entry: usize| match weights {
            [] => alike,
            weights => weights[entry] / sum,
        };
        used.map(move |(entry, row)| (*row, factor(entry)))
    }
}
