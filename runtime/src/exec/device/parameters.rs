//! Parameters of a domain on the device, and their gradients.

use burn::tensor::{Device, Tensor};
use mtmd_schema::plan::{Address, Scope};

use super::element::{DeviceReal, zeros};
use crate::bug::bug;

/// The parameters as a domain's program addresses them.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// All of the plan.
    pub flat: Tensor<1>,
    /// First element of the domain's block.
    pub own: usize,
}

impl Parameters {
    /// Elements from an address on.
    pub fn get(&self, first: Address, count: usize) -> Tensor<1> {
        let start = place(first, self.own);
        self.flat.clone().narrow(0, start, count)
    }

    /// The same as one row.
    pub fn row(&self, first: Address, count: usize) -> Tensor<2> {
        self.get(first, count).reshape([1, count])
    }
}

/// Gradients of all parameters of the plan. What no operation has written is 0, so an operation that sets a
/// gradient adds to it: nothing in its program has written it before, and other domains' sums belong to it.
#[derive(Debug)]
pub struct Gradients {
    /// `None` while it is written, so that it has one owner and is written in place.
    flat: Option<Tensor<1>>,
}

impl Gradients {
    /// All 0.
    pub fn zeros<E: DeviceReal>(count: usize, device: &Device) -> Self {
        Self {
            flat: Some(zeros::<E, 1>([count], device)),
        }
    }

    /// Adds to the elements from an address on, in the block that starts at `own`.
    pub fn add(&mut self, first: Address, own: usize, values: Tensor<1>) {
        let [count] = values.dims();
        let start = place(first, own);
        let flat = self.take();
        let sum = flat.clone().narrow(0, start, count) + values;
        self.flat = Some(flat.slice_assign(start..start + count, sum));
    }

    /// All of them.
    pub fn take(&mut self) -> Tensor<1> {
        match self.flat.take() {
            Some(flat) => flat,
            None => bug!("gradients that were taken"),
        }
    }
}

/// Where an address is in the flat array.
const fn place(first: Address, own: usize) -> usize {
    match first.scope {
        Scope::Own => own + first.offset,
        Scope::Tower => first.offset,
    }
}
