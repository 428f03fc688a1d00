//! What a table keeps of a row, and what a step does to it.
//!
//! Everything of a row lies side by side in one record, so that a row of a large table is one place in
//! memory and not four:
//!
//! ```text
//! adamw            [last step] [steps seen] [weight] [first moment] [second moment]
//! lazy_adam                    [steps seen] [weight] [first moment] [second moment]
//! rowwise_adagrad  [sum]       [steps seen] [weight]
//! read only                                 [weight]
//! ```
//!
//! `steps seen` is there if the learning rate depends on it (`frequency K`): a row that n steps have
//! named, the present one among them, learns at n / (n + K) of the rate. Its weight decay is whole.

#![expect(
    clippy::indexing_slicing,
    reason = "a record has the stride of its rule, and the header that the rule says"
)]

use crate::bug::bug;
#[cfg(feature = "device")]
use crate::exec::device::word;
use crate::schema::{Embeddings, TableOptimiser};
use crate::tables::clock::{BETA1, BETA2, CatchUp, EPSILON, RateHistory};
#[cfg(feature = "device")]
use crate::tables::device::kernels::{factor, table};

/// How the rows of a table are kept and stepped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// `None`: rows are read only.
    optimiser: Option<TableOptimiser>,
    frequency: Option<f32>,
    dim: usize,
    /// Numbers before the weight.
    header: usize,
}

/// An array of a table's optimiser: one number a row, or one for each of the weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StateArray {
    /// Name, as PyTorch's optimisers have it; `seen` is ours.
    pub name: &'static str,
    /// Numbers of a row.
    pub width: usize,
    /// Whether the array is `[rows]` and not `[rows, width]`.
    pub flat: bool,
    /// Place in the record.
    pub start: usize,
}

impl StateArray {
    /// Shape of the array in a table of so many rows.
    pub(super) fn shape(&self, rows: usize) -> Vec<usize> {
        if self.flat {
            vec![rows]
        } else {
            vec![rows, self.width]
        }
    }

    /// Its columns of a record.
    pub(super) fn columns(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.width
    }
}

/// Factors of one step, the same for all rows.
pub(super) struct Factors {
    /// The step, and the rate of Adagrad at it.
    step: u32,
    lr: f32,
    decay: f32,
    /// lr / (1 - b1^t).
    rate: f32,
    /// 1 / sqrt(1 - b2^t).
    correction: f32,
}

impl Rule {
    pub(super) fn new(settings: &Embeddings, dim: usize) -> Self {
        let first = match settings.optimiser {
            TableOptimiser::Adamw | TableOptimiser::RowwiseAdagrad => 1,
            TableOptimiser::LazyAdam => 0,
        };
        Self {
            optimiser: Some(settings.optimiser),
            frequency: settings.frequency.map(|steps| steps as f32),
            dim,
            header: first + usize::from(settings.frequency.is_some()),
        }
    }

    /// That of rows which are read only.
    pub(super) fn read_only(dim: usize) -> Self {
        Self {
            optimiser: None,
            frequency: None,
            dim,
            header: 0,
        }
    }

    /// As a device reads it, with the clock of its table.
    #[cfg(feature = "device")]
    pub(super) fn words(&self, clock: usize) -> [u32; table::WORDS] {
        let mut words = [0; table::WORDS];
        words[table::WIDTH] = word(self.dim);
        words[table::HEADER] = word(self.header);
        words[table::RULE] = match self.optimiser {
            Some(TableOptimiser::Adamw) => table::ADAMW,
            Some(TableOptimiser::LazyAdam) => table::LAZY_ADAM,
            Some(TableOptimiser::RowwiseAdagrad) => table::ADAGRAD,
            None => bug!("rows that are read only, to be stepped by a device"),
        };
        words[table::FREQUENCY] = self.frequency.unwrap_or(0.0).to_bits();
        words[table::CLOCK] = word(clock);
        words
    }

    /// Numbers of a record.
    pub(super) fn stride(&self) -> usize {
        let moments = match self.optimiser {
            Some(TableOptimiser::Adamw | TableOptimiser::LazyAdam) => 2,
            Some(TableOptimiser::RowwiseAdagrad) | None => 0,
        };
        self.header + (1 + moments) * self.dim
    }

    /// Where the weight lies in a record.
    pub(super) fn weight(&self) -> std::ops::Range<usize> {
        self.header..self.header + self.dim
    }

    /// The weight as an array.
    pub(super) fn weight_array(&self) -> StateArray {
        StateArray {
            name: "weight",
            width: self.dim,
            flat: false,
            start: self.header,
        }
    }

    /// What a checkpoint keeps beside the weight. `last step` is none of it: rows are up to date then.
    pub(super) fn arrays(&self) -> Vec<StateArray> {
        let flat = |name, start| StateArray {
            name,
            width: 1,
            flat: true,
            start,
        };
        let moment = |name, place| StateArray {
            name,
            width: self.dim,
            flat: false,
            start: self.header + place * self.dim,
        };
        let mut arrays = match self.optimiser {
            Some(TableOptimiser::Adamw | TableOptimiser::LazyAdam) => {
                vec![moment("exp_avg", 1), moment("exp_avg_sq", 2)]
            }
            Some(TableOptimiser::RowwiseAdagrad) => vec![flat("sum", 0)],
            None => vec![],
        };
        if self.frequency.is_some() {
            arrays.push(flat("seen", self.header - 1));
        }
        arrays
    }

    /// Whether rows that no batch names move too.
    pub(super) fn is_dense(&self) -> bool {
        self.optimiser == Some(TableOptimiser::Adamw)
    }

