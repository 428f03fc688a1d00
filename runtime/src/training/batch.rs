//! Batches, made ready for their steps by the loader's threads.

use std::sync::Arc;

use mtmd_schema::plan::Plan;

use crate::data::batch::Batch;
#[cfg(feature = "device")]
use crate::exec::device::BatchHeads;
use crate::exec::heads::{self, HeadRows};
#[cfg(feature = "device")]
use crate::tables::device::{DeviceLayout, TableBatch};
use crate::tables::{TableLayout, TableUses};

/// A batch, with everything for a step that depends on it alone.
#[derive(Debug)]
pub struct TrainingBatch {
    /// The rows.
    pub batch: Batch,
    pub(super) heads: Vec<HeadRows>,
    pub(super) uses: Vec<TableUses>,
    /// For a device, where the loader knows of it.
    #[cfg(feature = "device")]
    pub(super) device: Option<DeviceBatch>,
}

/// What makes batches ready for the steps of one trainer, on any thread.
#[derive(Debug, Clone)]
pub struct Preparation {
    plan: &'static Plan,
    layout: Arc<TableLayout>,
    #[cfg(feature = "device")]
    device: Option<Option<Arc<DeviceLayout>>>,
}

impl TrainingBatch {
    /// Finds the rows that each task scores and learns from, and those of the tables.
    pub fn new(plan: &Plan, layout: &TableLayout, batch: Batch) -> Self {
        Self {
            heads: heads::training(plan, &batch),
            uses: layout.uses(&batch),
            batch,
            #[cfg(feature = "device")]
            device: None,
        }
    }
}

impl Preparation {
    /// Of a plan, whose inputs come from where the layout says. `device` is where the records of tables lie on a device,
    /// if steps are made on one and the tables are there.
    pub(super) fn new(
        plan: &'static Plan,
        layout: &Arc<TableLayout>,
        #[cfg(feature = "device")] device: Option<Option<Arc<DeviceLayout>>>,
    ) -> Self {
        Self {
            plan,
            layout: Arc::clone(layout),
            #[cfg(feature = "device")]
            device,
        }
    }

    /// Finds what steps need of a batch.
    pub fn prepare(&self, batch: Batch) -> TrainingBatch {
        let ready = TrainingBatch::new(self.plan, &self.layout, batch);
        #[cfg(feature = "device")]
        if let Some(layout) = &self.device {
            let rows = (&ready.batch, &*ready.heads, &*ready.uses);
            let device = DeviceBatch::new(self.plan, layout.as_deref(), rows);
            return TrainingBatch {
                device: Some(device),
                ..ready
            };
        }
        ready
    }
}

/// What a step on a device reads of a batch, beside what one on the host does.
#[cfg(feature = "device")]
#[derive(Debug)]
pub struct DeviceBatch {
    pub(super) heads: BatchHeads,
    /// `None` if tables are on the host.
    pub(super) tables: Option<TableBatch>,
}

#[cfg(feature = "device")]
impl DeviceBatch {
    /// Of a batch.
    pub fn new(
        plan: &Plan,
        layout: Option<&DeviceLayout>,
        (batch, heads, uses): (&Batch, &[HeadRows], &[TableUses]),
    ) -> Self {
        Self {
            heads: BatchHeads::new(plan, batch, heads),
            tables: layout.map(|layout| layout.batch(batch, uses)),
        }
    }
}
