//! The operations of a plan on all rows of a domain.

use burn::tensor::activation::{sigmoid, softmax};
use burn::tensor::{Device, Tensor};
use mtmd_schema::plan::{Address, Op, Target, View};

use super::activate::over_rows;
use super::element::{DeviceReal, upload};
use super::memory::Memory;
use super::parameters::{Gradients, Parameters};
use super::{activate, linear, mix};
use crate::bug::bug;
use crate::exec::host::Moments;
use crate::schema::Precision;

/// Some rows of a domain in one pass of its program.
#[derive(Debug)]
pub struct Unit<'a, 'p, E> {
    /// Their memory.
    pub memory: &'a mut Memory<'p, E>,
    /// The domain's parameters.
    pub parameters: &'a Parameters,
    /// Means and scales of the domain's BatchNorms.
    pub moments: &'a [UploadedMoments],
    /// Where gradients go; `None` in the forward pass.
    pub gradients: Option<&'a mut Gradients>,
    /// Added to a variance before its root is taken.
    pub eps: f64,
    /// How products are made.
    pub precision: Precision,
}

/// What a BatchNorm normalises by, `[1, columns]`.
#[derive(Debug)]
pub struct UploadedMoments {
    /// Where its running means are in the domain's block of statistics.
    at: usize,
    mean: Tensor<2>,
    /// 1/√(variance + ε).
    scale: Tensor<2>,
}

impl UploadedMoments {
    /// The same on the device.
    pub fn new<E: DeviceReal>(moments: &Moments<E>, device: &Device) -> Self {
        let row = |values: &[E]| upload(values, [1, values.len()], device);
        Self {
            at: moments.at,
            mean: row(&moments.mean),
            scale: row(&moments.scale),
        }
    }
}

impl<E: DeviceReal> Unit<'_, '_, E> {
    /// Runs operations in their order.
    pub fn run(&mut self, ops: &[Op]) {
        ops.iter().for_each(|op| self.run_op(op));
    }

    fn run_op(&mut self, op: &Op) {
        match op {
            Op::Copy { from, into } => {
                let values = self.memory.read(*from);
                self.memory.put(*into, values);
            }
            Op::Repeat { parameter, to } => {
                let row = self.parameters.row(*parameter, to.width);
                let rows = row.repeat_dim(0, self.memory.rows);
                self.memory.write(*to, rows);
            }
            Op::BatchNorm {
                from,
                to,
                weight,
                bias,
                mean,
                ..
            } => {
                let [weight, bias] =
                    [weight, bias].map(|first| self.parameters.row(*first, from.width));
                let normal = self.normal(*from, *mean);
                self.memory.write(*to, normal * weight + bias);
            }
            Op::Linear(maps) => {
                linear::forward(maps, self.memory, self.parameters, self.precision);
            }
            Op::Activate(layer) => {
                let from = self.memory.read(layer.from);
                let to = activate::forward(layer, from, self.parameters, self.eps);
                self.memory.write(layer.to, to);
            }
            Op::Sigmoid { from, to } => {
                let values = sigmoid(self.memory.read(*from));
                self.memory.write(*to, values);
            }
            Op::Softmax { from, to, width } => {
                let groups = grouped(self.memory.read(*from), *width);
                self.memory.write(*to, ungrouped(softmax(groups, 2)));
            }
            Op::Means { parts, to } => {
                let means = mix::means(parts, self.memory);
                self.memory.write(*to, means);
            }
            Op::Mix(parts) => {
                let mixed = mix::mix(parts, self.memory);
                self.memory.write(parts.to, mixed);
            }
            Op::Cross { first, by, x, to } => {
                let [first, by, x] = [first, by, x].map(|view| self.memory.read(*view));
                self.memory.write(*to, first * by + x);
            }
            Op::Clear { to } => self.memory.clear(*to),
            Op::SumRows { .. }
            | Op::BatchNormBack { .. }
            | Op::LinearInput { .. }
            | Op::LinearWeight { .. }
            | Op::ActivateBack { .. }
            | Op::SigmoidBack { .. }
            | Op::SoftmaxBack { .. }
            | Op::MeansBack { .. }
            | Op::MixBack { .. }
            | Op::CrossBack { .. } => self.run_back(op),
        }
    }

