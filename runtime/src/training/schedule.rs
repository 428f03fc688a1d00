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
    /// A schedule over `total` steps, the first of which warm up: the fraction `training.warmup`, unless the
    /// course says how many.
    pub fn new(training: &Training, total: u64) -> Self {
        let fraction = (training.warmup * total as f64).round() as u64;
        let warmup = training.course.warmup_steps.unwrap_or(fraction);
        Self {
            warmup: warmup.min(total),
            total,
            decay: training.decay,
        }
    }

    /// Factor of step `step`, from 0. Over `w` steps of warm-up it rises as 1/w, 2/w, … 1; then it
    /// stays 1, or falls: linearly or along half a cosine, so that it would be 0 at the step after the last one, or
    /// as √(w / (step + 1)), with a `w` of at least 1.
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
            Decay::InverseSqrt => (self.warmup.max(1) as f64 / (step + 1) as f64).sqrt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Course;

    fn training(warmup: f64, decay: Decay) -> Training {
        Training {
            warmup,
            decay,
            ..Training::DEFAULT
        }
    }

    fn schedule(warmup: f64, decay: Decay, total: u64) -> Vec<f64> {
        let schedule = Schedule::new(&training(warmup, decay), total);
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
    fn it_rises_and_falls_as_the_root_of_the_step() {
        let factors = schedule(0.5, Decay::InverseSqrt, 8);
        let expected = [0.25, 0.5, 0.75, 1.0, 0.8f64.sqrt(), (4.0_f64 / 6.0).sqrt()];
        for (factor, expected) in factors.iter().zip(expected) {
            assert!((factor - expected).abs() < 1e-12, "{factors:?}");
        }
    }

    #[test]
    fn a_number_of_steps_warms_up_instead_of_a_fraction() {
        let training = Training {
            course: Course {
                warmup_steps: Some(2),
                ..Course::DEFAULT
            },
            ..training(0.5, Decay::Constant)
        };
        let schedule = Schedule::new(&training, 8);
        let factors: Vec<f64> = (0..4).map(|step| schedule.factor(step)).collect();
        assert_eq!(factors, [0.5, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn no_step_is_without_effect() {
        for total in 1..40 {
            for warmup in [0.0, 0.05, 0.5, 1.0] {
                for decay in [
                    Decay::Linear,
                    Decay::Cosine,
                    Decay::InverseSqrt,
                    Decay::Constant,
                ] {
                    let factors = schedule(warmup, decay, total);
                    assert!(factors.iter().all(|&factor| factor > 0.0 && factor <= 1.0));
                }
            }
        }
    }
}
