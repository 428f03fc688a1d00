//! The arithmetic of a step, in one pass over host memory.

use multiversion::multiversion;

use crate::schema::constants::{
    ADAMW_BETA_1 as BETA_1, ADAMW_BETA_2 as BETA_2, ADAMW_EPSILON as EPSILON,
};

/// Elements that one thread takes at a time. Sums are made of these pieces in their order, so
/// that they do not depend on the number of threads.
pub const PIECE: usize = 16 * 1024;

/// Coefficients of a step.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// What clipping multiplies a gradient by.
    pub scale: f64,
    /// 1 - learning rate · weight decay.
    pub keep: f64,
    /// Learning rate over the first moment's bias correction.
    pub rate: f64,
    /// 1 / √ of the second moment's bias correction.
    pub root: f64,
}

impl Rates {
    /// Coefficients of a parameter's step number `steps`, from 1.
    pub fn new(steps: u64, learning_rate: f64, weight_decay: f64, scale: f64) -> Self {
        let steps = steps as f64;
        Self {
            scale,
            keep: 1.0 - learning_rate * weight_decay,
            rate: learning_rate / (1.0 - BETA_1.powf(steps)),
            root: 1.0 / (1.0 - BETA_2.powf(steps)).sqrt(),
        }
    }
}

/// Some neighbouring elements, and what is known of each.
#[derive(Debug)]
pub struct Stretch<'a> {
    pub value: &'a mut [f32],
    pub gradient: &'a [f32],
    pub first: &'a mut [f32],
    pub second: &'a mut [f32],
    pub rates: Rates,
}

/// Steps them.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn step_piece(piece: Stretch<'_>) {
    let (beta_1, beta_2, epsilon) = (BETA_1 as f32, BETA_2 as f32, EPSILON as f32);
    let (left_1, left_2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
    let rates = piece.rates;
    let (scale, keep) = (rates.scale as f32, rates.keep as f32);
    let (rate, root) = (rates.rate as f32, rates.root as f32);
    let moments = piece.first.iter_mut().zip(piece.second);
    let values = piece.value.iter_mut().zip(piece.gradient);
    for ((value, &gradient), (first, second)) in values.zip(moments) {
        let gradient = gradient * scale;
        *first = *first * beta_1 + gradient * left_1;
        *second = *second * beta_2 + gradient * gradient * left_2;
        *value = *value * keep - rate * *first / (second.sqrt() * root + epsilon);
    }
}

/// Many running sums, so that the additions need not wait for one another.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
pub fn squared_sum(values: &[f32]) -> f64 {
    const SUMS: usize = 16;
    let square = |value: &f32| f64::from(*value) * f64::from(*value);
    let mut sums = [0.0_f64; SUMS];
    let (blocks, rest) = values.as_chunks::<SUMS>();
    for block in blocks {
        for (sum, value) in sums.iter_mut().zip(block) {
            *sum += square(value);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(square).sum::<f64>()
}
