//! AdamW in device memory: the same arithmetic as on the host, over the same pieces, in float32. What the host knows of a
//! step (which parts have a gradient, their rates) goes to the device; nothing has to come back before the next step.

mod kernels;

use cubecl::prelude::CubeCount;

use self::kernels::{piece, rate};
use super::update::{PIECE, Rates};
use super::{Optimiser, PartSteps};
use crate::bug::bug;
use crate::exec::device::kernels::words::state;
use crate::exec::device::kernels::{LANES, LINES, cube_dim};
use crate::exec::device::{Device, DeviceArray, Doing, Weights, by_item, word};
use crate::params::Part;
use crate::profile::Part as Spent;

/// The optimiser's arrays on a device.
#[derive(Debug)]
pub struct DeviceOptimiser {
    first: DeviceArray,
    second: DeviceArray,
    pieces: DeviceArray,
    count: usize,
    state: DeviceArray,
}

/// What a step has found, by which it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The gradient of the flat parameters.
    pub gradient: &'a DeviceArray,
    /// Gradients of all embedded fields, and how many there are.
    pub fields: (&'a DeviceArray, usize),
    /// The loss of each task, and how many there are.
    pub losses: (&'a DeviceArray, usize),
    /// The running statistics after the step.
    pub statistics: (&'a DeviceArray, usize),
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The loss of each task.
    pub losses: Vec<f32>,
    /// The gradient's global norm before clipping.
    pub norm: f64,
    /// Whether all gradients of embedded fields are finite.
    pub fields_are_finite: bool,
}

/// A [`Verdict`] in device memory.
#[derive(Debug)]
pub struct PendingVerdict {
    report: DeviceArray,
    tasks: usize,
}

impl PendingVerdict {
    /// Waits for it.
    pub fn wait(&self, device: &Device) -> Verdict {
        let report = self.report.read(device, self.tasks + 2);
        let [losses @ .., norm, bad] = &report[..] else {
            bug!("a report of {} numbers", report.len());
        };
        Verdict {
            losses: losses.to_vec(),
            norm: f64::from(*norm),
            fields_are_finite: *bad == 0.0,
        }
    }
}

impl DeviceOptimiser {
    /// A copy of the host's.
    pub fn copy(device: &Device, of: &Optimiser) -> Self {
        let mut pieces = Vec::new();
        for (place, part) in of.parts.iter().enumerate() {
            for piece in part.pieces() {
                pieces.extend([word(piece.start), word(piece.len()), word(place)]);
            }
        }
        Self {
            first: DeviceArray::copy(device, &of.first),
            second: DeviceArray::copy(device, &of.second),
            count: pieces.len() / piece::WORDS,
            pieces: DeviceArray::copy(device, &pieces),
            state: DeviceArray::copy(device, &[0.0f32; state::NUMBERS]),
        }
    }

    /// What the device remembers from step to step; see `kernels::words::state`.
    pub fn state(&self) -> &DeviceArray {
        &self.state
    }

    /// Steps that were made since the copy.
    pub fn made(&self, device: &Device) -> usize {
        let state = self.state.read(device, state::NUMBERS);
        match state.get(state::MADE) {
            Some(made) => *made as usize,
            None => bug!("a state of {} numbers", state.len()),
        }
    }

    /// The moments, `[parameters]`, to be read.
    pub fn moments(&self) -> [&DeviceArray; 2] {
        [&self.first, &self.second]
    }

    /// Steps the parts that have a gradient, and takes over the running statistics; if a loss or a gradient is not finite,
    /// neither. `of` counts the step.
    pub fn step(
        &self,
        device: &Device,
        of: &mut Optimiser,
        weights: &Weights,
        found: Found<'_>,
        has_gradient: impl Fn(Part) -> bool,
        learning_rate: f64,
    ) -> PendingVerdict {
        device.doing(Doing::Part(Spent::Dense));
        let rates = rates(of, has_gradient, learning_rate);
        let rates = DeviceArray::copy(device, &rates);
        let (fields, len) = found.fields;
        let runs = len.div_ceil(PIECE);
        let sums = DeviceArray::uninitialised(device, self.count + runs);
        let items = word(self.count);
        kernels::squares::launch(
            device,
            by_item(self.count),
            cube_dim(),
            self.pieces.argument(),
            rates.argument(),
            found.gradient.argument(),
            sums.argument(),
            items,
        );
        if runs > 0 {
            kernels::not_finite::launch(
                device,
                by_item(runs),
                cube_dim(),
                fields.argument(),
                sums.argument(),
                word(len),
                items,
            );
        }
        let (losses, tasks) = found.losses;
        let report = DeviceArray::uninitialised(device, tasks + 2);
        kernels::judge::launch(
            device,
            CubeCount::Static(1, 1, 1),
            cube_dim(),
            sums.argument(),
            losses.argument(),
            self.state.argument(),
            report.argument(),
            items,
            word(runs),
            word(tasks),
            of.clip.map_or(0.0, |clip| clip as f32),
            of.clip.is_some(),
        );
        kernels::adamw::launch(
            device,
            by_item(self.count),
            cube_dim(),
            self.pieces.argument(),
            rates.argument(),
            found.gradient.argument(),
            weights.parameters.argument(),
            self.first.argument(),
            self.second.argument(),
            self.state.argument(),
            items,
        );
        let (statistics, len) = found.statistics;
        if len > 0 {
            kernels::take_over::launch(
                device,
                by_item(len.div_ceil(LANES * LINES)),
                cube_dim(),
                statistics.argument(),
                weights.statistics.argument(),
                self.state.argument(),
                word(len),
            );
        }
        PendingVerdict { report, tasks }
    }
}

/// The numbers of every part; counts the step of those with a gradient.
fn rates(of: &mut Optimiser, has_gradient: impl Fn(Part) -> bool, learning_rate: f64) -> Vec<f32> {
    let decay = of.weight_decay;
    let numbers = |part: &mut PartSteps| {
        if !has_gradient(part.part) {
            return [0.0; rate::NUMBERS];
        }
        part.steps += 1;
        let rates = Rates::new(part.steps, learning_rate, decay, 1.0);
        [1.0, rates.keep as f32, rates.rate as f32, rates.root as f32]
    };
    of.parts.iter_mut().flat_map(numbers).collect()
}
