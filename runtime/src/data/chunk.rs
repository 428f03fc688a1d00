//! Decoded rows in columns: table rows instead of raw values, four bytes each.

use crate::data::batch::{Batch, Column, TowerBatch};
use crate::data::origin::Origin;
use crate::data::requests;
use crate::schema::{Input, Kind, Schema, Tower};

/// Usable rows, by row. The columns are those of a batch, over rows instead of places.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub surface: Vec<u16>,
    pub product: Vec<u16>,
    pub query: Vec<Column>,
    pub item: Vec<Column>,
    pub labels: Vec<Vec<f32>>,
    pub weights: Vec<Vec<f32>>,
    pub actions: Vec<Vec<f32>>,
    pub origins: Vec<Origin>,
    /// Keys of the rows' requests, 0 for a row of none; empty if the schema has no requests.
    pub request: Vec<u64>,
}

impl Chunk {
    pub(super) fn new(schema: &Schema) -> Self {
        let columns = |tower| {
            schema
                .features(tower)
                .iter()
                .map(|feature| empty(feature.kind))
                .collect()
        };
        Self {
            surface: Vec::new(),
            product: Vec::new(),
            query: columns(Tower::Query),
            item: columns(Tower::Item),
            labels: vec![Vec::new(); schema.tasks.len()],
            weights: vec![Vec::new(); schema.tasks.len()],
            actions: vec![Vec::new(); schema.tasks.len()],
            origins: Vec::new(),
            request: Vec::new(),
        }
    }

    /// Takes the rows out and keeps their memory.
    pub(super) fn clear(&mut self) {
        self.surface.clear();
        self.product.clear();
        self.origins.clear();
        self.request.clear();
        self.targets_mut().for_each(Vec::clear);
        for column in self.columns_mut() {
            match column {
                Column::Ids(ids) => ids.clear(),
                Column::Numbers(values) | Column::Vectors { values, .. } => values.clear(),
                Column::Lists {
                    offsets,
                    ids,
                    weights,
                } => {
                    offsets.truncate(1);
                    ids.clear();
                    weights.clear();
                }
            }
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.surface.len()
    }

    /// Appends the given rows of another chunk.
    pub(super) fn extend(&mut self, other: &Self, rows: &[u32]) {
        take_into(&mut self.surface, &other.surface, rows);
        take_into(&mut self.product, &other.product, rows);
        take_into(&mut self.origins, &other.origins, rows);
        take_into(&mut self.request, &other.request, rows);
        for (to, from) in self.columns_mut().zip(other.columns()) {
            extend_column(to, from, rows);
        }
        for (to, from) in self.targets_mut().zip(other.targets()) {
            take_into(to, from, rows);
        }
    }

    /// The columns of both towers.
    pub(super) fn columns(&self) -> impl Iterator<Item = &Column> {
        self.query.iter().chain(&self.item)
    }

    pub(super) fn columns_mut(&mut self) -> impl Iterator<Item = &mut Column> {
        self.query.iter_mut().chain(&mut self.item)
    }

    /// Labels, weights and actions.
    pub(super) fn targets(&self) -> impl Iterator<Item = &Vec<f32>> {
        let labels = self.labels.iter().chain(&self.weights);
        labels.chain(&self.actions)
    }

    pub(super) fn targets_mut(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        let labels = self.labels.iter_mut().chain(&mut self.weights);
        labels.chain(&mut self.actions)
    }

    /// The given rows as a batch, in this order, grouped by domain in each tower.
    pub(super) fn batch(&self, schema: &Schema, rows: &[u32]) -> Batch {
        let (surface, product) = (taken(&self.surface, rows), taken(&self.product, rows));
        let targets = |from: &[Vec<f32>]| from.iter().map(|values| taken(values, rows)).collect();
        Batch {
            rows: rows.len(),
            query: requests::group(self, &surface, schema.surfaces.domains.len(), rows),
            item: TowerBatch::group(&product, schema.products.domains.len(), &self.item, rows),
            surface,
            product,
            labels: targets(&self.labels),
            weights: targets(&self.weights),
            actions: targets(&self.actions),
            origins: taken(&self.origins, rows),
        }
    }
}

impl TowerBatch {
    /// Groups the rows of a batch by their domain and gathers their values: `rows` are places of
    /// `columns`, `domain` is theirs.
    pub(super) fn group(domain: &[u16], domains: usize, columns: &[Column], rows: &[u32]) -> Self {
        let mut sizes = vec![0usize; domains];
        for &domain in domain {
            if let Some(size) = sizes.get_mut(usize::from(domain)) {
                *size += 1;
            }
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
        for ((&domain, &row), index) in domain.iter().zip(rows).zip(0..) {
            let Some(next) = next.get_mut(usize::from(domain)) else {
                continue;
            };
            if let (Some(order), Some(place)) = (order.get_mut(*next), places.get_mut(*next)) {
                *order = index;
                *place = row;
            }
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
}

fn empty(kind: Kind) -> Column {
    match kind {
        Kind::Embedded { input, .. } => match input {
            Input::One { .. } | Input::Buckets { .. } => Column::Ids(Vec::new()),
            Input::List { .. } => Column::Lists {
                offsets: vec![0],
                ids: Vec::new(),
                weights: Vec::new(),
            },
        },
        Kind::Vector { width } => Column::Vectors {
            width,
            values: Vec::new(),
        },
        Kind::Number(_) => Column::Numbers(Vec::new()),
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
fn extend_column(to: &mut Column, from: &Column, rows: &[u32]) {
    match (to, from) {
        (Column::Ids(to), Column::Ids(from)) => take_into(to, from, rows),
        (Column::Numbers(to), Column::Numbers(from)) => take_into(to, from, rows),
        (Column::Vectors { width, values: to }, Column::Vectors { values: from, .. }) => {
            to.reserve(*width * rows.len());
            for &row in rows {
                let start = row as usize * *width;
                to.extend_from_slice(from.get(start..start + *width).unwrap_or_default());
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
            let span = |row: u32| {
                let ends = offsets.get(row as usize..row as usize + 2);
                match ends {
                    Some([start, end]) => *start as usize..*end as usize,
                    _ => 0..0,
                }
            };
            to.reserve(rows.iter().map(|&row| span(row).len()).sum());
            to_offsets.extend(rows.iter().map(|&row| {
                to.extend_from_slice(from.get(span(row)).unwrap_or_default());
                to.len() as u32
            }));
            if !weights.is_empty() {
                for &row in rows {
                    to_weights.extend_from_slice(weights.get(span(row)).unwrap_or_default());
                }
            }
        }
        // Both were made for the same feature.
        _ => {}
    }
}

pub(super) fn taken<T: Copy + Default>(from: &[T], rows: &[u32]) -> Vec<T> {
    let mut to = Vec::with_capacity(rows.len());
    take_into(&mut to, from, rows);
    to
}

fn take_into<T: Copy + Default>(to: &mut Vec<T>, from: &[T], rows: &[u32]) {
    if from.is_empty() {
        return;
    }
    // A row that is not there would be a default, not left out: so many values as rows are faster to append.
    let taken = rows.iter().map(|&row| from.get(row as usize));
    to.extend(taken.map(|value| value.copied().unwrap_or_default()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every row of the batch stands at one place, in its domain's range, in the batch's order there,
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
