//! A batch on the device, and the launches that take it forward and back.

use cubecl::prelude::CubeCount;
use mtmd_schema::Tower;
use mtmd_schema::plan::Plan;

use super::array::{Array, Device, failed};
use super::kernels::block::Way;
use super::kernels::weight::Chunks;
use super::kernels::words::OWN;
use super::kernels::{
    LANES, LINES, activate, cube_dim, gather, heads, light, moments, product, sums, transfer,
    weight,
};
use super::launches::{Launch, Launches};
use super::piece::{Kind, buffer, word};
use super::rows::{BatchHeads, BatchRows, program_of};
use super::watch::Doing;
use crate::bug::{bug, check};
use crate::data::batch::Batch;
use crate::params::Params;
use crate::profile::Part;
use crate::schema::Precision;

/// Weights in device memory.
#[derive(Debug)]
pub struct Weights {
    /// The flat parameters.
    pub(crate) parameters: Array,
    /// The running statistics.
    pub(crate) statistics: Array,
}

impl Weights {
    /// A copy.
    pub fn copy(device: &Device, params: &Params<f32>) -> Self {
        Self {
            parameters: Array::copy(device, &params.values),
            statistics: Array::copy(device, &params.statistics),
        }
    }
}

/// A batch on its way through the plan.
pub struct Pass<'a> {
    plan: &'a Plan,
    launches: &'a Launches,
    device: &'a Device,
    /// `Launches::words`.
    words: &'a Array,
    weights: &'a Weights,
    rows: BatchRows,
    tiles: Array,
    domains: Array,
    memory: Array,
    sums: Array,
    moments: Array,
    way: Way,
}

/// What heads and loss read and find.
struct Scores {
    pairs: Array,
    labels: Array,
    scores: Array,
}

impl<'a> Pass<'a> {
    /// Of a batch, without its fields.
    pub fn new(
        (plan, launches): (&'a Plan, &'a Launches),
        (device, words): (&'a Device, &'a Array),
        weights: &'a Weights,
        batch: &Batch,
        precision: Precision,
    ) -> Self {
        let rows = BatchRows::new(plan, batch);
        let stride = launches.stride;
        let sums = rows.tile_count() * launches.sum_columns.max(launches.moments.columns);
        // Kernels address by words.
        if (rows.rows() * stride).max(sums) >= OWN as usize {
            failed(&format!(
                "{} rows with {stride} numbers each are more than it can address; make batches smaller",
                rows.rows()
            ));
        }
        Self {
            plan,
            launches,
            device,
            words,
            weights,
            tiles: Array::copy(device, &rows.tiles),
            domains: Array::copy(device, &rows.domains),
            memory: Array::uninitialised(device, rows.rows() * stride),
            sums: Array::uninitialised(device, sums),
            moments: Array::uninitialised(device, plan.statistics),
            way: Way::of(device.properties(), precision),
            rows,
        }
    }

    /// Elements of the gradients of all embedded fields.
    pub fn embedded(&self) -> usize {
        self.rows.embedded
    }

    /// Sends the fields of all rows, by tower and domain.
    pub fn send_fields(&self, fields: [&[Vec<f32>]; 2]) {
        let mut all = Vec::with_capacity(self.rows.fields);
        for of in fields.into_iter().flatten() {
            all.extend_from_slice(of);
        }
        check!(
            all.len() == self.rows.fields,
            "{} fields of rows that have {}",
            all.len(),
            self.rows.fields
        );
        self.device.doing(Doing::Part(Part::Rows));
        let fields = Array::copy(self.device, &all);
        self.transfer(&fields, self.launches.transfers.fields, true);
    }

    /// Puts rows of tables and data together to the fields of all rows. `entries` are those of every slot, as
    /// `kernels::gather` reads them, `data` the other fields, by tower and domain.
    pub fn gather(&self, records: &Array, entries: &[u32], data: &[f32]) {
        let slots = self.rows.slots;
        check!(
            entries.len() > slots && data.len() == self.rows.data,
            "{} numbers of data and {} words of entries for {} and {slots} slots",
            data.len(),
            entries.len(),
            self.rows.data
        );
        self.device.doing(Doing::Part(Part::Gather));
        let (header, items) = self.launches.gather;
        if items > 0 {
            gather::run::launch(
                self.device,
                self.by_tile(items),
                cube_dim(),
                self.words.argument(),
                self.tiles.argument(),
                Array::copy(self.device, entries).argument(),
                records.argument(),
                self.memory.argument(),
                header,
                word(slots + 1),
                word(self.launches.stride),
            );
        }
        if !data.is_empty() {
            let data = Array::copy(self.device, data);
            self.transfer(&data, self.launches.transfers.data, true);
        }
    }

