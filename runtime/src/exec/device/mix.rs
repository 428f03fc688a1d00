//! Parts of a row: their means, and their sums and rows with weights.

use burn::tensor::Tensor;
use mtmd_schema::plan::{Mix, Target, View};

use super::element::DeviceReal;
use super::memory::Memory;
use crate::bug::bug;

/// The mean of each part, a column each.
pub fn means<E: DeviceReal>(parts: &[View], memory: &Memory<'_, E>) -> Tensor<2> {
    let mean = |part: &View| memory.read(*part).mean_dim(1);
    Tensor::cat(parts.iter().map(mean).collect(), 1)
}

/// From the gradient of the means to those of the parts.
pub fn means_back<E: DeviceReal>(
    gradient: View,
    into: &[Option<Target>],
    memory: &mut Memory<'_, E>,
) {
    let gradient = memory.read(gradient);
    for (part, target) in into.iter().enumerate() {
        if let Some(target) = target {
            let width = target.to.width;
            let share = gradient.clone().narrow(1, part, 1) / width as f64;
            memory.put(*target, share.repeat_dim(1, width));
        }
    }
}

/// The parts, each times its weight, side by side or summed.
pub fn mix<E: DeviceReal>(mix: &Mix, memory: &Memory<'_, E>) -> Tensor<2> {
    let by = mix.by.map(|by| memory.read(by));
    let parts = mix.parts.iter().enumerate().map(|(place, part)| {
        let part = memory.read(*part);
        weighted(part, by.as_ref(), place)
    });
    let parts: Vec<_> = parts.collect();
    match mix.sum {
        true => {
            let mut parts = parts.into_iter();
            let first = parts.next();
            let sum = first.map(|first| parts.fold(first, |sum, part| sum + part));
            sum.unwrap_or_else(|| bug!("a sum of no parts"))
        }
        false => Tensor::cat(parts, 1),
    }
}

/// From the gradient of a mix's output to those of its parts and of their weights.
pub fn mix_back<E: DeviceReal>(
    mix: &Mix,
    gradient: View,
    (into, into_by): (&[Option<Target>], Option<Target>),
    memory: &mut Memory<'_, E>,
) {
    let gradient = memory.read(gradient);
    let by = mix.by.map(|by| memory.read(by));
    let mut start = 0;
    let mut of_parts = Vec::with_capacity(mix.parts.len());
    for part in mix.parts.iter() {
        of_parts.push(match mix.sum {
            true => gradient.clone(),
            false => gradient.clone().narrow(1, start, part.width),
        });
        start += part.width;
    }
    if let Some(target) = into_by {
        let parts = mix.parts.iter().zip(&of_parts);
        let found = parts.map(|(part, gradient)| {
            let product = memory.read(*part) * gradient.clone();
            product.sum_dim(1)
        });
        let found = Tensor::cat(found.collect(), 1);
        memory.put(target, found);
    }
    for (place, (target, gradient)) in into.iter().zip(of_parts).enumerate() {
        if let Some(target) = target {
            memory.put(*target, weighted(gradient, by.as_ref(), place));
        }
    }
}

/// A part times its weight.
fn weighted(part: Tensor<2>, by: Option<&Tensor<2>>, place: usize) -> Tensor<2> {
    match by {
        Some(by) => part * by.clone().narrow(1, place, 1),
        None => part,
    }
}