    /// Says that a row is up to date at a step.
    #[inline]
    pub(super) fn stamp(&self, record: &mut [f32], step: u32) {
        if self.is_dense() {
            record[0] = f32::from_bits(step);
        }
    }

    /// The step that a row is up to date at, if the rule keeps it.
    #[cfg(feature = "device")]
    pub(super) fn last(&self, record: &[f32]) -> Option<u32> {
        self.is_dense().then(|| record[0].to_bits())
    }

    /// What a row that lies behind has missed; `None` if it is up to date.
    #[inline]
    fn missed(&self, header: &[f32], clock: &RateHistory) -> Option<CatchUp> {
        if !self.is_dense() {
            return None;
        }
        let last = header[0].to_bits();
        (last < clock.now()).then(|| clock.catch_up(last, self.share(header)))
    }

    /// The part of the learning rate that a row gets for the steps that it has seen.
    #[inline]
    fn share(&self, header: &[f32]) -> f32 {
        self.frequency.map_or(1.0, |half| {
            let seen = header[self.header - 1];
            seen / (seen + half)
        })
    }

    /// Adds `factor` times a row's weight at present.
    #[inline]
    pub(super) fn add(&self, record: &[f32], clock: &RateHistory, factor: f32, to: &mut [f32]) {
        let (header, rest) = record.split_at(self.header);
        let (weight, state) = rest.split_at(self.dim);
        let Some(missed) = self.missed(header, clock) else {
            to.iter_mut()
                .zip(weight)
                .for_each(|(to, weight)| *to += factor * weight);
            return;
        };
        let (first, second) = state.split_at(self.dim);
        for (((to, weight), first), second) in to.iter_mut().zip(weight).zip(first).zip(second) {
            *to += factor * missed.weight(*weight, *first, *second);
        }
    }

    /// Brings a row to the present.
    #[inline]
    pub(super) fn catch_up(&self, record: &mut [f32], clock: &RateHistory) {
        let (header, rest) = record.split_at_mut(self.header);
        if let Some(missed) = self.missed(header, clock) {
            let (weight, state) = rest.split_at_mut(self.dim);
            let (first, second) = state.split_at_mut(self.dim);
            missed.apply(weight, first, second);
        }
        self.stamp(record, clock.now());
    }

    /// Steps a row that a batch names.
    #[inline]
    pub(super) fn step(
        &self,
        record: &mut [f32],
        gradient: &[f32],
        clock: &RateHistory,
        factors: &Factors,
    ) {
        self.catch_up(record, clock);
        self.stamp(record, factors.step);
        let (header, rest) = record.split_at_mut(self.header);
        let (weight, state) = rest.split_at_mut(self.dim);
        if self.frequency.is_some() {
            // Beyond 2^24 steps, adding one changes nothing, nor would it the share.
            header[self.header - 1] += 1.0;
        }
        let share = self.share(header);
        match self.optimiser {
            Some(TableOptimiser::Adamw | TableOptimiser::LazyAdam) => {
                let (first, second) = state.split_at_mut(self.dim);
                factors.adam(weight, first, second, gradient, share);
            }
            Some(TableOptimiser::RowwiseAdagrad) => {
                factors.adagrad(weight, &mut header[0], gradient, share);
            }
            None => bug!("a step of rows that are read only"),
        }
    }
}

impl Factors {
    /// Those of the step after `clock.now()`.
    pub(super) fn new(clock: &RateHistory, factor: f64) -> Self {
        let lr = clock.rate(factor);
        let step = clock.now() + 1;
        let power = f64::from(step);
        Self {
            step,
            lr: lr as f32,
            decay: clock.decay(lr) as f32,
            rate: (lr / (1.0 - BETA1.powf(power))) as f32,
            correction: (1.0 / (1.0 - BETA2.powf(power)).sqrt()) as f32,
        }
    }

    /// As a device reads them.
    #[cfg(feature = "device")]
    pub(super) fn numbers(&self) -> [f32; factor::NUMBERS] {
        let mut numbers = [0.0; factor::NUMBERS];
        numbers[factor::LR] = self.lr;
        numbers[factor::DECAY] = self.decay;
        numbers[factor::RATE] = self.rate;
        numbers[factor::CORRECTION] = self.correction;
        numbers
    }

    #[inline]
    fn adam(
        &self,
        weight: &mut [f32],
        first: &mut [f32],
        second: &mut [f32],
        gradient: &[f32],
        share: f32,
    ) {
        const KEEP: [f32; 2] = [BETA1 as f32, BETA2 as f32];
        const TAKE: [f32; 2] = [(1.0 - BETA1) as f32, (1.0 - BETA2) as f32];
        let rate = share * self.rate;
        for (((weight, first), second), gradient) in
            weight.iter_mut().zip(first).zip(second).zip(gradient)
        {
            *first = KEEP[0] * *first + TAKE[0] * gradient;
            *second = KEEP[1] * *second + TAKE[1] * gradient * gradient;
            let size = second.sqrt() * self.correction + EPSILON as f32;
            *weight = self.decay * *weight - rate * *first / size;
        }
    }

    #[inline]
    fn adagrad(&self, weight: &mut [f32], sum: &mut f32, gradient: &[f32], share: f32) {
        let squares: f32 = gradient.iter().map(|gradient| gradient * gradient).sum();
        *sum += squares / gradient.len().max(1) as f32;
        let rate = share * self.lr / (sum.sqrt() + EPSILON as f32);
        for (weight, gradient) in weight.iter_mut().zip(gradient) {
            *weight = self.decay * *weight - rate * gradient;
        }
    }
}
