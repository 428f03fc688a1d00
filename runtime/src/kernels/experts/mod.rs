//! The experts of a Domain Expert as one operation on host memory: stacks of layers, routing, composition, crosses and embeddings of
//! all its tasks, with one backward pass.
//!
//! Rows are cut into lanes and those into chunks ([`lanes`]), small enough that what a chunk's layers hand on stays in the
//! core's cache. Forward, every (stack, chunk) and then every (head, chunk) is a unit of its own; backward, every (head, lane) and
//! then every (stack, lane), which sums the gradients of its parameters over its chunks. Units run in parallel. Lanes depend on the
//! number of rows alone, so results do not depend on the number of threads.

mod columns;
mod head;
mod lanes;
mod loops;
mod passes;
pub mod plan;
mod record;
mod rows;
mod source;
mod stack;
mod weights;

use burn::backend::autodiff::NodeId;
use burn::tensor::{DType, Tensor};

use super::op::Operand;
use passes::Held;
use plan::Plan;
use record::record;

/// Parameters of a plan, by their places.
#[derive(Debug, Default)]
pub struct Parameters {
    /// `None` for one that does not lie in host memory.
    operands: Vec<Option<Operand>>,
}

impl Parameters {
    /// Adds a parameter, a leaf of autodiff; returns its place.
    pub fn add<const D: usize>(&mut self, parameter: &Tensor<D>) -> usize {
        self.operands.push(Operand::new(parameter));
        self.operands.len() - 1
    }
}

/// The embeddings of every head, `[rows, output]`. The inputs are those of [`Input::ALL`]; one that no source reads may be any of the
/// others. `slope` is LeakyReLU's below zero. `None` if something lies outside host memory or is of another type.
pub fn experts(
    plan: Plan,
    inputs: [&Tensor<2>; 3],
    parameters: Parameters,
    slope: f64,
) -> Option<Vec<Tensor<2>>> {
    let [x, canonical, embedded] = inputs.map(Operand::new);
    let inputs = [x?, canonical?, embedded?];
    let parameters = parameters
        .operands
        .into_iter()
        .collect::<Option<Vec<_>>>()?;
    let dtype = inputs.first()?.dtype();
    let alike = |operand: &Operand| operand.dtype() == dtype;
    if !matches!(dtype, DType::F32 | DType::F64) || !inputs.iter().chain(&parameters).all(alike) {
        return None;
    }
    let held = Held {
        inputs: inputs.each_ref().map(Operand::host),
        parameters: parameters.iter().map(Operand::host).collect(),
        plan,
        slope,
    };
    let ids: Vec<Option<NodeId>> = parameters.iter().map(Operand::tracked_id).collect();
    Some(match dtype {
        DType::F64 => record::<f64>(held, inputs, ids),
        _ => record::<f32>(held, inputs, ids),
    })
}