    /// Finds what BatchNorms normalise by; the running statistics after a step of training, or those that there are.
    pub fn find_moments(&self, training: bool) -> Array {
        let device = self.device;
        device.doing(Doing::Moments);
        let of = &self.launches.moments;
        let next = Array::uninitialised(device, self.plan.statistics);
        let (header, items) = of.of_tiles;
        let found = &self.sums;
        if training && items > 0 {
            let counts = Array::copy(device, &self.rows.counts);
            moments::of_tiles::launch(
                device,
                self.by_tile(items),
                cube_dim(),
                self.words.argument(),
                self.tiles.argument(),
                counts.argument(),
                self.memory.argument(),
                found.argument(),
                header,
                word(self.launches.stride),
                word(of.columns),
            );
        }
        let (first, items) = of.of_domains;
        if items > 0 {
            moments::of_domains::launch(
                device,
                by_item(items),
                cube_dim(),
                self.words.argument(),
                self.tiles.argument(),
                self.domains.argument(),
                found.argument(),
                self.weights.statistics.argument(),
                self.moments.argument(),
                next.argument(),
                first,
                word(items),
                word(of.columns),
                self.plan.batch_norm_momentum as f32,
                self.plan.norm_eps as f32,
                training,
            );
        }
        next
    }

    /// From the fields to the towers' outputs.
    pub fn forward(&self) {
        for (at, launch) in self.launches.forward.iter().enumerate() {
            self.device.doing(Doing::Forward(at));
            self.launch(launch, None);
        }
    }

    /// From the towers' outputs to the loss of each task, and back to the gradients of the outputs; those of the biases
    /// go to `gradient`.
    pub fn loss(&self, batch: &BatchHeads, gradient: &Array) -> Array {
        let device = self.device;
        device.doing(Doing::Part(Part::Heads));
        let tasks = self.plan.heads.len();
        let found = Scores {
            pairs: Array::copy(device, &batch.pairs),
            labels: Array::copy(device, &batch.labels),
            scores: Array::uninitialised(device, 5 * tasks * batch.rows),
        };
        let (first, rows) = (self.launches.heads.heads, word(batch.rows));
        let lines = CubeCount::Static(word(batch.rows.div_ceil(LINES)), 1, 1);
        heads::logits::launch(
            device,
            lines,
            cube_dim(),
            self.words.argument(),
            found.pairs.argument(),
            self.weights.parameters.argument(),
            self.memory.argument(),
            found.scores.argument(),
            first,
            word(tasks),
            rows,
            word(self.launches.stride),
        );
        let cubes = batch.rows.div_ceil(LANES * LINES);
        let sums = Array::uninitialised(device, cubes * 2 * tasks);
        heads::losses::launch(
            device,
            CubeCount::Static(word(cubes), 1, 1),
            cube_dim(),
            self.words.argument(),
            found.labels.argument(),
            found.scores.argument(),
            sums.argument(),
            first,
            word(tasks),
            rows,
        );
        let losses = Array::uninitialised(device, tasks);
        heads::totals::launch(
            device,
            CubeCount::Static(1, 1, 1),
            cube_dim(),
            self.words.argument(),
            sums.argument(),
            gradient.argument(),
            losses.argument(),
            first,
            word(tasks),
            word(cubes),
        );
        let (header, items) = self.launches.heads.gradients;
        let gradients = Array::uninitialised(device, self.rows.outputs);
        heads::gradients::launch(
            device,
            self.by_tile(items),
            cube_dim(),
            self.words.argument(),
            self.tiles.argument(),
            found.pairs.argument(),
            found.scores.argument(),
            self.memory.argument(),
            gradients.argument(),
            header,
            first,
            word(tasks),
            rows,
            word(batch.starts),
            word(batch.places),
            word(self.launches.stride),
        );
        self.transfer(&gradients, self.launches.transfers.output_gradients, true);
        losses
    }

    /// From the gradients of the outputs to those of all parameters, and of the embedded fields, `[rows, embedded]` by
    /// tower and domain. What no operation writes is left as it was.
    pub fn backward(&self, gradient: &Array) -> Array {
        for (at, launch) in self.launches.backward.iter().enumerate() {
            self.device.doing(Doing::Backward(at));
            self.launch(launch, Some(gradient));
        }
        self.device.doing(Doing::Part(Part::Rows));
        let embedded = Array::uninitialised(self.device, self.rows.embedded);
        self.transfer(&embedded, self.launches.transfers.embedded, false);
        embedded
    }

