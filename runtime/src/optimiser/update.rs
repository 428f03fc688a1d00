//! The arithmetic of a step: one pass over host memory, or tensor operations elsewhere.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Shape, Tensor, TensorData};
use rayon::prelude::*;

use crate::kernels::{give_back_tensor, host, vectorised};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Elements that one thread takes at a time. Sums are made of these pieces in their order, so
/// that they do not depend on the number of threads.
pub const PIECE: usize = 16 * 1024;

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

impl Default for Moments {
    /// Of a parameter that was never stepped: as many zeros as it will need.
    fn default() -> Self {
        let (first, second) = (Vec::new(), Vec::new());
        Self::Host { first, second }
    }
}

impl Moments {
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

    /// The step as tensor operations.
    fn step(&mut self, value: Tensor<1>, gradient: Tensor<1>, rates: &Rates) -> Tensor<1> {
        let ([elements], device, dtype) = (value.dims(), value.device(), value.dtype());
        let gradient = gradient * rates.scale;
        let on_device = |values: &mut Vec<f32>| {
            values.resize(elements, 0.0);
            let values = TensorData::new(std::mem::take(values), [elements]);
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
        value * rates.keep - update
    }
}

/// The step of one parameter.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "they live for one step, and all are of one variant"
)]
pub enum Step<'a> {
    /// In host memory.
    Host(HostStep<'a>),
    /// Elsewhere, or of another type; flat.
    Device {
        value: Tensor<1>,
        gradient: Tensor<1>,
        moments: &'a mut Moments,
        /// Of the parameter.
        shape: Shape,
    },
}

/// The step of a parameter in host memory.
#[derive(Debug)]
pub struct HostStep<'a> {
    value: FlexTensor,
    gradient: FlexTensor,
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl<'a> Step<'a> {
    /// The step of a parameter, both tensors outside autodiff.
    pub fn new<const D: usize>(
        value: Tensor<D>,
        gradient: Tensor<D>,
        moments: &'a mut Moments,
    ) -> Self {
        let shape = value.shape();
        let elements = shape.num_elements();
        let float32 = value.dtype() == DType::F32 && gradient.dtype() == DType::F32;
        let (value, gradient) = match float32 {
            true => (host(value), host(gradient)),
            false => (Err(Box::new(value)), Err(Box::new(gradient))),
        };
        match (moments, value, gradient) {
            (Moments::Host { first, second }, Ok(value), Ok(gradient)) => {
                first.resize(elements, 0.0);
                second.resize(elements, 0.0);
                Self::Host(HostStep {
                    value,
                    gradient,
                    first,
                    second,
                })
            }
            (moments, value, gradient) => Self::Device {
                value: either(value).reshape([elements]),
                gradient: either(gradient).reshape([elements]),
                moments,
                shape,
            },
        }
    }

    /// The parameter, stepped.
    pub fn done<const D: usize>(self) -> Tensor<D> {
        match self {
            Self::Host(host) => {
                give_back_tensor::<f32>(host.gradient);
                Tensor::from_primitive::<Flex>(host.value)
            }
            Self::Device { value, shape, .. } => value.reshape(shape),
        }
    }
}

impl HostStep<'_> {
    fn gradient(&self) -> &[f32] {
        self.gradient.as_slice().unwrap_or_default()
    }

    fn pieces(&mut self, rates: Rates) -> impl Iterator<Item = Piece<'_>> {
        let gradient = self.gradient.as_slice().unwrap_or_default();
        let moments = self.first.chunks_mut(PIECE);
        let moments = moments.zip(self.second.chunks_mut(PIECE));
        let values = self.value.storage_mut().chunks_mut(PIECE);
        let values = values.zip(gradient.chunks(PIECE));
        let piece = move |((value, gradient), (first, second))| Piece {
            value,
            gradient,
            first,
            second,
            rates,
        };
        values.zip(moments).map(piece)
    }
}

/// Some neighbouring elements, and what is known of each.
#[derive(Debug)]
pub struct Piece<'a> {
    pub value: &'a mut [f32],
    pub gradient: &'a [f32],
    pub first: &'a mut [f32],
    pub second: &'a mut [f32],
    pub rates: Rates,
}

/// Makes all steps, in place where a parameter's memory has no other owner. Those in host memory are one parallel loop: threads that
/// met after each parameter would wait longer than they work.
pub fn step_all<'a, 'm: 'a>(steps: impl Iterator<Item = (&'a mut Step<'m>, Rates)>) {
    let mut pieces: Vec<Piece<'_>> = Vec::new();
    for (step, rates) in steps {
        match step {
            Step::Host(host) => pieces.extend(host.pieces(rates)),
            Step::Device {
                value,
                gradient,
                moments,
                ..
            } => *value = moments.step(value.clone(), gradient.clone(), &rates),
        }
    }
    pieces
        .into_par_iter()
        .for_each(|piece| vectorised(|| step_piece(piece)));
}

fn either<const D: usize>(tensor: Result<FlexTensor, Box<Tensor<D>>>) -> Tensor<D> {
    tensor.map_or_else(|tensor| *tensor, Tensor::from_primitive::<Flex>)
}

/// Steps them.
#[inline(always)]
pub fn step_piece(piece: Piece<'_>) {
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

/// Norm of all gradients together: of those in host memory in one parallel loop, of those on a device there, so that one wait for it is
/// enough.
pub fn norm<'a>(steps: impl Iterator<Item = &'a Step<'a>>) -> f64 {
    let mut pieces: Vec<&[f32]> = Vec::new();
    let mut device: Option<Tensor<1>> = None;
    for step in steps {
        match step {
            Step::Host(host) => pieces.extend(host.gradient().chunks(PIECE)),
            Step::Device { gradient, .. } => {
                let sum = gradient.clone().square().sum();
                device = Some(match device {
                    Some(before) => before + sum,
                    None => sum,
                });
            }
        }
    }
    let sums = pieces
        .par_iter()
        .map(|piece| vectorised(|| squared_sum(piece)));
    let host: f64 = sums.collect::<Vec<f64>>().iter().sum();
    (host + device.map_or(0.0, |sum| sum.into_scalar::<f64>())).sqrt()
}

/// Many running sums, so that the additions need not wait for one another.
#[inline(always)]
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
