//! What AdamW does to a row while no batch touches it.
//!
//! Dense AdamW (betas b1 and b2, weight decay w, learning rate r_t) moves a row at every step, even
//! when its gradient is zero. For a row that was last touched at step s, with moments m and v then:
//!
//! ```text
//! x_t = (1 - r_t w) x_{t-1} - r_t [b1^j m / (1 - b1^t)] / [sqrt(b2^j v / (1 - b2^t)) + eps]
//!     = (1 - r_t w) x_{t-1} - g_t m / (sqrt(v) + eps q_t)                           with j = t - s,
//! g_t = r_t (b1 / sqrt(b2))^j sqrt(1 - b2^t) / (1 - b1^t),     q_t = b2^(-j/2) sqrt(1 - b2^t)
//! ```
//!
//! Without eps, all steps from s to T together are a number times m / sqrt(v), the same for every entry
//! of every row of that s. With it, they are to first order in eps, taking for q_t its mean:
//!
//! ```text
//! x_T = D x_s - G m / (sqrt(v) + eps Q / G)
//! D = prod_{s < t <= T} (1 - r_t w)
//! G = sum_{s < t <= T} g_t D(t, T),    Q = sum_{s < t <= T} g_t q_t D(t, T)
//! ```
//!
//! D is kept as a running sum of logarithms. G and Q gain one term a step, and the terms shrink by
//! b1 / sqrt(b2) and b1 / b2, about 0.9: only the last [`WINDOW`] values of s gain anything.
//!
//! What is approximate: the second order in eps, which matters to entries with sqrt(v) near or below
//! eps = 1e-8 only; the terms after the window, 1e-12 of the first; and the rounding of float32. Against
//! dense AdamW in float64 (tests/tables.rs), as a share of the sum of the learning rates, the largest
//! error of 4,000 random runs was 2e-6 for gradients from 1e-2 up, 4e-3 for those from 1e-12 up.

#![expect(
    clippy::indexing_slicing,
    reason = "the history has an entry for every step since the last flush, and no row is older"
)]

#[cfg(feature = "device")]
use crate::tables::device::kernels::missed;

pub(super) use crate::schema::constants::{
    ADAMW_BETA_1 as BETA1, ADAMW_BETA_2 as BETA2, ADAMW_EPSILON as EPSILON,
};

/// Steps after which a row's old momentum has no effect: 0.9005^256 = 2e-12.
const WINDOW: usize = 256;

/// Learning rates of the steps since a step before which no row was left behind.
#[derive(Debug, Clone)]
pub(super) struct RateHistory {
    /// The peak of the learning rate: steps come with their factor of it.
    peak: f64,
    weight_decay: f64,
    /// The step that `history` begins with.
    start: u32,
    /// One entry for each step from `start` to now.
    history: Vec<Moment>,
    /// (b1 / sqrt(b2))^j and (b1 / b2)^j for j from 1.
    powers: Vec<(f64, f64)>,
}

/// What the steps since a step s have added up to.
#[derive(Debug, Clone, Copy, Default)]
struct Moment {
    /// ln D(start, s).
    log_decay: f64,
    /// G(s, min(now, s + WINDOW)).
    drift: f64,
    /// Q(s, min(now, s + WINDOW)).
    epsilon_drift: f64,
}

/// The end of a [`RateHistory`], as it was at a step.
#[cfg(feature = "device")]
#[derive(Debug, Clone)]
pub(super) struct Mark {
    len: usize,
    tail: Vec<Moment>,
}

/// What to do to a row that was last touched at a certain step.
#[derive(Debug, Clone, Copy)]
pub(super) struct CatchUp {
    /// D, for the weights.
    decay: f32,
    /// G.
    drift: f32,
    /// eps Q / G.
    epsilon: f32,
    /// b1^j, for the first moment.
    first: f32,
    /// b2^j, for the second.
    second: f32,
}

impl RateHistory {
    pub(super) fn new(peak: f64, weight_decay: f64) -> Self {
        let (g, q) = (BETA1 / BETA2.sqrt(), BETA1 / BETA2);
        let powers = std::iter::successors(Some((g, q)), |(x, y)| Some((g * x, q * y)));
        Self {
            peak,
            weight_decay,
            start: 0,
            history: vec![Moment::default()],
            powers: powers.take(WINDOW).collect(),
        }
    }

