//! Means and deviations of numbers, as they are read.

use serde::{Deserialize, Serialize};

use crate::schema::{Feature, FeatureKind, Schema, Standardise, Tower, Transform};
use crate::vocab::exact;

/// A feature that is a number.
pub(crate) struct NumberFeature<'s> {
    pub tower: Tower,
    /// Its place among the tower's features.
    pub index: usize,
    pub feature: &'s Feature,
    pub transform: Transform,
}

impl NumberFeature<'_> {
    /// Whether it learns the mean and deviation that it is standardised by.
    pub(crate) fn learns(&self) -> bool {
        self.transform.standardise == Some(Standardise::Learned)
    }
}

/// The numbers of both towers, in canonical order.
pub(crate) fn numbers(schema: &Schema) -> impl Iterator<Item = NumberFeature<'_>> {
    let of = |tower| {
        let features = schema.features(tower).iter().enumerate();
        features.filter_map(move |(index, feature)| match feature.kind {
            FeatureKind::Number(transform) => Some(NumberFeature {
                tower,
                index,
                feature,
                transform,
            }),
            FeatureKind::Embedded { .. } | FeatureKind::Vector { .. } => None,
        })
    };
    Tower::ALL.into_iter().flat_map(of)
}

/// How many numbers there were, their mean, and the sum of their squared deviations from it (Chan, Golub and LeVeque's
/// updates).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct RunningMoments {
    /// Numbers.
    pub count: u64,
    /// Their mean; 0 of none.
    #[serde(with = "exact")]
    pub mean: f64,
    /// Sum of their squared deviations.
    #[serde(with = "exact")]
    pub squares: f64,
}

/// Mean and deviation of a number over the training rows that have it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NumberMoments {
    /// Mean.
    pub mean: f64,
    /// Deviation, above 0: 1 for a number that is always the same, or never there.
    pub std: f64,
}

impl RunningMoments {
    /// Adds a number.
    #[inline]
    pub(crate) fn push(&mut self, value: f64) {
        self.count += 1;
        let off = value - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (value - self.mean);
    }

    /// Adds the numbers of another one.
    pub(crate) fn add(&mut self, other: &Self) {
        let count = self.count + other.count;
        if count > 0 {
            let off = other.mean - self.mean;
            let [ours, theirs, all] = [self.count, other.count, count].map(|count| count as f64);
            self.mean += off * theirs / all;
            self.squares += other.squares + off * off * ours * theirs / all;
            self.count = count;
        }
    }

    /// The mean, and the deviation over all of them; 1 in place of 0.
    pub(crate) fn moments(&self) -> NumberMoments {
        let std = (self.squares / self.count.max(1) as f64).sqrt();
        NumberMoments {
            mean: self.mean,
            std: if std > 0.0 { std } else { 1.0 },
        }
    }

    /// The unbiased variance; `None` of fewer than two.
    pub(crate) fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.squares / (self.count - 1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_the_whole() {
        let values: Vec<f64> = (0..100).map(|i| 1e6 + f64::from(i * i % 17)).collect();
        let of = |values: &[f64]| {
            let mut running = RunningMoments::default();
            values.iter().for_each(|value| running.push(*value));
            running
        };
        let mean = values.iter().sum::<f64>() / 100.0;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        for cut in [0, 1, 40, 100] {
            let (front, back) = values.split_at(cut);
            let mut whole = of(front);
            whole.add(&of(back));
            assert_eq!(whole.count, 100);
            assert!((whole.mean - mean).abs() < 1e-9, "{whole:?}");
            assert!((whole.squares - squares).abs() < 1e-6, "{whole:?}");
            assert_eq!(whole.variance(), Some(whole.squares / 99.0));
        }
        assert_eq!(of(&[3.0]).variance(), None);
        assert_eq!(
            of(&[3.0]).moments(),
            NumberMoments {
                mean: 3.0,
                std: 1.0
            }
        );
    }

    #[test]
    fn they_survive_json_to_the_bit() {
        let running = RunningMoments {
            count: 3,
            mean: 0.1 + 0.2,
            squares: f64::from_bits(0x3FB9_9999_9999_999B),
        };
        let text = serde_json::to_string(&running).unwrap();
        assert_eq!(
            serde_json::from_str::<RunningMoments>(&text).unwrap(),
            running
        );
    }
}
