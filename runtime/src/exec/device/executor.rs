//! A plan, ready to run on a device.

#![expect(
    clippy::indexing_slicing,
    reason = "domains, places and columns are of the plan, which is verified, and of the rows, which are held to it"
)]

use cubecl::client::Client;
use cubecl::prelude::{BufferArg, CubeCount};
use mtmd_schema::Tower;
use mtmd_schema::plan::Plan;
use rayon::prelude::*;

use super::array::{Array, failed, read};
use super::kernels::words::{OWN, TILE};
use super::kernels::{activate, cube_dim, light, product, sums, transfer, weight};
use super::piece::{Kind, buffer, word};
use super::rows::BatchRows;
use super::tables::{Launch, Tables};
use crate::bug::{bug, zip_equal};
use crate::exec::heads::{HeadRows, Pairs};
use crate::exec::host::{
    Executor, Job, LogitGradients, Moments, RowEmbeddings, Scores, Step, TowerRows, of_places,
    towers,
};
use crate::params::Params;
use crate::schema::Precision;

/// A plan, ready to run on a device.
pub struct DeviceExecutor<'p> {
    plan: &'p Plan,
    /// For what is computed in host memory.
    host: Executor<'p>,
    tables: Tables,
    words: Array,
    client: Client,
}

impl std::fmt::Debug for DeviceExecutor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceExecutor")
            .field("plan", self.plan)
            .field("tables", &self.tables)
            .finish_non_exhaustive()
    }
}

/// What a pass reads and writes on the device.
struct Pass {
    rows: BatchRows,
    tiles: Array,
    domains: Array,
    parameters: Array,
    moments: Array,
    memory: Array,
    sums: Array,
    rounded: bool,
}

/// Outputs of both towers in host memory, `[places, width]` each.
struct Outputs {
    values: [Vec<f32>; 2],
    widths: [usize; 2],
}

impl Outputs {
    fn of(&self, tower: Tower) -> RowEmbeddings<'_, f32> {
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
    pub fn new(plan: &'p Plan, client: Client) -> Self {
        let tables = Tables::new(plan);
        Self {
            plan,
            host: Executor::new(plan),
            words: Array::copy(&client, &tables.words),
            tables,
            client,
        }
    }

