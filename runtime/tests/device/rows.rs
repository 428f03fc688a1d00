//! Random parameters and batches of a plan.

use mtmd::data::batch::{Batch, TowerBatch};
use mtmd::exec::host::{Real, TowerRows};
use mtmd::params::Params;
use mtmd_schema::Tower;
use mtmd_schema::plan::{Init, Parameter, Plan, TowerPlan};
use support::rng::Rng;

use crate::grouped::{grouped, shared};

/// Parameters like those of a new model, norms, biases and running statistics a little off.
pub fn params<E: Real>(plan: &Plan, seed: u64) -> Params<E> {
    let mut draws = Rng::new(seed);
    let mut params = Params::<E>::zeros(plan);
    let mut fill = |parameter: &Parameter, array: &mut [E], start: usize| {
        let start = start + parameter.offset;
        for value in &mut array[start..start + parameter.len()] {
            let draw = draws.signed();
            *value = E::real(match parameter.init {
                Init::Zeros => 0.25 * draw,
                Init::Ones => 1.0 + 0.25 * draw,
                Init::Uniform(fan_in) => draw / (fan_in as f64).sqrt(),
            });
        }
    };
    for tower in [&plan.query, &plan.item] {
        for parameter in tower.shared.iter() {
            fill(parameter, &mut params.values, 0);
        }
        for program in tower.programs.iter() {
            for block in 0..program.domains.len() {
                for parameter in program.own.iter() {
                    fill(parameter, &mut params.values, program.parameters.at(block));
                }
                for parameter in program.running.iter() {
                    let start = program.statistics.at(block);
                    fill(parameter, &mut params.statistics, start);
                }
            }
        }
    }
    for head in plan.heads.iter() {
        if let Some(at) = head.bias {
            params.values[at] = E::real(-0.5);
        }
    }
    params
}

/// Which domains rows are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// The first domain of three or more has none, the last of two or more has one.
    Uneven,
    /// One row in all.
    Single,
    /// Any; rows of a request share a row of the query tower.
    Shared,
    /// Any, of as many rows.
    Many(usize),
}

/// A batch without tables, and its fields by tower and domain.
pub struct Rows {
    pub batch: Batch,
    pub fields: [Vec<Vec<f64>>; 2],
}

/// Rows of a batch.
const ROWS: usize = 23;

impl Rows {
    pub fn random(plan: &Plan, case: Case, seed: u64) -> Self {
        let mut draws = Rng::new(seed);
        let rows = match case {
            Case::Single => 1,
            Case::Uneven | Case::Shared => ROWS,
            Case::Many(rows) => rows,
        };
        let mut request: Vec<u32> = Vec::with_capacity(rows);
        for row in 0..rows {
            let next = request.last().map_or(0, |last| last + 1);
            request.push(match case {
                Case::Shared if row > 0 && draws.below(3) > 0 => next - 1,
                _ => next,
            });
        }
        let requests = request.last().map_or(0, |last| last + 1) as usize;
        let of_requests = domains(plan.query.domains.len(), requests, case, &mut draws);
        let surface: Vec<u16> = request.iter().map(|&of| of_requests[of as usize]).collect();
        let product = domains(plan.item.domains.len(), rows, case, &mut draws);
        let query = match case {
            Case::Shared => shared(grouped(&of_requests, plan.query.domains.len()), &request),
            Case::Uneven | Case::Single | Case::Many(_) => {
                grouped(&surface, plan.query.domains.len())
            }
        };
        let item = grouped(&product, plan.item.domains.len());
        let label = |draws: &mut Rng| match draws.below(6) {
            0 if case != Case::Single => f32::NAN,
            1 => 0.0,
            2 => 1.0,
            _ => (0.5 + 0.5 * draws.signed()) as f32,
        };
        let tasks = plan.heads.len();
        let labels = (0..tasks).map(|_| (0..rows).map(|_| label(&mut draws)).collect());
        let labels: Vec<Vec<f32>> = labels.collect();
        let weights = (0..tasks).map(|task| match task % 2 {
            0 => Vec::new(),
            _ => (0..rows).map(|row| (row % 3) as f32 + 0.5).collect(),
        });
        let fields = [
            fields(&plan.query, &query, &mut draws),
            fields(&plan.item, &item, &mut draws),
        ];
        let batch = Batch {
            rows,
            surface,
            product,
            query,
            item,
            labels,
            weights: weights.collect(),
            ..Batch::default()
        };
        Self { batch, fields }
    }

    /// The rows of both towers.
    pub fn towers<'a, E>(&'a self, fields: &'a [Vec<Vec<E>>; 2]) -> [TowerRows<'a, E>; 2] {
        Tower::ALL.map(|tower| TowerRows::new(self.batch.tower(tower), &fields[tower as usize]))
    }
}

/// In another type.
pub fn cast<E: Real>(fields: &[Vec<f64>]) -> Vec<Vec<E>> {
    let domain = |values: &Vec<f64>| values.iter().map(|x| E::real(*x)).collect();
    fields.iter().map(domain).collect()
}

/// The domain of each row.
fn domains(count: usize, rows: usize, case: Case, draws: &mut Rng) -> Vec<u16> {
    let within = match (case, count) {
        (Case::Uneven, 3..) => 1..count - 1,
        (Case::Uneven, 2) => 0..1,
        _ => 0..count,
    };
    let mut of: Vec<u16> = (0..rows)
        .map(|_| (within.start + draws.below(within.len())) as u16)
        .collect();
    if case == Case::Uneven {
        of[rows / 2] = (count - 1) as u16;
    }
    of
}

/// The fields of each domain's rows.
fn fields(plan: &TowerPlan, rows: &TowerBatch, draws: &mut Rng) -> Vec<Vec<f64>> {
    let of = |(places, place): (&std::ops::Range<usize>, &mtmd_schema::plan::Place)| {
        let program = &plan.programs[place.program];
        let count = places.len() * program.buffers[program.input.0].width;
        (0..count).map(|_| 1.5 * draws.signed()).collect()
    };
    rows.domains
        .iter()
        .zip(plan.domains.iter())
        .map(of)
        .collect()
}
