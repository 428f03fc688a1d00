//! Random rows of a tower, put in the order of a batch by plain loops.

use mtmd::data::batch::{SharedRows, TowerBatch};

/// Groups rows by their domain.
pub fn grouped(domains: &[u16], count: usize) -> TowerBatch {
    let mut batch = TowerBatch::default();
    for domain in 0..count {
        let start = batch.order.len();
        let rows = (0..)
            .zip(domains)
            .filter(|(_, of)| usize::from(**of) == domain);
        batch.order.extend(rows.map(|(row, _)| row));
        batch.domains.push(start..batch.order.len());
    }
    batch
}

/// Lets the rows of a batch share those of their requests. `requests` has one row for each request, and
/// `request` the request of each row of the batch.
pub fn shared(requests: TowerBatch, request: &[u32]) -> TowerBatch {
    let mut place_of = vec![0; requests.order.len()];
    for (place, &request) in (0..).zip(&requests.order) {
        place_of[request as usize] = place;
    }
    let place: Vec<u32> = request.iter().map(|&of| place_of[of as usize]).collect();
    let mut count = vec![0; place_of.len()];
    place.iter().for_each(|&place| count[place as usize] += 1);
    let first = |&of: &u32| request.iter().position(|&other| other == of).unwrap() as u32;
    TowerBatch {
        order: requests.order.iter().map(first).collect(),
        shared: Some(SharedRows { place, count }),
        ..requests
    }
}
