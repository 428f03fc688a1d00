//! A plan, ready to run on a device.

use std::sync::{Arc, OnceLock};

use cubecl::client::Client;
use mtmd_schema::Tower;
use mtmd_schema::plan::Plan;

use super::array::{Array, Device, Traffic, read};
use super::launches::Launches;
use super::pass::{Pass, Weights};
use super::rows::{BatchHeads, by_domain};
use super::tables::program_index;
use super::watch::Watch;
use super::work::RowWork;
use crate::bug::{bug, zip_equal};
use crate::data::batch::Batch;
use crate::exec::heads::{HeadRows, Pairs};
use crate::exec::host::{Executor, RowEmbeddings, Scores, Step, TaskLoss};
use crate::params::Params;
use crate::profile::Recorder;
use crate::schema::Precision;

/// A plan, ready to run on a device.
pub struct DeviceExecutor<'p> {
    plan: &'p Plan,
    /// For the heads of scores.
    host: Executor<'p>,
    launches: Launches,
    words: Array,
    device: Device,
    /// The gradient of all parameters. A step writes every element that any operation of the plan writes, whatever its
    /// rows; all others are 0 for ever.
    gradient: OnceLock<Array>,
}

impl std::fmt::Debug for DeviceExecutor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceExecutor")
            .field("plan", self.plan)
            .field("launches", &self.launches)
            .finish_non_exhaustive()
    }
}

impl<'p> DeviceExecutor<'p> {
    /// Verifies the plan; an invalid one stops the program, because it is a bug of the compiler.
    pub fn new(plan: &'p Plan, client: Client) -> Self {
        let device = Device::new(client);
        let launches = Launches::new(plan);
        Self {
            plan,
            host: Executor::new(plan),
            words: Array::copy(&device, &launches.words),
            launches,
            device,
            gradient: OnceLock::new(),
        }
    }

    /// One step of training with weights of the host: the loss of a batch and all its gradients. `fields` are by tower and
    /// domain, `[rows, width of the program's input]`.
    pub fn step(
        &self,
        params: &Params<f32>,
        (batch, fields): (&Batch, [&[Vec<f32>]; 2]),
        heads: &[HeadRows],
        precision: Precision,
        step: &mut Step<f32>,
    ) {
        let weights = Weights::copy(&self.device, params);
        let pass = self.pass(&weights, batch, precision);
        pass.send_fields(fields);
        let next = pass.find_moments(true);
        pass.forward();
        let gradient = self.gradient();
        let losses = pass.loss(&BatchHeads::new(self.plan, batch, heads), gradient);
        let embedded = pass.backward(gradient);
        let arrays = [
            (&losses, self.plan.heads.len()),
            (gradient, self.plan.parameters),
            (&next, self.plan.statistics),
            (&embedded, pass.embedded()),
        ];
        let [losses, gradient, statistics, embedded] = read(&self.device, arrays);
        step.gradient = gradient;
        step.statistics = statistics;
        step.tasks = task_losses(heads, &losses);
        let terms = zip_equal(&*self.plan.heads, &step.tasks);
        let term = |(head, loss): (&mtmd_schema::plan::HeadPlan, &Option<TaskLoss>)| {
            loss.map_or(0.0, |loss| head.weight * loss.mean)
        };
        step.loss = terms.map(term).sum();
        step.fields = by_domain(self.plan, batch, &embedded);
    }

    /// Records where the time of its launches goes.
    pub fn record(&self, recorder: &Arc<Recorder>) {
        let watch = Watch::new(self.plan, &self.launches, recorder);
        self.device.watch_by(watch);
    }

    /// Weights, ready to score with.
    pub fn load(&self, params: &Params<f32>) -> Weights {
        Weights::copy(&self.device, params)
    }

    /// The scores of each task on its rows, by weights of the host and what [`Self::load`] has made of them.
    pub fn score(
        &self,
        (params, weights): (&Params<f32>, &Weights),
        (batch, fields): (&Batch, [&[Vec<f32>]; 2]),
        pairs: &[Pairs],
        precision: Precision,
    ) -> Vec<Scores> {
        let pass = self.pass(weights, batch, precision);
        pass.send_fields(fields);
        pass.find_moments(false);
        pass.forward();
        let [query, item] = pass.outputs(batch);
        let outputs = |values, tower| RowEmbeddings {
            values,
            width: self.plan.tower(tower).width,
        };
        let both = [outputs(&*query, Tower::Query), outputs(&*item, Tower::Item)];
        let pairs: Vec<&Pairs> = pairs.iter().collect();
        let (_, scores) = self.host.scores(params, both, &pairs);
        scores
    }

    /// What went between the device and the host so far.
    pub fn traffic(&self) -> Traffic {
        self.device.traffic()
    }

    /// What the operations of the plan do to all rows of a batch, forward and backward.
    pub fn work(&self, batch: &Batch) -> RowWork {
        let mut all = RowWork::default();
        for tower in Tower::ALL {
            for (domain, places) in batch.tower(tower).domains.iter().enumerate() {
                let program = program_index(self.plan, tower, domain);
                let Some(work) = self.launches.row_work.get(program) else {
                    bug!("no program {program}");
                };
                all = all.and(work.times(places.len()));
            }
        }
        all
    }

    /// The same for the host.
    pub(crate) fn host(&self) -> &Executor<'p> {
        &self.host
    }

    /// What it runs.
    pub(crate) fn plan(&self) -> &'p Plan {
        self.plan
    }

    /// What the device is asked by.
    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    /// A batch on the device.
    pub(crate) fn pass<'a>(
        &'a self,
        weights: &'a Weights,
        batch: &Batch,
        precision: Precision,
    ) -> Pass<'a> {
        let plan = (self.plan, &self.launches);
        Pass::new(plan, (&self.device, &self.words), weights, batch, precision)
    }

    /// The gradient of all parameters, as the last step has left it.
    pub(crate) fn gradient(&self) -> &Array {
        let zeros = || Array::copy(&self.device, &vec![0.0f32; self.plan.parameters]);
        self.gradient.get_or_init(zeros)
    }
}

/// The loss of each task on a batch.
pub fn task_losses(heads: &[HeadRows], losses: &[f32]) -> Vec<Option<TaskLoss>> {
    let of = |(rows, loss): (&HeadRows, &f32)| {
        let rows = rows.labels.at.len();
        let mean = f64::from(*loss);
        (rows > 0).then_some(TaskLoss { rows, mean })
    };
    zip_equal(heads, losses).map(of).collect()
}
