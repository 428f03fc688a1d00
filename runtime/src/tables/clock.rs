//! What AdamW does to a row while no batch touches it.
//!
//! Dense AdamW (betas b1 and b2, weight decay w, learning rate r_t) moves a row at every step, even when its
//! gradient is zero. For a row that was last touched at step s, with moments m and v then:
//!
//! ```text
//! x_t = (1 - r_t w) x_{t-1} - r_t [b1^j m / (1 - b1^t)] / [sqrt(b2^j v / (1 - b2^t)) + eps],   j = t - s
//! ```
//!
//! Without eps the fraction is m / sqrt(v) times a number that depends on s and t alone. So all steps from s
//! to T together are
//!
//! ```text
//! x_T = D(s, T) x_s - S(s, T) m / (sqrt(v) + eps sqrt(1 - b2^s))
//! D(s, T) = prod_{s < t <= T} (1 - r_t w)
//! S(s, T) = sum_{s < t <= T} r_t D(t, T) (b1 / sqrt(b2))^(t - s) sqrt(1 - b2^t) / (1 - b1^t)
//! ```
//!
//! D is kept as a running sum of logarithms. S grows by one term a step and its terms shrink by b1 / sqrt(b2) =
//! 0.9005 each, so that only the last `WINDOW` values of s gain anything.
//!
//! What is approximate: eps here shrinks with sqrt(v) instead of staying, which matters to entries whose
//! sqrt(v) is near eps = 1e-8 only; the terms after the window, 1e-12 of the first; and float32.

pub(super) const BETA1: f64 = 0.9;
pub(super) const BETA2: f64 = 0.999;
pub(super) const EPSILON: f64 = 1e-8;

/// Steps after which a row's old momentum has no effect: 0.9005^256 = 2e-12.
const WINDOW: usize = 256;

/// Learning rates of the steps since a step before which no row was left behind.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    weight_decay: f64,
    /// The step that `history` begins with.
    start: u32,
    /// One entry for each step from `start` to now.
    history: Vec<Moment>,
    /// (b1 / sqrt(b2))^j.
    ratios: Vec<f64>,
}

#[derive(Debug, Clone, Copy)]
struct Moment {
    /// ln D(start, t).
    log_decay: f64,
    /// S(t, min(now, t + WINDOW)).
    drift: f64,
}

impl Moment {
    const START: Self = Self {
        log_decay: 0.0,
        drift: 0.0,
    };
}

/// What to do to a row that was last touched at a certain step.
#[derive(Debug, Clone, Copy)]
pub(super) struct CatchUp {
    /// D, for the weights.
    decay: f32,
    /// S.
    drift: f32,
    /// eps sqrt(1 - b2^s).
    epsilon: f32,
    /// b1^j, for the first moment.
    first: f32,
    /// b2^j, for the second.
    second: f32,
}

impl Clock {
    pub(super) fn new(weight_decay: f64) -> Self {
        let ratio = BETA1 / BETA2.sqrt();
        let ratios = std::iter::successors(Some(1.0), |power| Some(power * ratio));
        let ratios = ratios.take(WINDOW + 1).collect();
        Self {
            weight_decay,
            start: 0,
            history: vec![Moment::START],
            ratios,
        }
    }

    /// The clock at step `now`, with all rows up to date.
    pub(super) fn at(&self, now: u32) -> Self {
        Self {
            start: now,
            history: vec![Moment::START],
            ..self.clone()
        }
    }

    pub(super) fn now(&self) -> u32 {
        self.start + (self.history.len() - 1) as u32
    }

    /// Factor of weight decay at a step. A rate and decay whose product is 1 or more would turn weights
    /// over; here they end at zero.
    pub(super) fn decay(&self, lr: f64) -> f64 {
        (1.0 - lr * self.weight_decay).max(f64::MIN_POSITIVE)
    }

    /// Takes note of a step.
    pub(super) fn advance(&mut self, lr: f64) {
        let step = f64::from(self.now() + 1);
        let decay = self.decay(lr);
        let gain = lr * (1.0 - BETA2.powf(step)).sqrt() / (1.0 - BETA1.powf(step));
        for (moment, ratio) in self
            .history
            .iter_mut()
            .rev()
            .zip(self.ratios.iter().skip(1))
        {
            moment.drift = decay * moment.drift + gain * ratio;
        }
        let log_decay = self.history[self.history.len() - 1].log_decay + decay.ln();
        self.history.push(Moment {
            log_decay,
            ..Moment::START
        });
    }

    /// How to bring a row of step `last` to the present.
    pub(super) fn catch_up(&self, last: u32) -> CatchUp {
        let (since, now) = ((last - self.start) as usize, self.history.len() - 1);
        let behind = (now - since) as f64;
        let from = self.history[since];
        let settled = self.history[(since + WINDOW).min(now)];
        let present = self.history[now];
        CatchUp {
            decay: (present.log_decay - from.log_decay).exp() as f32,
            drift: (from.drift * (present.log_decay - settled.log_decay).exp()) as f32,
            epsilon: (EPSILON * (1.0 - BETA2.powf(f64::from(last))).sqrt()) as f32,
            first: (behind * BETA1.ln()).exp() as f32,
            second: (behind * BETA2.ln()).exp() as f32,
        }
    }
}

impl CatchUp {
    /// The weight at present.
    #[inline]
    pub(super) fn weight(&self, weight: f32, first: f32, second: f32) -> f32 {
        // A row that was never touched has no momentum, and its epsilon is 0.
        let drift = if first == 0.0 {
            0.0
        } else {
            self.drift * first / (second.sqrt() + self.epsilon)
        };
        self.decay * weight - drift
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
