//! A model that trains in device memory. From a step to the next look at the weights, the host's are out of date.

use std::collections::VecDeque;
use std::sync::Arc;

use mtmd_schema::TablePlace;

use super::batch::{DeviceBatch, TrainingBatch};
use super::begun::{Begun, PendingStep};
use crate::bug::bug;
use crate::exec::device::{
    BatchHeads, Device, DeviceArray, DeviceExecutor, Pass, Traffic, Weights, by_domain, read,
};
use crate::optimiser::Optimiser;
use crate::optimiser::device::{DeviceOptimiser, Found, PendingVerdict};
use crate::params::{Params, Part};
use crate::schema::Precision;
use crate::tables::device::{Before, DeviceLayout, DeviceTables, fit};
use crate::tables::{Inputs, Tables};

/// A model on its way between host and device.
#[derive(Debug)]
pub struct DeviceTraining {
    executor: Arc<DeviceExecutor<'static>>,
    /// Where the records of tables lie, if they are on the device.
    layout: Option<Arc<DeviceLayout>>,
    /// What is on the device; `None` where the host's copies are the truth.
    resident: Option<Resident>,
    inputs: Inputs,
}

/// Everything that a step changes.
#[derive(Debug)]
struct Resident {
    weights: Weights,
    optimiser: DeviceOptimiser,
    tables: Option<DeviceTables>,
    /// Steps that were sent.
    sent: usize,
    /// What the host has counted of the last of them, at most [`UNDERWAY`].
    counted: VecDeque<Counted>,
}

/// Steps that may be sent before the first of them is looked at: a step that fails takes with it those behind it.
const UNDERWAY: usize = 2;

/// The host's counts before a step.
#[derive(Debug)]
struct Counted {
    optimiser: Vec<u64>,
    /// `None` if the tables are on the host.
    tables: Option<Before>,
}

/// The host's copies.
#[derive(Debug)]
pub struct HostCopies<'a> {
    /// Weights.
    pub params: &'a mut Params<f32>,
    /// Their optimiser.
    pub optimiser: &'a mut Optimiser,
    /// Tables with theirs.
    pub tables: &'a mut Tables,
}

/// How steps are made.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The precision of products.
    pub precision: Precision,
    /// The learning rate of the dense parameters.
    pub learning_rate: f64,
    /// The factor of the tables' peak rates.
    pub factor: f64,
}

impl Resident {
    fn copy(executor: &DeviceExecutor<'_>, host: &HostCopies<'_>, with_tables: bool) -> Self {
        let device = executor.device();
        Self {
            weights: Weights::copy(device, host.params),
            optimiser: DeviceOptimiser::copy(device, host.optimiser),
            tables: with_tables.then(|| DeviceTables::copy(device, host.tables)),
            sent: 0,
            counted: VecDeque::new(),
        }
    }

    /// Takes note of a step that is sent.
    fn count(&mut self, counted: Counted) {
        self.sent += 1;
        self.counted.push_back(counted);
        if self.counted.len() > UNDERWAY {
            self.counted.pop_front();
        }
    }

    /// Takes back what was counted of steps that were not made, because one of them was not finite.
    fn rewind(&mut self, device: &Device, host: &mut HostCopies<'_>) {
        for _ in self.optimiser.made(device)..self.sent {
            let Some(counted) = self.counted.pop_back() else {
                bug!("more than {UNDERWAY} steps were underway when one of them failed");
            };
            host.optimiser.rewind(&counted.optimiser);
            if let (Some(tables), Some(before)) = (&mut self.tables, &counted.tables) {
                tables.rewind(host.tables, before);
            }
        }
    }
}

impl DeviceTraining {
    /// Nothing is on the device yet. Tables stay with the host if they are asked to, or if the device has no room for
    /// them.
    pub fn new(executor: Arc<DeviceExecutor<'static>>, tables: &Tables, place: TablePlace) -> Self {
        let fits = place == TablePlace::Device && fit(executor.device(), tables);
        Self {
            layout: fits.then(|| Arc::new(DeviceLayout::new(tables))),
            executor,
            resident: None,
            inputs: Inputs::default(),
        }
    }

    /// Where the records of tables lie, if they are on the device.
    pub fn layout(&self) -> Option<&Arc<DeviceLayout>> {
        self.layout.as_ref()
    }

    /// What went between the device and the host so far.
    pub fn traffic(&self) -> Traffic {
        self.executor.traffic()
    }

    /// Whether the host's copies are out of date.
    pub fn is_resident(&self) -> bool {
        self.resident.is_some()
    }

