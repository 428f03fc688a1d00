//! The backward pass.

#![expect(
    clippy::indexing_slicing,
    reason = "rows of a chunk are those of its job, parameters are verified"
)]

use std::ops::Range;

use mtmd_schema::Tower;
use mtmd_schema::plan::{Parameter, Plan, TowerPlan, View};
use rayon::prelude::*;

use super::batch_norm::Moments;
use super::buffer::PooledBuffer;
use super::forward::Outputs;
use super::heads::{LogitGradients, of_places};
use super::intervals::Intervals;
use super::job::Job;
use super::memory::Memory;
use super::ops;
use super::parameters::Gradients;
use super::probe::{ChunkClock, Probe};
use super::real::{Real, add_rows_to};
use super::split::{parts_mut, spread};
use super::unit::{ReadyWeights, Unit};
use super::verify::shared_gradients;
use crate::bug::{bug, check, zip_equal};
use crate::profile::Pass;

/// The parameters that the domains of a tower share.
#[derive(Debug)]
pub struct SharedParameters {
    /// From the first element to the last one.
    span: Range<usize>,
    /// By program: those whose gradients it writes.
    written: Vec<Intervals>,
}

impl SharedParameters {
    /// Those of a tower.
    pub fn of(tower: &TowerPlan) -> Self {
        Self {
            span: Parameter::span(&tower.shared),
            written: tower.programs.iter().map(shared_gradients).collect(),
        }
    }
}

/// What the backward pass reads.
pub struct Backward<'a, E: Real> {
    /// The plan.
    pub plan: &'a Plan,
    /// By tower.
    pub shared: &'a [SharedParameters; 2],
    /// The flat parameters.
    pub parameters: &'a [E],
    /// Domains with rows.
    pub jobs: &'a [Job<'a, E>],
    /// Moments of their BatchNorms.
    pub moments: &'a [Vec<Moments<E>>],
    /// Outputs of both towers.
    pub outputs: &'a Outputs<E>,
    /// Derivatives of the loss by the logits.
    pub logits: LogitGradients<'a>,
    /// What records its time.
    pub probe: Option<&'a Probe>,
}

/// Gradients that a lane does not write to where they belong.
pub struct LaneGradients<E: Real> {
    /// Those of the domain's block; the first lane of a domain writes where they belong.
    own: Option<PooledBuffer<E>>,
    /// Those of the tower's shared parameters.
    tower: PooledBuffer<E>,
}

impl<E: Real> Backward<'_, E> {
    /// Writes by job the gradients of its rows' embedded fields, and what its first lane finds of its own
    /// parameters; returns by job and lane the rest, for [`Self::sum`]. `saved` is what was saved of each
    /// job's chunks.
    pub fn run(
        &self,
        saved: Vec<Vec<PooledBuffer<E>>>,
        gradient: &mut [E],
        fields: Vec<&mut [E]>,
    ) -> Vec<Vec<LaneGradients<E>>> {
        let ready = ReadyWeights::all(self.jobs, self.parameters, Pass::Backward, self.probe);
        let mut lanes: Vec<Vec<LaneGradients<E>>> = self
            .jobs
            .iter()
            .map(|job| self.lane_gradients(job))
            .collect();
        let mut work = Vec::new();
        let blocks = parts_mut(gradient, self.jobs.iter().map(Job::own));
        let jobs = zip_equal(zip_equal(self.jobs, &ready), self.moments);
        let memory = zip_equal(zip_equal(saved, fields), zip_equal(blocks, &mut lanes));
        for (job, memory) in zip_equal(jobs, memory) {
            let (((job, ready), moments), ((saved, fields), (block, lanes))) = (job, memory);
            check!(
                saved.len() == job.chunks(),
                "{} chunks were saved of {}",
                saved.len(),
                job.chunks()
            );
            let (mut saved, mut fields, mut block) = (saved.into_iter(), fields, Some(block));
            for (lane, gradients) in zip_equal(&job.lanes, lanes) {
                let mut chunks = Vec::with_capacity(lane.len());
                for (rows, saved) in lane.iter().zip(&mut saved) {
                    let part;
                    (part, fields) = fields.split_at_mut(rows.len() * job.program.embedded);
                    chunks.push(BackwardChunk {
                        rows: rows.clone(),
                        saved,
                        fields: part,
                    });
                }
                let LaneGradients { own, tower } = gradients;
                work.push(LaneWork {
                    job,
                    ready,
                    moments,
                    chunks,
                    own: own.as_deref_mut().or(block.take()),
                    tower,
                });
            }
        }
        spread(work, LaneWork::rows, |lane| lane.run(self));
        lanes
    }

    /// Sums what the lanes have found: with it the gradients of all parameters of domains with rows, and of
    /// both towers, are written.
    pub fn sum(&self, lanes: &[Vec<LaneGradients<E>>], gradient: &mut [E]) {
        self.add_own(lanes, gradient);
        for tower in Tower::ALL {
            self.add_shared(tower, lanes, gradient);
        }
    }

    /// Zeros for the parameters of domains without rows.
    pub fn clear_idle(&self, gradient: &mut [E]) {
        let mut idle = Vec::new();
        for tower in Tower::ALL {
            let plan = self.plan.tower(tower);
            let mut busy = vec![false; plan.domains.len()];
            for job in self.jobs.iter().filter(|job| job.tower == tower) {
                busy[job.domain] = true;
            }
            for (place, _) in zip_equal(&*plan.domains, busy).filter(|(_, busy)| !busy) {
                idle.push(plan.programs[place.program].parameters.range(place.block));
            }
        }
        let blocks = parts_mut(gradient, idle).into_par_iter();
        blocks.for_each(|block| block.fill(E::default()));
    }

    fn lane_gradients(&self, job: &Job<'_, E>) -> Vec<LaneGradients<E>> {
        let span = self.shared[job.tower as usize].span.len();
        let lane = |lane: usize| LaneGradients {
            own: (lane > 0).then(|| PooledBuffer::new(job.own().len())),
            tower: PooledBuffer::new(span),
        };
        (0..job.lanes.len()).map(lane).collect()
    }

    /// Adds what the lanes of a domain but the first have found to its block.
    fn add_own(&self, lanes: &[Vec<LaneGradients<E>>], gradient: &mut [E]) {
        let jobs: Vec<_> = zip_equal(self.jobs, lanes)
            .filter(|(_, lanes)| lanes.len() > 1)
            .collect();
        let mut sums = Vec::new();
        let blocks = parts_mut(gradient, jobs.iter().map(|(job, _)| job.own()));
        for ((job, lanes), block) in zip_equal(jobs, blocks) {
            let ranges = job.program.own.iter().map(Parameter::range);
            let parts = parts_mut(block, ranges.clone());
            let others = lanes.iter().filter_map(|lane| lane.own.as_deref());
            let others: Vec<&[E]> = others.collect();
            sums.extend(zip_equal(parts, ranges).map(|part| (part, others.clone())));
        }
        spread(
            sums,
            |((to, _), _)| to.len(),
            |((to, range), others)| {
                for other in others {
                    add_rows_to(to, &other[range.clone()]);
                }
            },
        );
    }

    /// Sums what all lanes of a tower have found of its shared parameters.
    fn add_shared(&self, tower: Tower, lanes: &[Vec<LaneGradients<E>>], gradient: &mut [E]) {
        let plan = self.plan.tower(tower);
        let shared = &self.shared[tower as usize];
        let start = shared.span.start;
        let ranges = plan.shared.iter().map(Parameter::range);
        let parts = parts_mut(gradient, ranges.clone());
        let sums: Vec<_> = zip_equal(parts, ranges).collect();
        let jobs: Vec<_> = zip_equal(self.jobs, lanes)
            .filter(|(job, _)| job.tower == tower)
            .collect();
        spread(
            sums,
            |(to, _)| to.len(),
            |(to, range)| {
                let mut empty = true;
                for (job, lanes) in &jobs {
                    let program = plan.domains[job.domain].program;
                    let written = &shared.written[program];
                    for lane in *lanes {
                        let found =
                            |part: &Range<usize>| &lane.tower[part.start - start..part.end - start];
                        if empty && written.covers(&range) {
                            to.copy_from_slice(found(&range));
                        } else {
                            if empty {
                                to.fill(E::default());
                            }
                            // Of `missing` a domain writes only the elements of the fields that it lacks.
                            for part in written.within(&range) {
                                let here = part.start - range.start..part.end - range.start;
                                add_rows_to(&mut to[here], found(&part));
                            }
                        }
                        empty = false;
                    }
                }
                if empty {
                    to.fill(E::default());
                }
            },
        );
    }
}

