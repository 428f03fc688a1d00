//! Linear maps, as batched matrix products.

use burn::tensor::{DType, Tensor};
use mtmd_schema::plan::{Elements, Linear, Target, View, Write};

use super::element::DeviceReal;
use super::memory::Memory;
use super::parameters::Parameters;
use crate::exec::host::is_narrow;
use crate::schema::Precision;

/// `to = from Wᵀ + bias` of all maps.
pub fn forward<E: DeviceReal>(
    maps: &Linear,
    memory: &mut Memory<'_, E>,
    parameters: &Parameters,
    precision: Precision,
) {
    let maps = maps.merged();
    let from = inputs(&maps, memory);
    let weight = weights(&maps, parameters).swap_dims(1, 2);
    let product = product(&maps, [from, weight], precision);
    let mut to = beside(product);
    if let Some(bias) = maps.bias {
        to = to + parameters.row(bias, maps.to.width);
    }
    memory.write(maps.to, to);
}

/// Gradients of the maps' inputs: `from = to W`.
pub fn input<E: DeviceReal>(
    maps: &Linear,
    write: Write,
    memory: &mut Memory<'_, E>,
    parameters: &Parameters,
    precision: Precision,
) {
    let maps = maps.merged();
    let gradient = outputs(&maps, memory);
    let weight = weights(&maps, parameters);
    let found = product(&maps, [gradient, weight], precision);
    match adjacent(&maps) {
        true => {
            let to = maps.read();
            memory.put(Target { to, write }, beside(found));
        }
        false => {
            for (map, found) in found.iter_dim(0).enumerate() {
                let to = maps.input(map);
                let [_, rows, width] = found.dims();
                memory.put(Target { to, write }, found.reshape([rows, width]));
            }
        }
    }
}

/// Gradients of the maps' weights, `toᵀ from` each, one after another.
pub fn weight_gradient<E: DeviceReal>(
    maps: &Linear,
    memory: &Memory<'_, E>,
    precision: Precision,
) -> (Elements, Tensor<1>) {
    let maps = maps.merged();
    let gradient = outputs(&maps, memory).swap_dims(1, 2);
    let from = inputs(&maps, memory);
    let found = product(&maps, [gradient, from], precision);
    let elements = maps.weights();
    (elements, found.reshape([elements.count]))
}

/// By map, `[maps, outputs, inputs]`.
fn weights(maps: &Linear, parameters: &Parameters) -> Tensor<3> {
    let Elements { first, count } = maps.weights();
    let shape = [maps.batch, maps.outputs, maps.inputs];
    parameters.get(first, count).reshape(shape)
}

/// Whether the inputs of the maps are side by side.
const fn adjacent(maps: &Linear) -> bool {
    maps.batch == 1 || maps.from_step == maps.inputs
}

/// Inputs by map, `[maps, rows, inputs]`.
fn inputs<E: DeviceReal>(maps: &Linear, memory: &Memory<'_, E>) -> Tensor<3> {
    match adjacent(maps) {
        true => apart(memory.read(maps.read()), maps.batch),
        false => {
            let input = |map| memory.read(maps.input(map));
            Tensor::stack((0..maps.batch).map(input).collect(), 0)
        }
    }
}

/// Outputs by map, `[maps, rows, outputs]`.
fn outputs<E: DeviceReal>(maps: &Linear, memory: &Memory<'_, E>) -> Tensor<3> {
    let to = View {
        width: maps.batch * maps.outputs,
        ..maps.to
    };
    apart(memory.read(to), maps.batch)
}

/// From `[rows, maps · width]` to `[maps, rows, width]`.
fn apart(side_by_side: Tensor<2>, maps: usize) -> Tensor<3> {
    let [rows, width] = side_by_side.dims();
    side_by_side
        .reshape([rows, maps, width / maps])
        .swap_dims(0, 1)
}

/// From `[maps, rows, width]` to `[rows, maps · width]`.
fn beside(apart: Tensor<3>) -> Tensor<2> {
    let [maps, rows, width] = apart.dims();
    apart.swap_dims(0, 1).reshape([rows, maps * width])
}

/// Products by map. In bfloat16 both sides are rounded to it, where the host rounds them; sums and results are not.
fn product(maps: &Linear, sides: [Tensor<3>; 2], precision: Precision) -> Tensor<3> {
    let rounded = precision == Precision::Bfloat16 && !is_narrow(maps);
    let [left, right] = sides.map(|side| match rounded {
        true => {
            let dtype = side.dtype();
            side.cast(DType::BF16).cast(dtype)
        }
        false => side,
    });
    left.matmul(right)
}
