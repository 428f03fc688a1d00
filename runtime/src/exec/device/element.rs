//! From host memory to tensors and back.

use burn::tensor::{Device, Element, Shape, Tensor, TensorData, Transaction};

use crate::bug::{bug, check};
use crate::exec::host::Real;

/// float32 or float64, in host memory and on a device.
pub trait DeviceReal: Real + Element {}

impl DeviceReal for f32 {}
impl DeviceReal for f64 {}

/// A tensor of these values.
pub fn upload<E: DeviceReal, const D: usize>(
    values: &[E],
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    let count: usize = shape.iter().product();
    check!(
        values.len() == count,
        "{} values for a tensor of {shape:?}",
        values.len()
    );
    let data = TensorData::new(values.to_vec(), Shape::from(shape));
    Tensor::from_data(data, (device, E::dtype()))
}

/// Zeros.
pub fn zeros<E: DeviceReal, const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::zeros(shape, (device, E::dtype()))
}

/// Tensors that are read in one go.
#[derive(Default)]
pub struct Download {
    transaction: Transaction,
    count: usize,
}

impl Download {
    /// Adds a tensor.
    pub fn push<const D: usize>(&mut self, tensor: Tensor<D>) {
        self.transaction = std::mem::take(&mut self.transaction).register(tensor);
        self.count += 1;
    }

    /// The values of all tensors, row-major, in the order in which they came.
    pub fn read<E: DeviceReal>(self) -> Vec<Vec<E>> {
        if self.count == 0 {
            return Vec::new();
        }
        // An error of the device stops the program with burn's message, which the command shows.
        let all = self.transaction.execute();
        let values = |data: TensorData| match data.try_into_vec::<E>() {
            Ok(values) => values,
            Err(error) => bug!("a tensor of another type: {error:?}"),
        };
        all.into_iter().map(values).collect()
    }
}
