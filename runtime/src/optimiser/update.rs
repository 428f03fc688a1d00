//! The arithmetic of a step: one pass over host memory, or tensor operations elsewhere.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Tensor, TensorData};
use rayon::prelude::*;

use crate::kernels::{host, vectorised};

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

    /// Steps a parameter, both tensors outside autodiff; of one in host memory only says what is to be done.
    pub fn step<const D: usize>(
        mut self,
        value: Tensor<D>,
        gradient: Tensor<D>,
        rates: Rates,
    ) -> Stepped<D> {
        if value.dtype() != DType::F32 || gradient.dtype() != DType::F32 {
            let value = self.step_device(value, gradient, &rates);
            return Stepped::Now(value, self);
        }
        match (self, host(value), host(gradient)) {
            (Self::Host { first, second }, Ok(value), Ok(gradient)) => Stepped::Later(HostStep {
                value,
                gradient,
                first,
                second,
                rates,
            }),
            (mut moments, value, gradient) => {
                let value = moments.step_device(either(value), either(gradient), &rates);
                Stepped::Now(value, moments)
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

/// What became of a parameter.
pub enum Stepped<const D: usize> {
    /// Its new value and its moments.
    Now(Tensor<D>, Moments),
    /// It is stepped by [`step_all`].
    Later(HostStep),
}

/// The step of one parameter in host memory.
#[derive(Debug)]
pub struct HostStep {
    value: FlexTensor,
    gradient: FlexTensor,
    first: Vec<f32>,
    second: Vec<f32>,
    rates: Rates,
}

impl HostStep {
    /// The parameter and its moments.
    pub fn done(self) -> (FlexTensor, Moments) {
        let (first, second) = (self.first, self.second);
        (self.value, Moments::Host { first, second })
    }

    fn pieces(&mut self) -> impl Iterator<Item = Piece<'_>> {
        let gradient = self.gradient.as_slice::<f32>().unwrap_or_default();
        let moments = self.first.chunks_mut(PIECE);
        let moments = moments.zip(self.second.chunks_mut(PIECE));
        let values = self.value.storage_mut::<f32>().chunks_mut(PIECE);
        let values = values.zip(gradient.chunks(PIECE));
        values
            .zip(moments)
            .map(|((value, gradient), (first, second))| Piece {
                value,
                gradient,
                first,
                second,
                rates: self.rates,
            })
    }
}

/// A part of a parameter.
struct Piece<'a> {
    value: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    rates: Rates,
}

/// Steps parameters in place where their memory has no other owner: all in one parallel loop, for threads that met after each
/// of them would wait longer than they work.
pub fn step_all<'a>(steps: impl Iterator<Item = &'a mut HostStep>) {
    let pieces: Vec<Piece<'_>> = steps.flat_map(HostStep::pieces).collect();
    pieces.into_par_iter().for_each(|piece| {
        vectorised(|| {
            step_piece(
                piece.value,
                piece.gradient,
                piece.first,
                piece.second,
                &piece.rates,
            );
        });
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

/// Sum of the squares of many tensors: of those in host memory in one parallel loop, of those on a device there, so that one
/// wait for it is enough.
#[derive(Debug, Default)]
pub struct SquaredSum {
    host: Vec<FlexTensor>,
    device: Option<Tensor<1>>,
}

impl SquaredSum {
    /// Adds a tensor's squares.
    pub fn add<const D: usize>(&mut self, tensor: Tensor<D>) {
        match host(tensor) {
            Ok(tensor) if tensor.dtype() == DType::F32 => self.host.push(tensor),
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
        let values = |tensor| FlexTensor::as_slice::<f32>(tensor).unwrap_or_default();
        let pieces = self
            .host
            .iter()
            .flat_map(|tensor| values(tensor).chunks(PIECE));
        let pieces: Vec<&[f32]> = pieces.collect();
        let sums = pieces
            .par_iter()
            .map(|piece| vectorised(|| squared_sum(piece)));
        let host: f64 = sums.collect::<Vec<f64>>().iter().sum();
        host + self.device.map_or(0.0, |sum| sum.into_scalar::<f64>())
    }
}

/// Eight running sums, so that the additions need not wait for one another.
#[inline(always)]
fn squared_sum(values: &[f32]) -> f64 {
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
