//! The operation as autodiff sees it: one step of several outputs, whose parameters are no parents.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;

use super::passes::{Held, SavedRows};
use crate::kernels::op::{Operand, Tracked};
use crate::kernels::real::{Real, tensor};

/// What the backward pass reads besides.
#[derive(Debug, Clone)]
struct Saved<E: Real> {
    held: Arc<Held>,
    ids: Arc<[Option<NodeId>]>,
    rows: Arc<SavedRows<E>>,
    found: Slots,
}

/// Runs the forward pass and records the backward one.
pub fn record<E: Real>(
    held: Held,
    inputs: [Operand; 3],
    ids: Vec<Option<NodeId>>,
) -> Vec<Tensor<2>> {
    let (outputs, rows) = held.forward::<E>();
    if inputs
        .iter()
        .all(|input| matches!(input, Operand::Plain(_)))
        && !ids.iter().any(Option::is_some)
    {
        return outputs
            .into_iter()
            .map(Tensor::from_primitive::<Flex>)
            .collect();
    }
    let found = Slots(Arc::new(Mutex::new(vec![None; outputs.len()])));
    let saved = Saved {
        held: Arc::new(held),
        ids: ids.into(),
        rows: Arc::new(rows),
        found: found.clone(),
    };
    let all = record_step(
        Step::<E>(PhantomData),
        inputs.map(|input| input.tracked().node()),
        saved,
        nothing(),
    );
    let output = |(place, output)| {
        let slot = Slot {
            place,
            slots: found.clone(),
        };
        Tensor::from_primitive::<Autodiff<Flex>>(record_step(OneOutput, [all.node()], slot, output))
    };
    outputs.into_iter().enumerate().map(output).collect()
}

fn record_step<B: Backward<Flex, N>, const N: usize>(
    step: B,
    nodes: [NodeGuard; N],
    state: B::State,
    output: FlexTensor,
) -> Tracked {
    match step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(state, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// What stands for all outputs together: autodiff knows operations of one output.
fn nothing() -> FlexTensor {
    tensor(vec![0_f32], [1])
}

/// Gradients of the outputs, by head; `None` for one that nothing came of.
#[derive(Debug, Clone)]
struct Slots(Arc<Mutex<Vec<Option<FlexTensor>>>>);

impl Slots {
    fn lock(&self) -> MutexGuard<'_, Vec<Option<FlexTensor>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone)]
struct Slot {
    place: usize,
    slots: Slots,
}

/// From one output to all: puts its gradient where the step of all finds it.
#[derive(Debug)]
struct OneOutput;

impl Backward<Flex, 1> for OneOutput {
    type State = Slot;

    fn backward(
        self,
        ops: Ops<Slot, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(slot) = ops.state.slots.lock().get_mut(ops.state.place) {
            *slot = Some(gradient);
        }
        if let [Some(parent)] = ops.parents {
            gradients.register::<Flex>(parent.id, nothing());
        }
    }
}

#[derive(Debug)]
struct Step<E>(PhantomData<E>);

impl<E: Real> Backward<Flex, 3> for Step<E> {
    type State = Saved<E>;

    fn backward(
        self,
        ops: Ops<Saved<E>, 3>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        gradients.consume::<Flex>(&ops.node);
        let Saved {
            held,
            ids,
            rows,
            found,
        } = ops.state;
        let found = std::mem::take(&mut *found.lock());
        let (inputs, parameters) = held.backward::<E>(&rows, &found);
        for (parent, gradient) in ops.parents.into_iter().zip(inputs) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
        // Parameters are leaves: nothing has to run after their gradients are known, so they need not be parents.
        for (id, gradient) in ids.iter().zip(parameters) {
            if let (Some(id), Some(gradient)) = (id, gradient) {
                gradients.register::<Flex>(*id, gradient);
            }
        }
    }
}
