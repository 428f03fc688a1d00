//! What the operations of a program work with.

use mtmd_schema::plan::{Linear, Op};
use rayon::prelude::*;

use super::batch_norm::Moments;
use super::job::Job;
use super::linear;
use super::memory::Memory;
use super::parameters::{Gradients, Parameters};
use super::probe::{Probe, WeightsProbe};
use super::product::{Matrix, Side, Way};
use super::real::Real;
use crate::bug::bug;
use crate::profile::Pass;

/// Some rows of a domain in one pass of its program.
#[derive(Debug)]
pub struct Unit<'a, E> {
    /// Their memory.
    pub memory: Memory<'a, E>,
    /// The domain's parameters.
    pub parameters: Parameters<'a, E>,
    /// What the pass's weights were made ready as.
    pub ready: &'a ReadyWeights<'a, E>,
    /// Means and scales of the domain's BatchNorms.
    pub moments: &'a [Moments<E>],
    /// Where gradients go; `None` in the forward pass.
    pub gradients: Option<Gradients<'a, E>>,
    /// Added to a variance before its root is taken.
    pub eps: f64,
    /// How products are made.
    pub way: Way,
}

impl<'a, E: Real> Unit<'a, E> {
    /// Where gradients go.
    pub fn gradients(&mut self) -> &mut Gradients<'a, E> {
        match &mut self.gradients {
            Some(gradients) => gradients,
            None => bug!("a forward pass writes gradients"),
        }
    }

    /// Mean and scale of the BatchNorm whose running means are at `mean`.
    pub fn moments(&self, mean: usize) -> &'a Moments<E> {
        match self.moments.iter().find(|moments| moments.at == mean) {
            Some(moments) => moments,
            None => bug!("a BatchNorm without statistics"),
        }
    }
}

/// The weights that a pass multiplies with, made ready as right sides: by operation, then by map.
#[derive(Debug)]
pub struct ReadyWeights<'a, E>(Vec<Vec<Side<'a, E>>>);

/// Chunks up to which weights are split anew for each: to write all parts to memory and to read them again takes longer.
const FEW: usize = 2;

impl<'a, E: Real> ReadyWeights<'a, E> {
    /// Those of all jobs, for a pass.
    pub fn all(
        jobs: &[Job<'_, E>],
        parameters: &'a [E],
        pass: Pass,
        probe: Option<&Probe>,
    ) -> Vec<Self> {
        let ready = |job: &Job<'_, E>| {
            let ops: &[Op] = match pass {
                Pass::Forward => &job.program.forward,
                Pass::Backward => &job.program.backward,
            };
            let probe = probe.map(|probe| probe.weights(job, pass));
            Self::new(
                ops,
                job.parameters(parameters),
                (job.way, job.chunks()),
                probe,
            )
        };
        jobs.par_iter().map(ready).collect()
    }

    /// Makes the weights ready that these operations multiply with, for `chunks` chunks of rows.
    pub fn new(
        ops: &[Op],
        parameters: Parameters<'a, E>,
        (way, chunks): (Way, usize),
        probe: Option<WeightsProbe<'_>>,
    ) -> Self {
        let sides = |linear: &Linear, transposed: bool| {
            let maps = linear.merged();
            if linear::is_narrow(&maps) {
                return Vec::new();
            }
            let side = |map| {
                let weight = linear::weight(&maps, map, parameters);
                let weight = Matrix::new(weight, maps.inputs);
                let right = match transposed {
                    true => weight.transpose(),
                    false => weight,
                };
                match chunks <= FEW {
                    true => Side::passing(right, way),
                    false => Side::right(right, way),
                }
            };
            (0..maps.batch).map(side).collect()
        };
        let of = |(place, op): (usize, &Op)| {
            let (linear, transposed) = match op {
                Op::Linear(linear) => (linear, true),
                Op::LinearInput { linear, .. } => (linear, false),
                // No other operation multiplies with weights.
                _ => return Vec::new(),
            };
            let clock = probe.as_ref().map(WeightsProbe::start);
            let sides = sides(linear, transposed);
            if let (Some(probe), Some(clock)) = (&probe, clock) {
                probe.end(clock, place);
            }
            sides
        };
        Self(match way.copies() {
            true => ops.par_iter().enumerate().map(of).collect(),
            false => ops.iter().enumerate().map(of).collect(),
        })
    }

    /// The weights of the operation at this place.
    pub fn of(&self, place: usize) -> &[Side<'a, E>] {
        match self.0.get(place) {
            Some(sides) => sides,
            None => bug!("weights of another program"),
        }
    }
}
