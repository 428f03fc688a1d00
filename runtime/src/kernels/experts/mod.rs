//! The experts of all Domain Experts of a tower as one operation on host memory: stacks of layers, routing, composition, crosses and
//! embeddings of all their tasks, with one backward pass.
//!
//! Rows are cut into lanes and those into chunks ([`Cut`]), small enough that what a chunk's layers hand on stays in the
//! core's cache. Forward, every (stack, chunk) and then every (head, chunk) is a unit of its own; backward, every (head, lane) and
//! then every (stack, lane), which sums the gradients of its parameters over its chunks. Units run in parallel, and so do Domain Experts:
//! where one has no unit left, another has. Lanes depend on the numbers of rows alone, so results do not depend on the number of threads.

mod columns;
mod head;
mod loops;
mod passes;
pub mod plan;
mod record;
mod rows;
mod source;
mod stack;
mod weights;

use burn::tensor::{DType, Tensor};

use super::op::Operand;
use crate::exec::Precision;
use crate::exec::host::lanes::Cut;
use passes::Held;
use plan::Plan;
use record::{Recorded, record};

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

/// What one Domain Expert has to do.
#[derive(Debug)]
pub struct Work {
    /// What it is made of.
    pub plan: Plan,
    /// Those of [`plan::Input::ALL`]; one that no source reads may be any of the others.
    pub inputs: [Tensor<2>; 3],
    /// By their places.
    pub parameters: Parameters,
    /// Of products; routings, whose maps are too narrow to gain by it, stay as they are.
    pub precision: Precision,
}

/// The embeddings of every head of every Domain Expert, `[rows, output]`. `slope` is LeakyReLU's below zero. `None` if something lies outside
/// host memory or is of another type.
pub fn experts(works: Vec<Work>, slope: f64) -> Option<Vec<Vec<Tensor<2>>>> {
    let rows = |work: &Work| work.inputs.first().map_or(0, |x| x.dims()[0]);
    let all = works.iter().map(rows).sum();
    let works = works.into_iter().map(|work| {
        let cut = Cut {
            rows: rows(&work),
            all,
        };
        let [x, canonical, embedded] = work.inputs.each_ref().map(Operand::new);
        let inputs = [x?, canonical?, embedded?];
        let parameters = work.parameters.operands.into_iter();
        let parameters = parameters.collect::<Option<Vec<_>>>()?;
        let held = Held {
            inputs: inputs.each_ref().map(Operand::host),
            parameters: parameters.iter().map(Operand::host).collect(),
            plan: work.plan,
            slope,
            precision: work.precision,
            cut,
        };
        let ids = parameters.iter().map(Operand::tracked_id).collect();
        Some(Recorded { held, inputs, ids })
    });
    let works = works.collect::<Option<Vec<Recorded>>>()?;
    let all = works.iter().flat_map(|work| {
        let parameters = work.held.parameters.iter();
        work.held.inputs.iter().chain(parameters)
    });
    let mut types = all.map(|tensor| tensor.dtype());
    let dtype = types.next()?;
    if !types.all(|other| other == dtype) {
        return None;
    }
    match dtype {
        DType::F64 => Some(record::<f64>(works)),
        DType::F32 => Some(record::<f32>(works)),
        _ => None,
    }
}
