//! The engine that runs a plan on the hardware that a command chose.

use std::sync::Arc;

use mtmd_schema::plan::Plan;

#[cfg(feature = "device")]
use super::device::DeviceExecutor;
use super::heads::{HeadRows, Pairs};
use super::host::{Executor, Scores, Step, TowerRows};
use crate::params::Params;
use crate::profile::{Part, Recorder};
use crate::schema::Precision;

/// Where a plan runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Backend {
    /// In host memory, by the processor.
    #[default]
    Host,
    /// On a device.
    #[cfg(feature = "device")]
    Device(cubecl::Device),
}

/// A plan, ready to run.
#[derive(Debug)]
pub enum Engine<'p> {
    /// In host memory, by the processor.
    Host(Executor<'p>),
    /// On a device.
    #[cfg(feature = "device")]
    Device(Box<DeviceExecutor<'p>>),
}

impl<'p> Engine<'p> {
    /// Verifies the plan; an invalid one stops the program, because it is a bug of the compiler.
    pub fn new(plan: &'p Plan, backend: &Backend) -> Self {
        match backend {
            Backend::Host => Self::Host(Executor::new(plan)),
            #[cfg(feature = "device")]
            Backend::Device(device) => {
                Self::Device(Box::new(DeviceExecutor::new(plan, device.client())))
            }
        }
    }

    /// Records where the time of steps goes.
    pub fn record(&mut self, recorder: &Arc<Recorder>) {
        match self {
            Self::Host(host) => host.record(recorder),
            #[cfg(feature = "device")]
            Self::Device(_) => {}
        }
    }

    /// What the time of a step counts as; `None` for an engine that records by itself what it is spent on.
    pub fn part(&self) -> Option<Part> {
        match self {
            Self::Host(_) => None,
            #[cfg(feature = "device")]
            Self::Device(_) => Some(Part::Device),
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
        match self {
            Self::Host(host) => host.step(params, rows, heads, precision, step),
            #[cfg(feature = "device")]
            Self::Device(device) => device.step(params, rows, heads, precision, step),
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
        match self {
            Self::Host(host) => host.score(params, rows, pairs, precision),
            #[cfg(feature = "device")]
            Self::Device(device) => device.score(params, rows, pairs, precision),
        }
    }
}
