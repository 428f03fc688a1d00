//! The engine that runs a plan on the hardware that a command chose.

use std::sync::Arc;

#[cfg(feature = "device")]
use mtmd_schema::TablePlace;
use mtmd_schema::plan::Plan;

#[cfg(feature = "device")]
use super::device::{DeviceExecutor, Weights};
use super::heads::Pairs;
use super::host::{Executor, Scores, TowerRows};
#[cfg(feature = "device")]
use crate::bug::bug;
use crate::data::batch::Batch;
use crate::params::Params;
use crate::profile::Recorder;
use crate::schema::Precision;

/// Where a plan runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Backend {
    /// In host memory, by the processor.
    #[default]
    Host,
    /// On a device.
    #[cfg(feature = "device")]
    Device {
        /// The device.
        device: cubecl::Device,
        /// Where embedding tables are while a model trains.
        tables: TablePlace,
    },
}

/// A plan, ready to run.
#[derive(Debug)]
pub enum Engine<'p> {
    /// In host memory, by the processor.
    Host(Executor<'p>),
    /// On a device.
    #[cfg(feature = "device")]
    Device(Arc<DeviceExecutor<'p>>),
}

/// Weights, where an engine reads them.
#[derive(Debug)]
pub struct Loaded<'a> {
    params: &'a Params<f32>,
    #[cfg(feature = "device")]
    device: Option<Weights>,
}

impl<'p> Engine<'p> {
    /// Verifies the plan; an invalid one stops the program, because it is a bug of the compiler.
    pub fn new(plan: &'p Plan, backend: &Backend) -> Self {
        match backend {
            Backend::Host => Self::Host(Executor::new(plan)),
            #[cfg(feature = "device")]
            Backend::Device { device, .. } => {
                Self::Device(Arc::new(DeviceExecutor::new(plan, device.client())))
            }
        }
    }

    /// Records where the time of steps goes.
    pub fn record(&mut self, recorder: &Arc<Recorder>) {
        match self {
            Self::Host(host) => host.record(recorder),
            #[cfg(feature = "device")]
            Self::Device(device) => device.record(recorder),
        }
    }

    /// Weights, ready to score with.
    pub fn load<'a>(&self, params: &'a Params<f32>) -> Loaded<'a> {
        Loaded {
            params,
            #[cfg(feature = "device")]
            device: match self {
                Self::Host(_) => None,
                Self::Device(device) => Some(device.load(params)),
            },
        }
    }

    /// The scores of each task on its rows, by weights that this engine has loaded.
    pub fn score(
        &self,
        weights: &Loaded<'_>,
        (batch, fields): (&Batch, [&[Vec<f32>]; 2]),
        pairs: &[Pairs],
        precision: Precision,
    ) -> Vec<Scores> {
        match self {
            Self::Host(host) => host.score(weights.params, rows(batch, fields), pairs, precision),
            #[cfg(feature = "device")]
            Self::Device(device) => {
                let Some(loaded) = &weights.device else {
                    bug!("weights that another engine has loaded");
                };
                device.score((weights.params, loaded), (batch, fields), pairs, precision)
            }
        }
    }
}

impl Engine<'_> {
    /// The executor of the host, which a device's has too.
    pub fn host(&self) -> &Executor<'_> {
        match self {
            Self::Host(host) => host,
            #[cfg(feature = "device")]
            Self::Device(device) => device.host(),
        }
    }
}

/// The rows of both towers, as the host's executor takes them; `fields` are by tower and domain.
pub fn rows<'a>(batch: &'a Batch, fields: [&'a [Vec<f32>]; 2]) -> [TowerRows<'a, f32>; 2] {
    let [query, item] = fields;
    [
        TowerRows::new(&batch.query, query),
        TowerRows::new(&batch.item, item),
    ]
}