    /// Outputs of both towers in host memory, `[places, width]` each: 0 for a task that a row's domain lacks.
    pub fn outputs(&self, batch: &Batch) -> [Vec<f32>; 2] {
        let array = Array::uninitialised(self.device, self.rows.outputs);
        self.transfer(&array, self.launches.transfers.outputs, false);
        let found = array.read(self.device, self.rows.outputs);
        let mut left = found.as_slice();
        Tower::ALL.map(|tower| {
            let all = self.plan.tower(tower).width;
            let domains = &batch.tower(tower).domains;
            let rows = domains.last().map_or(0, |places| places.end);
            let mut outputs = vec![0.0; rows * all];
            let mut rows = outputs.chunks_exact_mut(all);
            for (domain, places) in domains.iter().enumerate() {
                let program = program_of(self.plan, tower, domain);
                let own = buffer(program, program.output).width;
                let Some((here, after)) = left.split_at_checked(places.len() * own) else {
                    bug!("too few outputs of the {} tower", tower.name());
                };
                left = after;
                // The rows come second, so that none is lost at the end of a domain.
                for (from, to) in here.chunks_exact(own).zip(rows.by_ref()) {
                    for output in program.outputs.iter() {
                        let to = to.get_mut(output.column..output.column + output.width);
                        let from = from.get(output.start..output.start + output.width);
                        match to.zip(from) {
                            Some((to, from)) => to.copy_from_slice(from),
                            None => bug!("{output:?} is outside of its tower's output"),
                        }
                    }
                }
            }
            outputs
        })
    }

    fn by_tile(&self, items: usize) -> CubeCount {
        CubeCount::Static(word(self.rows.tile_count()), word(items), 1)
    }

    fn launch(&self, launch: &Launch, gradient: Option<&Array>) {
        let device = self.device;
        let (words, tiles) = (self.words.argument(), self.tiles.argument());
        let (memory, parameters) = (self.memory.argument(), self.weights.parameters.argument());
        let stride = word(self.launches.stride);
        let columns = word(self.launches.sum_columns);
        let (by_tile, cube) = (self.by_tile(launch.items), cube_dim());
        let eps = self.plan.norm_eps as f32;
        match launch.kind {
            Kind::Light => light::run::launch(
                device,
                by_tile,
                cube,
                words,
                tiles,
                parameters,
                self.moments.argument(),
                memory,
                self.sums.argument(),
                launch.at,
                stride,
                columns,
            ),
            Kind::Activate => activate::forward::launch(
                device, by_tile, cube, words, tiles, parameters, memory, launch.at, stride, eps,
            ),
            Kind::ActivateBack => activate::backward::launch(
                device,
                by_tile,
                cube,
                words,
                tiles,
                parameters,
                memory,
                self.sums.argument(),
                launch.at,
                stride,
                columns,
                eps,
            ),
            Kind::Product => product::run::launch(
                device, by_tile, cube, words, tiles, parameters, memory, launch.at, stride,
                self.way,
            ),
            Kind::Weight => self.weight(launch, gradients(gradient)),
            Kind::Sums => sums::run::launch(
                device,
                by_item(launch.items),
                cube,
                words,
                self.domains.argument(),
                self.sums.argument(),
                gradients(gradient).argument(),
                launch.at,
                word(launch.items),
                columns,
            ),
        }
    }

    /// Gradients of matrices.
    fn weight(&self, launch: &Launch, gradient: &Array) {
        let device = self.device;
        let items = launch.items;
        let chunks = Chunks::of(items, self.rows.most);
        let partial = Array::uninitialised(device, chunks.numbers(items));
        weight::run::launch(
            device,
            by_item(items * chunks.count),
            cube_dim(),
            self.words.argument(),
            self.domains.argument(),
            self.memory.argument(),
            gradient.argument(),
            partial.argument(),
            launch.at,
            word(items),
            word(chunks.count),
            word(chunks.rows),
            word(self.launches.stride),
            self.way,
        );
        if chunks.count > 1 {
            weight::join::launch(
                device,
                by_item(items),
                cube_dim(),
                self.words.argument(),
                self.domains.argument(),
                partial.argument(),
                gradient.argument(),
                launch.at,
                word(items),
                word(chunks.rows),
            );
        }
    }

    /// From an array to the rows' memory, or back.
    fn transfer(&self, array: &Array, header: u32, into_memory: bool) {
        transfer::run::launch(
            self.device,
            self.by_tile(1),
            cube_dim(),
            self.words.argument(),
            self.tiles.argument(),
            array.argument(),
            self.memory.argument(),
            header,
            word(self.launches.stride),
            into_memory,
        );
    }
}

/// A cube for each item. Their number may be more than devices take in one direction.
pub fn by_item(items: usize) -> CubeCount {
    const ACROSS: usize = 1 << 15;
    let across = items.clamp(1, ACROSS);
    CubeCount::Static(word(across), word(items.div_ceil(across)), 1)
}

/// The gradient of a backward pass.
fn gradients(gradient: Option<&Array>) -> &Array {
    match gradient {
        Some(gradient) => gradient,
        None => bug!("a forward pass writes gradients"),
    }
}
