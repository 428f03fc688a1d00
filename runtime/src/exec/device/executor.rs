//! A plan, ready to run on a device.

#![expect(
    clippy::indexing_slicing,
    reason = "domains, places and columns are of the plan, which is verified, and of the rows, which are held to it"
)]

use burn::tensor::{Device, Tensor};
use mtmd_schema::Tower;
use mtmd_schema::plan::{Plan, View};
use rayon::prelude::*;

use super::element::{DeviceReal, Download, upload};
use super::memory::Memory;
use super::ops::{Unit, UploadedMoments};
use super::parameters::{Gradients, Parameters};
use crate::bug::{bug, zip_equal};
use crate::exec::heads::{HeadRows, Pairs};
use crate::exec::host::{
    Executor, Job, LogitGradients, Moments, RowEmbeddings, Scores, Step, TowerRows, of_places,
    towers,
};
use crate::params::Params;
use crate::schema::Precision;

/// A plan, ready to run on a device.
#[derive(Debug)]
pub struct DeviceExecutor<'p> {
    plan: &'p Plan,
    /// For what is computed in host memory.
    host: Executor<'p>,
    device: Device,
}

/// A domain with rows.
struct Domain<'a, E> {
    job: Job<'a, E>,
    norms: Vec<UploadedMoments>,
    memory: Memory<'a, E>,
}

/// Outputs of both towers in host memory, `[places, width]` each.
struct Outputs<E> {
    values: [Vec<E>; 2],
    widths: [usize; 2],
}

impl<E> Outputs<E> {
    fn of(&self, tower: Tower) -> RowEmbeddings<'_, E> {
        RowEmbeddings {
            values: &self.values[tower as usize],
            width: self.widths[tower as usize],
        }
    }
}

/// Places whose gradients one thread finds at a time.
const PLACES: usize = 64;

impl<'p> DeviceExecutor<'p> {
    /// Verifies the plan; an invalid one stops the program, because it is a bug of the compiler.
    pub fn new(plan: &'p Plan, device: Device) -> Self {
        Self {
            plan,
            host: Executor::new(plan),
            device,
        }
    }

