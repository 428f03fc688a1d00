//! The batch of a fixture.

use model_tests::Fixture;
use mtmd::data::batch::{Batch, Column, TowerBatch};
use mtmd::schema::{Axis, FeatureKind, Input, Schema, Tower};

/// The fixture's batch, grouped by domain.
pub fn batch(schema: &Schema, fixture: &Fixture) -> Batch {
    let surface = fixture.indices("surface");
    let product = fixture.indices("product");
    let labels = |task: &str| fixture.f32s(&format!("labels/{task}"));
    Batch {
        rows: surface.len(),
        query: tower(schema, Tower::Query, fixture, &surface),
        item: tower(schema, Tower::Item, fixture, &product),
        surface: surface.into_iter().map(|domain| domain as u16).collect(),
        product: product.into_iter().map(|domain| domain as u16).collect(),
        labels: schema.tasks.iter().map(|task| labels(&task.name)).collect(),
        weights: schema
            .tasks
            .iter()
            .map(|task| match task.sample_weight {
                Some(_) => fixture.f32s(&format!("weights/{}", task.name)),
                None => vec![],
            })
            .collect(),
        actions: schema.tasks.iter().map(|_| vec![]).collect(),
        origins: vec![],
    }
}

fn tower(schema: &Schema, tower: Tower, fixture: &Fixture, domains: &[u32]) -> TowerBatch {
    let Axis { domains: all, .. } = schema.axis(tower);
    let mut order: Vec<u32> = (0..domains.len() as u32).collect();
    order.sort_by_key(|&row| domains[row as usize]);
    let mut ranges = Vec::new();
    let mut start = 0;
    for domain in 0..all.len() as u32 {
        let end = start + domains.iter().filter(|&&of| of == domain).count();
        ranges.push(start..end);
        start = end;
    }
    let name = match tower {
        Tower::Query => "query",
        Tower::Item => "item",
    };
    let columns = schema.features(tower).iter().map(|feature| {
        let key = format!("{name}/{}", feature.name);
        match &feature.kind {
            FeatureKind::Embedded {
                input: Input::One { .. } | Input::Buckets { .. },
                ..
            } => {
                let ids = fixture.indices(&key);
                Column::Ids(order.iter().map(|&row| ids[row as usize]).collect())
            }
            FeatureKind::Embedded {
                input: Input::List { weights, .. },
                ..
            } => {
                let of_entries = weights
                    .as_ref()
                    .map(|_| fixture.f32s(&format!("{key}/weights")));
                let mut weights = vec![];
                let from = fixture.indices(&format!("{key}/offsets"));
                let all = fixture.indices(&format!("{key}/ids"));
                let (mut offsets, mut ids) = (vec![0], vec![]);
                for &row in &order {
                    let (start, end) = (from[row as usize], from[row as usize + 1]);
                    let span = start as usize..end as usize;
                    ids.extend_from_slice(&all[span.clone()]);
                    weights.extend(of_entries.iter().flat_map(|all| &all[span.clone()]));
                    offsets.push(ids.len() as u32);
                }
                Column::Lists {
                    offsets,
                    ids,
                    weights,
                }
            }
            &FeatureKind::Vector { width } => {
                let all = fixture.f32s(&key);
                let row = |&row: &u32| all[row as usize * width..][..width].to_vec();
                Column::Vectors {
                    width,
                    values: order.iter().flat_map(row).collect(),
                }
            }
            FeatureKind::Number(_) => {
                let all = fixture.f32s(&key);
                Column::Numbers(order.iter().map(|&row| all[row as usize]).collect())
            }
        }
    });
    TowerBatch {
        domains: ranges,
        columns: columns.collect(),
        order,
        shared: None,
    }
}