    /// Gradients.
    fn run_back(&mut self, op: &Op) {
        match op {
            Op::SumRows { from, to, .. } => {
                let sum = over_rows(self.memory.read(*from));
                self.add(*to, sum);
            }
            Op::BatchNormBack {
                gradient,
                from,
                weight,
                bias,
                mean,
                ..
            } => {
                let gradient = self.memory.read(*gradient);
                let normal = self.normal(*from, *mean);
                self.add(*weight, over_rows(gradient.clone() * normal));
                self.add(*bias, over_rows(gradient));
            }
            Op::LinearInput {
                linear: maps,
                write,
            } => {
                linear::input(maps, *write, self.memory, self.parameters, self.precision);
            }
            Op::LinearWeight { linear: maps, .. } => {
                let (elements, found) = linear::weight_gradient(maps, self.memory, self.precision);
                self.add(elements.first, found);
            }
            Op::ActivateBack {
                activate: layer,
                gradient,
                into,
            } => {
                let [from, gradient] = [layer.from, *gradient].map(|view| self.memory.read(view));
                let found = activate::backward(layer, from, gradient, self.parameters, self.eps);
                self.memory.put(*into, found.input);
                for (first, values) in found.parameters {
                    self.add(first, values);
                }
            }
            Op::SigmoidBack {
                output,
                gradient,
                into,
            } => {
                let [output, gradient] = [output, gradient].map(|view| self.memory.read(*view));
                let rest = output.clone().neg() + 1.0;
                self.memory.put(*into, gradient * output * rest);
            }
            Op::SoftmaxBack {
                output,
                gradient,
                width,
                into,
            } => {
                let [output, gradient] =
                    [output, gradient].map(|view| grouped(self.memory.read(*view), *width));
                let mean = (gradient.clone() * output.clone()).sum_dim(2);
                let found = output * (gradient - mean);
                self.memory.put(*into, ungrouped(found));
            }
            Op::MeansBack { gradient, into } => mix::means_back(*gradient, into, self.memory),
            Op::MixBack {
                mix: parts,
                gradient,
                into,
                into_by,
            } => mix::mix_back(parts, *gradient, (into, *into_by), self.memory),
            Op::CrossBack {
                first,
                by,
                gradient,
                into_first,
                into_by,
                into_x,
            } => {
                let into = [Some(*into_first), Some(*into_by), *into_x];
                self.cross_back([*first, *by, *gradient], into);
            }
            _ => bug!("not a gradient's operation: {op:?}"),
        }
    }

    /// One after another, as a later one may add to an earlier one. One of them may be where the gradient of
    /// the output is.
    fn cross_back(&mut self, views: [View; 3], into: [Option<Target>; 3]) {
        let [first, by, gradient] = views.map(|view| self.memory.read(view));
        let found = [gradient.clone() * by, gradient.clone() * first, gradient];
        for (target, found) in into.into_iter().zip(found) {
            if let Some(target) = target {
                self.memory.put(target, found);
            }
        }
    }

    /// The input of the BatchNorm whose running means are at `mean`, without mean and of variance 1.
    fn normal(&self, from: View, mean: usize) -> Tensor<2> {
        let Some(norm) = self.moments.iter().find(|norm| norm.at == mean) else {
            bug!("a BatchNorm without statistics");
        };
        (self.memory.read(from) - norm.mean.clone()) * norm.scale.clone()
    }

    /// Adds to a parameter's gradient.
    fn add(&mut self, first: Address, values: Tensor<1>) {
        match &mut self.gradients {
            Some(gradients) => gradients.add(first, self.parameters.own, values),
            None => bug!("a forward pass writes gradients"),
        }
    }
}

/// Groups of `width` columns, `[rows, groups, width]`.
fn grouped(values: Tensor<2>, width: usize) -> Tensor<3> {
    let [rows, columns] = values.dims();
    values.reshape([rows, columns / width, width])
}

/// Their columns.
fn ungrouped(groups: Tensor<3>) -> Tensor<2> {
    let [rows, count, width] = groups.dims();
    groups.reshape([rows, count * width])
}