/// Some rows of a lane.
struct BackwardChunk<'a, E: Real> {
    rows: Range<usize>,
    saved: PooledBuffer<E>,
    /// Where the gradients of their embedded fields go.
    fields: &'a mut [E],
}

/// Chunks of a job whose gradients of parameters are summed one after another.
struct LaneWork<'a, 'j, E: Real> {
    job: &'a Job<'j, E>,
    ready: &'a ReadyWeights<'a, E>,
    moments: &'a [Moments<E>],
    chunks: Vec<BackwardChunk<'a, E>>,
    own: Option<&'a mut [E]>,
    tower: &'a mut [E],
}

impl<E: Real> LaneWork<'_, '_, E> {
    fn rows(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.rows.len()).sum()
    }

    fn run(self, pass: &Backward<'_, E>) {
        let (job, program) = (self.job, self.job.program);
        let Some(own) = self.own else {
            bug!("a lane without room for its gradients");
        };
        let other = pass.outputs.of(job.tower.other());
        let tower_start = pass.shared[job.tower as usize].span.start;
        for (at, mut chunk) in self.chunks.into_iter().enumerate() {
            let rows = chunk.rows.len();
            let mut clock = pass
                .probe
                .map(|probe| probe.chunk(job, Pass::Backward, rows));
            let mut scratch = PooledBuffer::new(rows * program.scratch);
            let memory = Memory::new(program, rows, &mut chunk.saved, &mut scratch);
            memory.fill(program.output_gradient, |to| {
                let first = job.places.start + chunk.rows.start;
                let width = to.len() / rows;
                let to = (to, width);
                of_places(pass.logits, &program.outputs, (job.tower, first), other, to);
            });
            clock.iter_mut().for_each(ChunkClock::heads);
            let mut unit = Unit {
                memory,
                parameters: job.parameters(pass.parameters),
                ready: self.ready,
                moments: self.moments,
                gradients: Some(Gradients {
                    own: &mut *own,
                    tower: &mut *self.tower,
                    tower_start,
                    first: at == 0,
                }),
                eps: pass.plan.norm_eps,
                way: job.way,
            };
            ops::run(&program.backward, &mut unit, clock.as_mut());
            if let Some(buffer) = program.input_gradient {
                let view = View {
                    buffer,
                    start: 0,
                    width: program.embedded,
                };
                memory.copy_to(view, (chunk.fields, program.embedded), 0);
            }
            if let Some(mut clock) = clock {
                clock.rows();
                clock.end();
            }
        }
    }
}
