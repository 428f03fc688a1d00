//! The forward pass.

#![expect(
    clippy::indexing_slicing,
    reason = "rows of a chunk are those of its job, outputs are verified"
)]

use std::ops::Range;

use mtmd_schema::Tower;
use mtmd_schema::plan::{Plan, View};

use super::batch_norm::Moments;
use super::buffer::PooledBuffer;
use super::heads::RowEmbeddings;
use super::job::Job;
use super::memory::Memory;
use super::ops;
use super::probe::{ChunkClock, Probe};
use super::real::Real;
use super::split::{parts_mut, spread};
use super::unit::{ReadyWeights, Unit};
use crate::bug::bug;
use crate::profile::Pass;

/// Outputs of the towers, `[places, width]` each.
#[derive(Debug)]
pub struct Outputs<E: Real> {
    /// The towers that ran.
    towers: Vec<(Tower, PooledBuffer<E>, usize)>,
}

impl<E: Real> Outputs<E> {
    /// Those of a tower that ran.
    pub fn of(&self, tower: Tower) -> RowEmbeddings<'_, E> {
        let of = self.towers.iter().filter(|(of, _, _)| *of == tower);
        let mut found = of.map(|(_, values, width)| RowEmbeddings {
            values,
            width: *width,
        });
        match found.next() {
            Some(found) => found,
            None => bug!("outputs of a tower that did not run"),
        }
    }
}

/// What the forward pass reads.
pub struct ForwardPass<'a, E: Real> {
    /// The plan.
    pub plan: &'a Plan,
    /// The flat parameters.
    pub parameters: &'a [E],
    /// Domains with rows.
    pub jobs: &'a [Job<'a, E>],
    /// Moments of their BatchNorms.
    pub moments: &'a [Vec<Moments<E>>],
    /// What records its time.
    pub probe: Option<&'a Probe>,
}

impl<E: Real> ForwardPass<'_, E> {
    /// Runs all jobs: the outputs of the towers, of so many places, and by job and chunk what `keep` makes
    /// of the saved memory.
    pub fn run<S: Send>(
        &self,
        towers: &[(Tower, usize)],
        keep: impl Fn(PooledBuffer<E>) -> S + Sync,
    ) -> (Outputs<E>, Vec<Vec<S>>) {
        let Self {
            plan,
            parameters,
            jobs,
            moments,
            probe,
        } = *self;
        let mut outputs = Outputs {
            towers: towers
                .iter()
                .map(|(tower, places)| {
                    let width = plan.tower(*tower).width;
                    (*tower, PooledBuffer::new(places * width), width)
                })
                .collect(),
        };
        let ready = ReadyWeights::all(jobs, parameters, Pass::Forward, probe);
        let mut parts = Vec::new();
        for (tower, values, width) in &mut outputs.towers {
            let of_tower = jobs.iter().filter(|job| job.tower == *tower);
            let chunks = of_tower.flat_map(chunk_places);
            let ranges = chunks.map(|places| places.start * *width..places.end * *width);
            parts.extend(parts_mut(values, ranges));
        }
        let mut chunks = Vec::with_capacity(parts.len());
        let mut parts = parts.into_iter();
        for (place, job) in jobs.iter().enumerate() {
            for rows in job.lanes.iter().flatten() {
                let Some(to) = parts.next() else {
                    bug!("a chunk without output");
                };
                chunks.push(ForwardChunk {
                    job,
                    rows: rows.clone(),
                    ready: &ready[place],
                    moments: &moments[place],
                    to,
                });
            }
        }
        let saved = spread(
            chunks,
            |chunk| chunk.rows.len(),
            |chunk| keep(chunk.run(parameters, plan.norm_eps, probe)),
        );
        let mut saved = saved.into_iter();
        let by_job = jobs
            .iter()
            .map(|job| saved.by_ref().take(job.chunks()).collect());
        let by_job = by_job.collect();
        (outputs, by_job)
    }
}

/// Places of a job's chunks.
fn chunk_places<'a, E>(job: &'a Job<'_, E>) -> impl Iterator<Item = Range<usize>> + use<'a, E> {
    let first = job.places.start;
    let chunks = job.lanes.iter().flatten();
    chunks.map(move |rows| first + rows.start..first + rows.end)
}

/// Some rows of a job.
struct ForwardChunk<'a, 'j, E> {
    job: &'a Job<'j, E>,
    rows: Range<usize>,
    ready: &'a ReadyWeights<'a, E>,
    moments: &'a [Moments<E>],
    /// Their rows of the tower's output.
    to: &'a mut [E],
}

impl<E: Real> ForwardChunk<'_, '_, E> {
    /// From its fields to its rows of the tower's output; what the backward pass needs.
    fn run(self, parameters: &[E], eps: f64, probe: Option<&Probe>) -> PooledBuffer<E> {
        let mut clock = probe.map(|probe| probe.chunk(self.job, Pass::Forward, self.rows.len()));
        let (job, program, rows) = (self.job, self.job.program, self.rows.len());
        let mut saved = PooledBuffer::new(rows * program.saved);
        let mut scratch = PooledBuffer::new(rows * program.scratch);
        let memory = Memory::new(program, rows, &mut saved, &mut scratch);
        memory.fill(program.input, |to| {
            to.copy_from_slice(job.fields(&self.rows))
        });
        clock.iter_mut().for_each(ChunkClock::rows);
        let mut unit = Unit {
            memory,
            parameters: job.parameters(parameters),
            ready: self.ready,
            moments: self.moments,
            gradients: None,
            eps,
            way: job.way,
        };
        ops::run(&program.forward, &mut unit, clock.as_mut());
        let width = self.to.len() / rows;
        let given: usize = program.outputs.iter().map(|output| output.width).sum();
        if given < width {
            self.to.fill(E::default());
        }
        for output in program.outputs.iter() {
            let view = View {
                buffer: program.output,
                start: output.start,
                width: output.width,
            };
            memory.copy_to(view, (self.to, width), output.column);
        }
        if let Some(mut clock) = clock {
            clock.rows();
            clock.end();
        }
        saved
    }
}
