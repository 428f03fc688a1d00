//! The arithmetic of a step: one pass over host memory, or tensor operations elsewhere.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor, TensorData};
use rayon::prelude::*;

use crate::kernels::{ALONE, host, vectorised};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Elements that one thread takes at a time. Sums are made of these pieces in their order, so
/// that they do not depend on the number of threads.
const PIECE: usize = 16 * 1024;

/// Coefficients of a step.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// What clipping multiplies a gradient by.
    scale: f64,
    /// 1 - learning rate · weight decay.
    keep: f64,
    /// Learning rate over the first moment's bias correction.
    rate: f64,
    /// 1 / √ of the second moment's bias correction.
    root: f64,
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

/// First and second moment of one parameter.
#[derive(Debug)]
pub enum Moments {
    /// In host memory, beside a parameter on the CPU.
    Host {
        /// Mean of the gradient.
        first: Vec<f32>,
        /// Mean of its square.
        second: Vec<f32>,
    },
    /// The same two on the device of the parameter, flat.
    Device(Box<[Tensor<1>; 2]>),
}

impl Moments {
    /// Moments of a parameter that was never stepped.
    pub fn zeros(elements: usize) -> Self {
        Self::Host {
            first: vec![0.0; elements],
            second: vec![0.0; elements],
        }
    }

    /// First and second moment as numbers.
    pub fn values(&self) -> (Vec<f32>, Vec<f32>) {
        let numbers = |tensor: &Tensor<1>| tensor.to_data().iter::<f32>().collect();
        match self {
            Self::Host { first, second } => (first.clone(), second.clone()),
            Self::Device(moments) => {
                let [first, second] = moments.as_ref();
                (numbers(first), numbers(second))
            }
        }
    }

    /// Steps a parameter, both tensors outside autodiff. In place where the parameter's memory has
    /// no other owner.
    pub fn step<const D: usize>(
        &mut self,
        value: Tensor<D>,
        gradient: Tensor<D>,
        rates: &Rates,
    ) -> Tensor<D> {
        if value.dtype() != DType::F32 || gradient.dtype() != DType::F32 {
            return self.step_device(value, gradient, rates);
        }
        match (self, host(value), host(gradient)) {
            (Self::Host { first, second }, Ok(mut value), Ok(gradient)) => {
                step_host(&mut value, &gradient, first, second, rates);
                Tensor::from_primitive::<Flex>(value)
            }
            (moments, value, gradient) => {
                moments.step_device(either(value), either(gradient), rates)
            }
        }
    }

    /// The step as tensor operations.
    fn step_device<const D: usize>(
        &mut self,
        value: Tensor<D>,
        gradient: Tensor<D>,
        rates: &Rates,
    ) -> Tensor<D> {
        let (shape, device, dtype) = (value.shape(), value.device(), value.dtype());
        let gradient = gradient.reshape([shape.num_elements()]) * rates.scale;
        let on_device = |values: &Vec<f32>| {
            let values = TensorData::new(values.clone(), [values.len()]);
            Tensor::<1>::from_data(values, (&device, dtype))
        };
        let [first, second] = match self {
            Self::Host { first, second } => [on_device(first), on_device(second)],
            Self::Device(moments) => moments.as_ref().clone(),
        };
        let first = first * BETA_1 + gradient.clone() * (1.0 - BETA_1);
        let second = second * BETA_2 + gradient.square() * (1.0 - BETA_2);
        let update = first.clone() * rates.rate / (second.clone().sqrt() * rates.root + EPSILON);
        *self = Self::Device(Box::new([first, second]));
        value * rates.keep - update.reshape(shape)
    }
}

fn either<const D: usize>(tensor: Result<FlexTensor, Box<Tensor<D>>>) -> Tensor<D> {
    tensor.map_or_else(|tensor| *tensor, Tensor::from_primitive::<Flex>)
}

fn step_host(
    value: &mut FlexTensor,
    gradient: &FlexTensor,
    first: &mut [f32],
    second: &mut [f32],
    rates: &Rates,
) {
    let value = value.storage_mut::<f32>();
    let gradient = gradient.as_slice::<f32>().unwrap_or_default();
    if value.len() <= ALONE {
        vectorised(|| step_piece(value, gradient, first, second, rates));
        return;
    }
    let values = value.par_chunks_mut(PIECE).zip(gradient.par_chunks(PIECE));
    let moments = first
        .par_chunks_mut(PIECE)
        .zip(second.par_chunks_mut(PIECE));
    values
        .zip(moments)
        .for_each(|((value, gradient), (first, second))| {
            vectorised(|| step_piece(value, gradient, first, second, rates));
        });
}

#[inline(always)]
fn step_piece(
    values: &mut [f32],
    gradients: &[f32],
    firsts: &mut [f32],
    seconds: &mut [f32],
    rates: &Rates,
) {
    let (beta_1, beta_2, epsilon) = (BETA_1 as f32, BETA_2 as f32, EPSILON as f32);
    let (left_1, left_2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
    let (scale, keep) = (rates.scale as f32, rates.keep as f32);
    let (rate, root) = (rates.rate as f32, rates.root as f32);
    let moments = firsts.iter_mut().zip(seconds);
    for ((value, &gradient), (first, second)) in values.iter_mut().zip(gradients).zip(moments) {
        let gradient = gradient * scale;
        *first = *first * beta_1 + gradient * left_1;
        *second = *second * beta_2 + gradient * gradient * left_2;
        *value = *value * keep - rate * *first / (second.sqrt() * root + epsilon);
    }
}

/// Sum of the squares of many tensors: of those in host memory as they come, of those on a device
/// there, so that one wait for it is enough.
#[derive(Debug, Default)]
pub struct SquaredSum {
    host: f64,
    device: Option<Tensor<1>>,
}

impl SquaredSum {
    /// Adds a tensor's squares.
    pub fn add<const D: usize>(&mut self, tensor: Tensor<D>) {
        match host(tensor) {
            Ok(tensor) if tensor.dtype() == DType::F32 => {
                let values = tensor.as_slice::<f32>().unwrap_or_default();
                self.host += squared_sum(values);
            }
            tensor => {
                let sum = either(tensor).square().sum();
                self.device = Some(match self.device.take() {
                    Some(before) => before + sum,
                    None => sum,
                });
            }
        }
    }

    /// The sum.
    pub fn value(self) -> f64 {
        let device = self.device.map(|sum| sum.into_scalar::<f64>());
        self.host + device.unwrap_or_default()
    }
}

fn squared_sum(values: &[f32]) -> f64 {
    let piece = |piece: &[f32]| vectorised(|| squared_sum_of_piece(piece));
    if values.len() <= ALONE {
        return values.chunks(PIECE).map(piece).sum();
    }
    let pieces: Vec<f64> = values.par_chunks(PIECE).map(piece).collect();
    pieces.iter().sum()
}

/// Eight running sums, so that the additions need not wait for one another.
#[inline(always)]
fn squared_sum_of_piece(values: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    let (blocks, rest) = values.as_chunks::<8>();
    for block in blocks {
        for (sum, &value) in sums.iter_mut().zip(block) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    let rest: f64 = rest.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
    sums.iter().sum::<f64>() + rest
}