    /// The clock at step `now`, with all rows up to date.
    pub(super) fn at(&self, now: u32) -> Self {
        Self {
            peak: self.peak,
            weight_decay: self.weight_decay,
            start: now,
            history: vec![Moment::default()],
            powers: self.powers.clone(),
        }
    }

    /// Whether no step has been made since the clock started.
    pub(super) fn is_fresh(&self) -> bool {
        self.history.len() == 1
    }

    pub(super) fn now(&self) -> u32 {
        self.start + (self.history.len() - 1) as u32
    }

    /// Factor of weight decay at a step. A rate and decay whose product is 1 or more would turn
    /// weights over; here they end at zero.
    pub(super) fn decay(&self, lr: f64) -> f64 {
        (1.0 - lr * self.weight_decay).max(f64::MIN_POSITIVE)
    }

    /// The learning rate at a factor of its peak.
    pub(super) fn rate(&self, factor: f64) -> f64 {
        self.peak * factor
    }

    /// Takes note of a step.
    pub(super) fn advance(&mut self, factor: f64) {
        let lr = self.rate(factor);
        let step = f64::from(self.now() + 1);
        let decay = self.decay(lr);
        let spread = 1.0 - BETA2.powf(step);
        let gain = lr / (1.0 - BETA1.powf(step));
        for (moment, (g, q)) in self.history.iter_mut().rev().zip(&self.powers) {
            moment.drift = decay * moment.drift + gain * spread.sqrt() * g;
            moment.epsilon_drift = decay * moment.epsilon_drift + gain * spread * q;
        }
        let log_decay = self.history[self.history.len() - 1].log_decay + decay.ln();
        self.history.push(Moment {
            log_decay,
            ..Moment::default()
        });
    }

    /// What the next step will change.
    #[cfg(feature = "device")]
    pub(super) fn mark(&self) -> Mark {
        let len = self.history.len();
        let start = len.saturating_sub(WINDOW);
        Mark {
            len,
            tail: self.history[start..].to_vec(),
        }
    }

    /// Forgets the steps since a mark.
    #[cfg(feature = "device")]
    pub(super) fn rewind(&mut self, mark: &Mark) {
        self.history.truncate(mark.len - mark.tail.len());
        self.history.extend_from_slice(&mark.tail);
    }

    /// How to bring a row of step `last` to the present, that learns at `share` of the rate. G is
    /// proportional to it, D and the moments do not depend on it.
    pub(super) fn catch_up(&self, last: u32, share: f32) -> CatchUp {
        let (since, now) = ((last - self.start) as usize, self.history.len() - 1);
        let from = self.history[since];
        let settled = self.history[(since + WINDOW).min(now)];
        let present = self.history[now];
        let behind = (now - since) as f64;
        let epsilon = if from.drift > 0.0 {
            from.epsilon_drift / from.drift
        } else {
            1.0
        };
        CatchUp {
            decay: (present.log_decay - from.log_decay).exp() as f32,
            drift: share * (from.drift * (present.log_decay - settled.log_decay).exp()) as f32,
            epsilon: (EPSILON * epsilon) as f32,
            first: (behind * BETA1.ln()).exp() as f32,
            second: (behind * BETA2.ln()).exp() as f32,
        }
    }
}

impl CatchUp {
    /// As a device reads it.
    #[cfg(feature = "device")]
    pub(super) fn numbers(&self) -> [f32; missed::NUMBERS] {
        let mut numbers = [0.0; missed::NUMBERS];
        numbers[missed::DECAY] = self.decay;
        numbers[missed::DRIFT] = self.drift;
        numbers[missed::EPSILON] = self.epsilon;
        numbers[missed::FIRST] = self.first;
        numbers[missed::SECOND] = self.second;
        numbers
    }

    /// The weight at present.
    #[inline]
    pub(super) fn weight(&self, weight: f32, first: f32, second: f32) -> f32 {
        self.decay * weight - self.drift * first / (second.sqrt() + self.epsilon)
    }

    /// Brings a row to the present.
    #[inline]
    pub(super) fn apply(&self, weight: &mut [f32], first: &mut [f32], second: &mut [f32]) {
        for ((weight, first), second) in weight.iter_mut().zip(first).zip(second) {
            *weight = self.weight(*weight, *first, *second);
            *first *= self.first;
            *second *= self.second;
        }
    }
}