    /// One step of training: the loss of a batch and all its gradients. `rows` are those of the query and
    /// of the item tower.
    pub fn step<E: DeviceReal>(
        &self,
        params: &Params<E>,
        rows: [TowerRows<'_, E>; 2],
        heads: &[HeadRows],
        precision: Precision,
        step: &mut Step<E>,
    ) {
        let jobs = self.host.jobs(params, &towers(rows), precision);
        step.statistics.clone_from(&params.statistics);
        let moments = self.host.batch_moments(&jobs, &mut step.statistics);
        let flat = self.upload(params);
        let (mut domains, outputs) = self.forward(&flat, rows, (jobs, &moments), precision);
        let both = Tower::ALL.map(|tower| outputs.of(tower));
        step.gradient.resize(self.plan.parameters, E::default());
        let logits = self.host.loss(params, both, heads, step);
        let biases = self.plan.heads.iter().filter_map(|head| head.bias);
        let biases: Vec<_> = biases.map(|at| (at, step.gradient[at])).collect();
        let logits = LogitGradients {
            heads: &self.plan.heads,
            rows: heads,
            logits: &logits,
        };

        let mut gradients = Gradients::zeros::<E>(self.plan.parameters, &self.device);
        let mut download = Download::default();
        for domain in &mut domains {
            let other = outputs.of(domain.job.tower.other());
            let gradient = self.output_gradient(&domain.job, logits, other);
            let (program, memory) = (domain.job.program, &mut domain.memory);
            memory.write(memory.whole(program.output_gradient), gradient);
            let parameters = parameters(&flat, &domain.job);
            let mut unit = Unit {
                memory: &mut *memory,
                parameters: &parameters,
                moments: &domain.norms,
                gradients: Some(&mut gradients),
                eps: self.plan.norm_eps,
                precision,
            };
            unit.run(&program.backward);
            if let Some(buffer) = program.input_gradient {
                download.push(memory.read(View {
                    buffer,
                    start: 0,
                    width: program.embedded,
                }));
            }
            memory.drop_all();
        }
        download.push(gradients.take());
        let mut found = download.read::<E>();
        let Some(gradient) = found.pop() else {
            bug!("the gradient of the parameters did not come back from the device");
        };
        step.gradient = gradient;
        for (at, bias) in biases {
            step.gradient[at] = bias;
        }
        self.give_fields(&domains, found, &mut step.fields);
    }

    /// The scores of each task on its rows.
    pub fn score<E: DeviceReal>(
        &self,
        params: &Params<E>,
        rows: [TowerRows<'_, E>; 2],
        pairs: &[Pairs],
        precision: Precision,
    ) -> Vec<Scores> {
        let jobs = self.host.jobs(params, &towers(rows), precision);
        let moments = self.host.running_moments(&jobs, &params.statistics);
        let flat = self.upload(params);
        let (_, outputs) = self.forward(&flat, rows, (jobs, &moments), precision);
        let both = Tower::ALL.map(|tower| outputs.of(tower));
        let pairs: Vec<&Pairs> = pairs.iter().collect();
        let (_, scores) = self.host.scores(params, both, &pairs);
        scores
    }

    fn upload<E: DeviceReal>(&self, params: &Params<E>) -> Tensor<1> {
        upload(&params.values, [self.plan.parameters], &self.device)
    }

    /// Runs the forward program of every domain with rows: what the backward pass needs of each, and the
    /// outputs of the towers, 0 for a task that a row's domain lacks.
    fn forward<'a, E: DeviceReal>(
        &self,
        flat: &Tensor<1>,
        rows: [TowerRows<'_, E>; 2],
        (jobs, moments): (Vec<Job<'a, E>>, &[Vec<Moments<E>>]),
        precision: Precision,
    ) -> (Vec<Domain<'a, E>>, Outputs<E>) {
        let mut download = Download::default();
        let mut domains = Vec::with_capacity(jobs.len());
        for (job, moments) in zip_equal(jobs, moments) {
            let norms = moments
                .iter()
                .map(|of| UploadedMoments::new(of, &self.device));
            let mut domain = Domain {
                norms: norms.collect(),
                memory: Memory::new(job.program, job.places.len(), &self.device),
                job,
            };
            let output = self.domain_forward(flat, &mut domain, precision);
            download.push(output);
            domains.push(domain);
        }
        let widths = Tower::ALL.map(|tower| self.plan.tower(tower).width);
        let places = rows.each_ref().map(TowerRows::places);
        let mut outputs = Outputs {
            values: [0, 1].map(|tower| vec![E::default(); places[tower] * widths[tower]]),
            widths,
        };
        for (domain, found) in zip_equal(&domains, download.read::<E>()) {
            let job = &domain.job;
            let width = widths[job.tower as usize];
            let own = domain.memory.whole(job.program.output).width;
            let to = &mut outputs.values[job.tower as usize];
            let to = &mut to[job.places.start * width..job.places.end * width];
            for (to, found) in zip_equal(to.chunks_exact_mut(width), found.chunks_exact(own)) {
                for output in job.program.outputs.iter() {
                    let from = &found[output.start..output.start + output.width];
                    to[output.column..output.column + output.width].copy_from_slice(from);
                }
            }
        }
        (domains, outputs)
    }

    /// From a domain's fields to its output.
    fn domain_forward<E: DeviceReal>(
        &self,
        flat: &Tensor<1>,
        domain: &mut Domain<'_, E>,
        precision: Precision,
    ) -> Tensor<2> {
        let (job, memory) = (&domain.job, &mut domain.memory);
        let input = memory.whole(job.program.input);
        let shape = [job.places.len(), input.width];
        memory.write(input, upload(job.rows.fields, shape, &self.device));
        let mut unit = Unit {
            memory: &mut *memory,
            parameters: &parameters(flat, job),
            moments: &domain.norms,
            gradients: None,
            eps: self.plan.norm_eps,
            precision,
        };
        unit.run(&job.program.forward);
        let output = memory.read(memory.whole(job.program.output));
        memory.drop_scratch();
        output
    }

    /// Gradient of a domain's output; `other` is the output of the other tower.
    fn output_gradient<E: DeviceReal>(
        &self,
        job: &Job<'_, E>,
        logits: LogitGradients<'_>,
        other: RowEmbeddings<'_, E>,
    ) -> Tensor<2> {
        let (program, rows) = (job.program, job.places.len());
        let width = program.buffers[program.output_gradient.0].width;
        let mut values = vec![E::default(); rows * width];
        let pieces = values.par_chunks_mut(PLACES * width).enumerate();
        pieces.for_each(|(piece, to)| {
            let first = job.places.start + piece * PLACES;
            let place = (job.tower, first);
            of_places(logits, &program.outputs, place, other, (to, width));
        });
        upload(&values, [rows, width], &self.device)
    }

    /// Puts the gradients of the embedded fields, which come by domain with rows, where they belong.
    fn give_fields<E: DeviceReal>(
        &self,
        domains: &[Domain<'_, E>],
        found: Vec<Vec<E>>,
        fields: &mut [Vec<Vec<E>>; 2],
    ) {
        for (tower, fields) in zip_equal(Tower::ALL, &mut *fields) {
            fields.resize(self.plan.tower(tower).domains.len(), Vec::new());
            fields.iter_mut().for_each(Vec::clear);
        }
        let with_fields: Vec<&Domain<'_, E>> = domains
            .iter()
            .filter(|domain| domain.job.program.input_gradient.is_some())
            .collect();
        for (domain, found) in zip_equal(with_fields, found) {
            fields[domain.job.tower as usize][domain.job.domain] = found;
        }
    }
}

/// The parameters as a domain's program addresses them.
fn parameters<E: DeviceReal>(flat: &Tensor<1>, job: &Job<'_, E>) -> Parameters {
    Parameters {
        flat: flat.clone(),
        own: job.own().start,
    }
}
