//! Course of the learning rate.

use crate::schema::{Decay, Training};

/// Factor of the peak learning rates, of the dense part's and of the tables' alike, by step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    warmup: u64,
    total: u64,
    decay: Decay,
}

impl Schedule {
    /// A schedule over `total` steps, the first `training.warmup` of which (a fraction) warm up.
    pub fn new(training: &Training, total: u64) -> Self {
        let warmup = (training.warmup * total as f64).round() as u64;
        Self {
            warmup: warmup.min(total),
            total,
            decay: training.decay,
        }
    }

    /// Steps in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Factor of step `step`, from 0. Over `w` steps of warm-up it rises as 1/w, 2/w, … 1; then it
    /// stays 1, or falls, linearly or along half a cosine, so that it would be 0 at the step after the last one.
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup {
            return (step + 1) as f64 / self.warmup as f64;
        }
        let left = self.total.saturating_sub(step) as f64;
        let span = self.total.saturating_sub(self.warmup) as f64;
        let left = if span > 0.0 { left / span } else { 0.0 };
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Linear => left,
            Decay::Cosine => 0.5 * (1.0 - (std::f64::consts::PI * left).cos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::AdamW;

    fn schedule(warmup: f64, decay: Decay, total: u64) -> Vec<f64> {
        let adamw = AdamW {
            lr: 1.0,
            weight_decay: 0.0,
        };
        let training = Training {
            batch: 1,
            epochs: 1,
            seed: 1,
            shuffle: 1,
            dense: adamw,
            embeddings: adamw,
            embedding_std: 0.05,
            warmup,
            decay,
            clip: None,
        };
        let schedule = Schedule::new(&training, total);
        (0..total).map(|step| schedule.factor(step)).collect()
    }

    #[test]
    fn it_rises_and_falls_linearly() {
        let expected = [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25];
        assert_eq!(schedule(0.5, Decay::Linear, 8), expected);
    }

    #[test]
    fn it_rises_and_stays() {
        assert_eq!(schedule(0.5, Decay::Constant, 4), [0.5, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn it_rises_and_falls_along_half_a_cosine() {
        let factors = schedule(0.2, Decay::Cosine, 5);
        let expected = [
            1.0,
            1.0,
            0.5 * (1.0 + 0.5f64.sqrt()),
            0.5,
            0.5 * (1.0 - 0.5f64.sqrt()),
        ];
        for (factor, expected) in factors.iter().zip(expected) {
            assert!((factor - expected).abs() < 1e-12, "{factors:?}");
        }
    }

    #[test]
    fn no_step_is_without_effect() {
        for total in 1..40 {
            for warmup in [0.0, 0.05, 0.5, 1.0] {
                for decay in [Decay::Linear, Decay::Cosine, Decay::Constant] {
                    let factors = schedule(warmup, decay, total);
                    assert!(factors.iter().all(|&factor| factor > 0.0 && factor <= 1.0));
                }
            }
        }
    }
}