    /// One step of training: the loss of a batch and all its gradients. `rows` are those of the query and
    /// of the item tower.
    pub fn step(
        &self,
        params: &Params<f32>,
        rows: [TowerRows<'_, f32>; 2],
        heads: &[HeadRows],
        precision: Precision,
        step: &mut Step<f32>,
    ) {
        let jobs = self.host.jobs(params, &towers(rows), precision);
        step.statistics.clone_from(&params.statistics);
        let moments = self.host.batch_moments(&jobs, &mut step.statistics);
        let pass = self.pass(params, &jobs, &moments, precision);
        let outputs = self.forward(&pass, &jobs, rows);
        let both = Tower::ALL.map(|tower| outputs.of(tower));
        step.gradient.resize(self.plan.parameters, 0.0);
        let logits = self.host.loss(params, both, heads, step);
        let biases = self.plan.heads.iter().filter_map(|head| head.bias);
        let biases: Vec<_> = biases.map(|at| (at, step.gradient[at])).collect();
        let logits = LogitGradients {
            heads: &self.plan.heads,
            rows: heads,
            logits: &logits,
        };
        let mut gradients = vec![0.0; pass.rows.outputs];
        let mut rest = gradients.as_mut_slice();
        for job in &jobs {
            let width = buffer(job.program, job.program.output_gradient).width;
            let (to, after) = rest.split_at_mut(job.places.len() * width);
            self.output_gradient(job, logits, outputs.of(job.tower.other()), (to, width));
            rest = after;
        }
        let [gradient, embedded] = self.backward(&pass, &gradients);
        step.gradient = gradient;
        for (at, bias) in biases {
            step.gradient[at] = bias;
        }
        let mut rest = &embedded[..];
        for fields in self.host.field_gradients(&jobs, &mut step.fields) {
            let (found, after) = rest.split_at(fields.len());
            fields.copy_from_slice(found);
            rest = after;
        }
    }

    /// The scores of each task on its rows.
    pub fn score(
        &self,
        params: &Params<f32>,
        rows: [TowerRows<'_, f32>; 2],
        pairs: &[Pairs],
        precision: Precision,
    ) -> Vec<Scores> {
        let jobs = self.host.jobs(params, &towers(rows), precision);
        let moments = self.host.running_moments(&jobs, &params.statistics);
        let pass = self.pass(params, &jobs, &moments, precision);
        let outputs = self.forward(&pass, &jobs, rows);
        let both = Tower::ALL.map(|tower| outputs.of(tower));
        let pairs: Vec<&Pairs> = pairs.iter().collect();
        let (_, scores) = self.host.scores(params, both, &pairs);
        scores
    }

    /// Sends what a pass reads to the device.
    fn pass(
        &self,
        params: &Params<f32>,
        jobs: &[Job<'_, f32>],
        moments: &[Vec<Moments<f32>>],
        precision: Precision,
    ) -> Pass {
        let rows: usize = jobs.iter().map(|job| job.places.len()).sum();
        let stride = self.tables.stride;
        let tiles: usize = jobs.iter().map(|job| job.places.len().div_ceil(TILE)).sum();
        // Kernels address by words.
        if (rows * stride).max(tiles * self.tables.sum_columns) >= OWN as usize {
            failed(&format!(
                "{rows} rows with {stride} numbers each are more than it can address; make batches smaller"
            ));
        }
        let rows = BatchRows::new(self.plan, jobs);
        let mut flat = vec![0.0; self.plan.statistics];
        for (job, moments) in zip_equal(jobs, moments) {
            let block = job.statistics().start;
            for (norm, of) in zip_equal(job.program.batch_norms().collect::<Vec<_>>(), moments) {
                let width = norm.from.width;
                flat[block + norm.mean..][..width].copy_from_slice(&of.mean);
                flat[block + norm.variance..][..width].copy_from_slice(&of.scale);
            }
        }
        let client = &self.client;
        let sums = tiles * self.tables.sum_columns;
        Pass {
            tiles: Array::copy(client, &rows.tiles),
            domains: Array::copy(client, &rows.domains),
            parameters: Array::copy(client, &params.values),
            moments: Array::copy(client, &flat),
            memory: Array::uninitialised(client, rows.rows * stride),
            sums: Array::uninitialised(client, sums),
            rounded: precision == Precision::Bfloat16,
            rows,
        }
    }

    /// Runs the forward program of every domain with rows: the outputs of the towers, 0 for a task that a row's domain
    /// lacks.
    fn forward(
        &self,
        pass: &Pass,
        jobs: &[Job<'_, f32>],
        rows: [TowerRows<'_, f32>; 2],
    ) -> Outputs {
        let mut fields = Vec::with_capacity(pass.rows.fields);
        jobs.iter()
            .for_each(|job| fields.extend_from_slice(job.rows.fields));
        let transfers = self.tables.transfers;
        let fields = Array::copy(&self.client, &fields);
        self.transfer(pass, &fields, transfers.fields, true);
        self.tables
            .forward
            .iter()
            .for_each(|launch| self.launch(pass, *launch, None));
        let outputs = Array::uninitialised(&self.client, pass.rows.outputs);
        self.transfer(pass, &outputs, transfers.outputs, false);
        let mut found = read(&self.client, &[(&outputs, pass.rows.outputs)]);
        let Some(found) = found.pop() else {
            bug!("outputs that were read are not there");
        };
        self.outputs(jobs, rows, &found)
    }

    /// The towers' outputs from those of each domain.
    fn outputs(
        &self,
        jobs: &[Job<'_, f32>],
        rows: [TowerRows<'_, f32>; 2],
        found: &[f32],
    ) -> Outputs {
        let widths = Tower::ALL.map(|tower| self.plan.tower(tower).width);
        let places = rows.each_ref().map(TowerRows::places);
        let mut outputs = Outputs {
            values: [0, 1].map(|tower| vec![0.0; places[tower] * widths[tower]]),
            widths,
        };
        let mut start = 0;
        for job in jobs {
            let all = widths[job.tower as usize];
            let own = buffer(job.program, job.program.output).width;
            let end = start + job.places.len() * own;
            let to = &mut outputs.values[job.tower as usize];
            let to = &mut to[job.places.start * all..job.places.end * all];
            let rows = to
                .chunks_exact_mut(all)
                .zip(found[start..end].chunks_exact(own));
            for (to, found) in rows {
                for output in job.program.outputs.iter() {
                    let from = &found[output.start..output.start + output.width];
                    to[output.column..output.column + output.width].copy_from_slice(from);
                }
            }
            start = end;
        }
        outputs
    }

    /// From the gradients of the outputs to those of all parameters and of the embedded fields.
    fn backward(&self, pass: &Pass, gradients: &[f32]) -> [Vec<f32>; 2] {
        let client = &self.client;
        let transfers = self.tables.transfers;
        let outputs = Array::copy(client, gradients);
        self.transfer(pass, &outputs, transfers.output_gradients, true);
        // What no operation writes is 0.
        let flat = Array::copy(client, &vec![0.0f32; self.plan.parameters]);
        for launch in &self.tables.backward {
            self.launch(pass, *launch, Some(&flat));
        }
        let embedded = Array::uninitialised(client, pass.rows.embedded);
        self.transfer(pass, &embedded, transfers.embedded, false);
        let arrays = [
            (&flat, self.plan.parameters),
            (&embedded, pass.rows.embedded),
        ];
        match <[Vec<f32>; 2]>::try_from(read(client, &arrays)) {
            Ok(found) => found,
            Err(found) => bug!("{} of two arrays were read", found.len()),
        }
    }

    fn launch(&self, pass: &Pass, launch: Launch, gradient: Option<&Array>) {
        let client = &self.client;
        let (words, tiles) = (self.words.argument(), pass.tiles.argument());
        let stride = word(self.tables.stride);
        let columns = word(self.tables.sum_columns);
        let by_item = CubeCount::Static(word(launch.items), 1, 1);
        let by_tile = CubeCount::Static(word(pass.rows.tile_count()), word(launch.items), 1);
        let eps = self.plan.norm_eps as f32;
        match launch.kind {
            Kind::Light => light::run::launch(
                client,
                by_tile,
                cube_dim(),
                words,
                tiles,
                pass.parameters.argument(),
                pass.moments.argument(),
                pass.memory.argument(),
                pass.sums.argument(),
                launch.at,
                stride,
                columns,
            ),
            Kind::Activate => activate::forward::launch(
                client,
                by_tile,
                cube_dim(),
                words,
                tiles,
                pass.parameters.argument(),
                pass.memory.argument(),
                launch.at,
                stride,
                eps,
            ),
            Kind::ActivateBack => activate::backward::launch(
                client,
                by_tile,
                cube_dim(),
                words,
                tiles,
                pass.parameters.argument(),
                pass.memory.argument(),
                pass.sums.argument(),
                launch.at,
                stride,
                columns,
                eps,
            ),
            Kind::Product => product::run::launch(
                client,
                by_tile,
                cube_dim(),
                words,
                tiles,
                pass.parameters.argument(),
                pass.memory.argument(),
                launch.at,
                stride,
                pass.rounded,
            ),
            Kind::Weight => weight::run::launch(
                client,
                by_item,
                cube_dim(),
                words,
                pass.domains.argument(),
                pass.memory.argument(),
                gradients(gradient),
                launch.at,
                stride,
                pass.rounded,
            ),
            Kind::Sums => sums::run::launch(
                client,
                by_item,
                cube_dim(),
                words,
                pass.domains.argument(),
                pass.sums.argument(),
                gradients(gradient),
                launch.at,
                columns,
            ),
        }
    }

    /// From an array to the rows' memory, or back.
    fn transfer(&self, pass: &Pass, array: &Array, header: u32, into_memory: bool) {
        transfer::run::launch(
            &self.client,
            CubeCount::Static(word(pass.rows.tile_count()), 1, 1),
            cube_dim(),
            self.words.argument(),
            pass.tiles.argument(),
            array.argument(),
            pass.memory.argument(),
            header,
            word(self.tables.stride),
            into_memory,
        );
    }

    /// Gradient of a domain's output; `other` is the output of the other tower.
    fn output_gradient(
        &self,
        job: &Job<'_, f32>,
        logits: LogitGradients<'_>,
        other: RowEmbeddings<'_, f32>,
        (to, width): (&mut [f32], usize),
    ) {
        let pieces = to.par_chunks_mut(PLACES * width).enumerate();
        pieces.for_each(|(piece, to)| {
            let first = job.places.start + piece * PLACES;
            let place = (job.tower, first);
            of_places(logits, &job.program.outputs, place, other, (to, width));
        });
    }
}

/// The gradient of a backward pass, as an argument of a launch.
fn gradients(gradient: Option<&Array>) -> BufferArg {
    match gradient {
        Some(gradient) => gradient.argument(),
        None => bug!("a forward pass writes gradients"),
    }
}
