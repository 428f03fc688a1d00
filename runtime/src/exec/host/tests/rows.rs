//! Parameters and batches of the small model.

use std::ops::Range;

use mtmd_schema::Tower;
use mtmd_schema::plan::{Place, Plan, TowerPlan};

use super::super::TowerRows;
use super::fixture::draws;
use super::grouped::{grouped, shared};
use super::model::{ITEM, QUERY};
use crate::data::batch::Batch;
use crate::hash::Random;
use crate::params::Params;

/// Random parameters; running variances are positive.
pub fn params(plan: &Plan, seed: u64) -> Params<f64> {
    let values = draws(plan.parameters, seed)
        .iter()
        .map(|x| 0.5 * x)
        .collect();
    let statistics = draws(plan.statistics, seed + 1);
    Params {
        values,
        statistics: statistics.iter().map(|x| x.abs() + 0.5).collect(),
    }
}

/// A batch and the fields of its rows.
pub struct RandomRows {
    pub batch: Batch,
    pub fields: [Vec<Vec<f64>>; 2],
}

impl RandomRows {
    /// `rows` rows of random cells, of which up to `together` in a row are of one request.
    pub fn random(plan: &Plan, rows: usize, together: usize, seed: u64) -> Self {
        let mut random = Random::new(seed, &[rows as u64]);
        let mut places = Vec::new();
        let mut surface = Vec::new();
        let mut requests = Vec::new();
        while places.len() < rows {
            let size = (1 + random.below(together)).min(rows - places.len());
            let of = random.below(QUERY.len()) as u16;
            places.extend(vec![requests.len() as u32; size]);
            surface.extend(vec![of; size]);
            requests.push(of);
        }
        let product: Vec<u16> = (0..rows).map(|_| random.below(ITEM.len()) as u16).collect();
        let mut label = |exists: bool| match exists && random.below(5) > 0 {
            true => random.uniform() as f32,
            false => f32::NAN,
        };
        let exists = |task: usize, row: usize| {
            let tasks = [
                QUERY[usize::from(surface[row])],
                ITEM[usize::from(product[row])],
            ];
            tasks.iter().all(|tasks| tasks.contains(&task))
        };
        let labels = (0..3).map(|task| (0..rows).map(|row| label(exists(task, row))).collect());
        let labels = labels.collect();
        let weights = (0..rows).map(|row| (row % 3) as f32).collect();
        let item = grouped(&product, ITEM.len());
        let mut query = grouped(&requests, QUERY.len());
        if together > 1 {
            query = shared(query, &places);
        }
        let mut fields = |tower: &TowerPlan, domains: &[Range<usize>]| {
            let domains = domains.iter().zip(tower.domains.iter());
            let of = |(places, place): (&Range<usize>, &Place)| {
                let program = &tower.programs[place.program];
                let width = program.buffers[program.input.0].width;
                let seed = random.below(1000) as u64;
                draws(places.len() * width, seed)
            };
            domains.map(of).collect()
        };
        let fields = [
            fields(&plan.query, &query.domains),
            fields(&plan.item, &item.domains),
        ];
        let batch = Batch {
            rows,
            surface,
            product,
            query,
            item,
            labels,
            weights: vec![Vec::new(), weights, Vec::new()],
            ..Batch::default()
        };
        Self { batch, fields }
    }

    /// The rows of both towers.
    pub fn towers<'a, E>(&'a self, fields: &'a [Vec<Vec<E>>; 2]) -> [TowerRows<'a, E>; 2] {
        Tower::ALL.map(|tower| TowerRows::new(self.batch.tower(tower), &fields[tower as usize]))
    }
}
