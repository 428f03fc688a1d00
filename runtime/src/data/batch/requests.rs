//! Rows of one request: shuffled together, and one row of the query tower where they agree in it.

#![expect(
    clippy::indexing_slicing,
    reason = "rows are those of the chunk, query rows those of the batch"
)]

use std::ops::Range;

use crate::data::batch::gather::taken;
use crate::data::batch::{Column, SharedRows, TowerBatch};
use crate::hash::Random;

/// What the query tower knows of a chunk's rows.
pub(super) struct QueryRows<'a> {
    /// A key of each row's request; empty if the schema has no requests.
    pub request: &'a [u64],
    pub surface: &'a [u16],
    /// The query tower's columns.
    pub columns: &'a [Column],
}

/// Rows in a random order that keeps requests together; `request` has a key of each, or is empty.
pub(crate) fn shuffle(rows: usize, request: &[u64], random: &mut Random) -> Vec<u32> {
    let mut order: Vec<u32> = (0..rows as u32).collect();
    if request.is_empty() {
        random.shuffle(&mut order);
        return order;
    }
    let mut requests: Vec<&[u32]> = order
        .chunk_by(|one, next| is_one(request, *one, *next))
        .collect();
    random.shuffle(&mut requests);
    requests.concat()
}

/// The query tower's rows of a batch, grouped by surface; `surface` is theirs. Neighbours of one request
/// that agree in surface and features share a place.
pub(super) fn group(
    from: &QueryRows<'_>,
    surface: &[u16],
    surfaces: usize,
    rows: &[u32],
) -> TowerBatch {
    if from.request.is_empty() {
        return TowerBatch::group(surface, surfaces, from.columns, rows);
    }
    let mut start = 0;
    let queries: Vec<Range<usize>> = rows
        .chunk_by(|one, next| {
            is_one(from.request, *one, *next)
                && from.surface[*one as usize] == from.surface[*next as usize]
                && from.columns.iter().all(|column| agree(column, *one, *next))
        })
        .map(|query| {
            let range = start..start + query.len();
            start = range.end;
            range
        })
        .collect();
    let first: Vec<u32> = queries.iter().map(|query| query.start as u32).collect();
    let mut batch = TowerBatch::group(
        &taken(surface, &first),
        surfaces,
        from.columns,
        &taken(rows, &first),
    );
    if queries.len() == rows.len() {
        return batch;
    }
    let mut shared = SharedRows {
        place: vec![0; rows.len()],
        count: Vec::with_capacity(queries.len()),
    };
    for (query, place) in batch.order.iter_mut().zip(0..) {
        let range = queries[*query as usize].clone();
        *query = range.start as u32;
        shared.count.push(range.len() as u32);
        shared.place[range].fill(place);
    }
    batch.shared = Some(shared);
    batch
}

/// Whether two rows are of one request.
fn is_one(request: &[u64], one: u32, next: u32) -> bool {
    let (one, next) = (request[one as usize], request[next as usize]);
    one == next && one != 0
}

/// Whether two rows have the same values, to the bit.
fn agree(column: &Column, one: u32, next: u32) -> bool {
    let (one, next) = (one as usize, next as usize);
    let same = |values: &[f32], one: Range<usize>, next: Range<usize>| {
        let bits = |value: &f32| value.to_bits();
        let (one, next) = (&values[one], &values[next]);
        one.iter().map(bits).eq(next.iter().map(bits))
    };
    match column {
        Column::Ids(ids) => ids[one] == ids[next],
        Column::Lists {
            offsets,
            ids,
            weights,
        } => {
            let span = |row: usize| offsets[row] as usize..offsets[row + 1] as usize;
            let (one, next) = (span(one), span(next));
            ids[one.clone()] == ids[next.clone()]
                && (weights.is_empty() || same(weights, one, next))
        }
        Column::Vectors { width, values } => {
            let span = |row: usize| row * width..(row + 1) * width;
            same(values, span(one), span(next))
        }
        Column::Numbers(values) => same(values, one..one + 1, next..next + 1),
    }
}