    /// Sends a step to the device. With tables on the host it is made when this returns.
    pub fn step(
        &mut self,
        host: HostCopies<'_>,
        ready: &TrainingBatch,
        has_gradient: impl Fn(Part) -> bool,
        pace: Pace,
    ) -> Begun {
        let executor = Arc::clone(&self.executor);
        let device = executor.device();
        let watched = device
            .watch()
            .map(|watch| (watch.begin(), device.traffic()));
        let layout = self.layout.as_deref();
        let resident = self
            .resident
            .get_or_insert_with(|| Resident::copy(&executor, &host, layout.is_some()));
        let TrainingBatch {
            batch, heads, uses, ..
        } = ready;
        let made;
        let of_batch = match &ready.device {
            Some(of_batch) => of_batch,
            None => {
                made = DeviceBatch::new(executor.plan(), layout, (batch, heads, uses));
                &made
            }
        };
        let pass = executor.pass(&resident.weights, batch, pace.precision);
        let run = Run {
            executor: &executor,
            pass: &pass,
            weights: &resident.weights,
            optimiser: &resident.optimiser,
            heads: &of_batch.heads,
        };
        let state = resident.optimiser.state();
        let counts = host.optimiser.steps();
        let on_device = match (&mut resident.tables, &of_batch.tables) {
            (Some(tables), Some(used)) => Some((tables, used)),
            (None, None) => None,
            // The host's tables are out of date, or the device has none.
            (Some(_), None) | (None, Some(_)) => bug!("a batch made ready for tables elsewhere"),
        };
        let Some((tables, used)) = on_device else {
            host.tables.catch_up(uses);
            host.tables.gather(batch, &mut self.inputs);
            pass.send_fields(self.inputs.both());
            let (verdict, fields) = run.make(host.optimiser, has_gradient, pace);
            let pending = PendingStep {
                device: device.clone(),
                verdict,
            };
            let report = pending.wait(heads);
            if report.is_ok() {
                let fields = fields.read(device, pass.embedded());
                let fields = by_domain(executor.plan(), batch, &fields);
                let fields = fields.each_ref().map(Vec::as_slice);
                host.tables.step(uses, fields, pace.factor);
            }
            resident.count(Counted {
                optimiser: counts,
                tables: None,
            });
            if let Some(watched) = watched {
                record(device, watched);
            }
            return Begun::Made(report);
        };
        let (rows, before) = tables.gather(device, (host.tables, uses), used, &pass, state);
        let (verdict, fields) = run.make(host.optimiser, has_gradient, pace);
        let rows = (used, &rows);
        tables.step(device, host.tables, rows, &fields, state, pace.factor);
        resident.count(Counted {
            optimiser: counts,
            tables: Some(before),
        });
        let pending = PendingStep {
            device: device.clone(),
            verdict,
        };
        let Some(watched) = watched else {
            return Begun::Sent(pending);
        };
        // Its launches are recorded as those of this step.
        let report = pending.wait(heads);
        record(device, watched);
        Begun::Made(report)
    }

    /// Gives the host's copies what the device's have become, and leaves the device.
    pub fn bring_home(&mut self, mut host: HostCopies<'_>) {
        let Some(mut resident) = self.resident.take() else {
            return;
        };
        let device = self.executor.device();
        resident.rewind(device, &mut host);
        let [first, second] = resident.optimiser.moments();
        let parameters = host.params.values.len();
        let arrays = [
            (&resident.weights.parameters, parameters),
            (&resident.weights.statistics, host.params.statistics.len()),
            (first, parameters),
            (second, parameters),
        ];
        let [values, statistics, first, second] = read(device, arrays);
        (host.params.values, host.params.statistics) = (values, statistics);
        host.optimiser.take_moments([first, second]);
        if let Some(tables) = resident.tables {
            tables.bring_home(device, host.tables);
        }
    }
}

/// Records the launches of a step that has ended, from when and what it began with.
fn record(device: &Device, (start, before): (u64, Traffic)) {
    let Some(watch) = device.watch() else {
        bug!("nothing watches this step");
    };
    watch.record(start);
    let now = device.traffic();
    let bytes = now.sent + now.received - before.sent - before.received;
    watch.count(now.waits - before.waits, bytes);
}

/// The passes and the optimiser of one step.
struct Run<'a> {
    executor: &'a DeviceExecutor<'static>,
    pass: &'a Pass<'a>,
    weights: &'a Weights,
    optimiser: &'a DeviceOptimiser,
    heads: &'a BatchHeads,
}

impl Run<'_> {
    /// From the fields to the next weights; the gradients of all embedded fields.
    fn make(
        &self,
        of_host: &mut Optimiser,
        has_gradient: impl Fn(Part) -> bool,
        pace: Pace,
    ) -> (PendingVerdict, DeviceArray) {
        let (executor, pass) = (self.executor, self.pass);
        let plan = executor.plan();
        let statistics = pass.find_moments(true);
        pass.forward();
        let gradient = executor.gradient();
        let losses = pass.loss(self.heads, gradient);
        let fields = pass.backward(gradient);
        let found = Found {
            gradient,
            fields: (&fields, pass.embedded()),
            losses: (&losses, plan.heads.len()),
            statistics: (&statistics, plan.statistics),
        };
        let verdict = self.optimiser.step(
            executor.device(),
            of_host,
            self.weights,
            found,
            has_gradient,
            pace.learning_rate,
        );
        (verdict, fields)
    }
}
