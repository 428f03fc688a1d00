//! The operation as autodiff sees it: one step of several outputs, whose parameters are no parents.

use std::collections::HashMap;
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
use rayon::prelude::*;

use super::passes::{Held, SavedRows};
use crate::kernels::buffer::give_back_tensor;
use crate::kernels::op::{Operand, Tracked};
use crate::kernels::real::{Real, add_rows_to, tensor};

/// A Domain Expert with its inputs, and the nodes of its parameters.
#[derive(Debug)]
pub struct Recorded {
    pub held: Held,
    pub inputs: [Operand; 3],
    pub ids: Vec<Option<NodeId>>,
}

/// What the backward pass reads of a Domain Expert.
#[derive(Debug)]
struct SavedWork<E: Real> {
    held: Held,
    ids: Vec<Option<NodeId>>,
    rows: SavedRows<E>,
}

/// What the backward pass reads besides.
#[derive(Debug, Clone)]
struct Saved<E: Real> {
    works: Arc<Vec<SavedWork<E>>>,
    /// Gradients of the outputs, by head.
    found: Slots,
    /// Gradients of the inputs.
    inputs: Slots,
}

/// Runs the forward pass and records the backward one.
pub fn record<E: Real>(works: Vec<Recorded>) -> Vec<Vec<Tensor<2>>> {
    let forward = works.par_iter().map(|work| work.held.forward::<E>());
    let (outputs, rows): (Vec<_>, Vec<_>) = forward.collect::<Vec<_>>().into_iter().unzip();
    let plain = |work: &Recorded| {
        let mut inputs = work.inputs.iter();
        inputs.all(|input| matches!(input, Operand::Plain(_)))
            && !work.ids.iter().any(Option::is_some)
    };
    if works.iter().all(plain) {
        let tensors = |outputs: Vec<_>| {
            let outputs = outputs.into_iter();
            outputs.map(Tensor::from_primitive::<Flex>).collect()
        };
        return outputs.into_iter().map(tensors).collect();
    }
    let found = Slots::new(outputs.iter().map(Vec::len));
    let to_inputs = Slots::new(works.iter().map(|work| work.inputs.len()));
    // Autodiff knows operations of a few inputs: each Domain Expert's are joined to those before. The first one is there for
    // Domain Experts none of whose inputs needs a gradient, while their parameters do.
    let mut joined = Tracked::new(nothing()).require_grad();
    let mut saved = Vec::with_capacity(works.len());
    for ((place, work), rows) in works.into_iter().enumerate().zip(rows) {
        let [x, canonical, embedded] = work.inputs.map(|input| input.tracked().node());
        let slot = Slot {
            place: (place, 0),
            slots: to_inputs.clone(),
        };
        let nodes = [joined.node(), x, canonical, embedded];
        joined = record_step(Join, nodes, slot, nothing());
        saved.push(SavedWork {
            held: work.held,
            ids: work.ids,
            rows,
        });
    }
    let saved = Saved {
        works: Arc::new(saved),
        found: found.clone(),
        inputs: to_inputs,
    };
    let all = record_step(Step::<E>(PhantomData), [joined.node()], saved, nothing());
    let output = |place, output| {
        let slot = Slot {
            place,
            slots: found.clone(),
        };
        Tensor::from_primitive::<Autodiff<Flex>>(record_step(OneOutput, [all.node()], slot, output))
    };
    let outputs = outputs.into_iter().enumerate().map(|(work, outputs)| {
        let outputs = outputs.into_iter().enumerate();
        outputs
            .map(|(head, values)| output((work, head), values))
            .collect()
    });
    outputs.collect()
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

/// What stands for tensors together: autodiff knows operations of one output.
fn nothing() -> FlexTensor {
    tensor(vec![0_f32], [1])
}

/// Gradients by Domain Expert and place; `None` for one that nothing came of.
#[derive(Debug, Clone)]
struct Slots(Arc<Mutex<Vec<Vec<Option<FlexTensor>>>>>);

impl Slots {
    fn new(lengths: impl Iterator<Item = usize>) -> Self {
        let empty = lengths.map(|length| vec![None; length]).collect();
        Self(Arc::new(Mutex::new(empty)))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Option<FlexTensor>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone)]
struct Slot {
    /// Domain Expert, and place.
    place: (usize, usize),
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
        let Slot { place, slots } = ops.state;
        let mut slots = slots.lock();
        if let Some(slot) = slots
            .get_mut(place.0)
            .and_then(|work| work.get_mut(place.1))
        {
            *slot = Some(gradient);
        }
        if let [Some(parent)] = ops.parents {
            gradients.register::<Flex>(parent.id, nothing());
        }
    }
}

/// The passes of all Domain Experts.
#[derive(Debug)]
struct Step<E>(PhantomData<E>);

impl<E: Real> Backward<Flex, 1> for Step<E> {
    type State = Saved<E>;

    fn backward(
        self,
        ops: Ops<Saved<E>, 1>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        gradients.consume::<Flex>(&ops.node);
        let Saved {
            works,
            found,
            inputs,
        } = ops.state;
        let found = std::mem::take(&mut *found.lock());
        let backward = works
            .par_iter()
            .zip(found)
            .map(|(work, found)| work.held.backward::<E>(&work.rows, &found));
        let mut to_inputs = Vec::with_capacity(works.len());
        let mut to_parameters = ByParameter::default();
        for (work, (inputs, parameters)) in works.iter().zip(backward.collect::<Vec<_>>()) {
            to_inputs.push(Vec::from(inputs));
            for (id, gradient) in work.ids.iter().zip(parameters) {
                if let (Some(id), Some(gradient)) = (id, gradient) {
                    to_parameters.add(*id, gradient);
                }
            }
        }
        // Parameters are leaves: nothing has to run after their gradients are known, so they need not be parents.
        for (id, gradient) in to_parameters.sums::<E>() {
            gradients.register::<Flex>(id, gradient);
        }
        *inputs.lock() = to_inputs;
        if let [Some(parent)] = ops.parents {
            gradients.register::<Flex>(parent.id, nothing());
        }
    }
}

/// Gradients of parameters, of which each Domain Expert has one of those that they share.
#[derive(Default)]
struct ByParameter {
    places: HashMap<NodeId, usize>,
    found: Vec<(NodeId, Vec<FlexTensor>)>,
}

impl ByParameter {
    fn add(&mut self, id: NodeId, gradient: FlexTensor) {
        let place = *self.places.entry(id).or_insert(self.found.len());
        match self.found.get_mut(place) {
            Some((_, found)) => found.push(gradient),
            None => self.found.push((id, vec![gradient])),
        }
    }

    /// The gradient of each parameter, summed in the order in which its parts came.
    fn sums<E: Real>(self) -> Vec<(NodeId, FlexTensor)> {
        let sum = |(id, found): (NodeId, Vec<FlexTensor>)| {
            let mut found = found.into_iter();
            let mut sum = found.next()?;
            for part in found {
                add_rows_to(E::slice_mut(&mut sum), E::slice(&part));
                give_back_tensor::<E>(part);
            }
            Some((id, sum))
        };
        self.found.into_par_iter().filter_map(sum).collect()
    }
}

/// From all Domain Experts to the inputs of one.
#[derive(Debug)]
struct Join;

impl Backward<Flex, 4> for Join {
    type State = Slot;

    fn backward(
        self,
        ops: Ops<Slot, 4>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        gradients.consume::<Flex>(&ops.node);
        let Slot { place, slots } = ops.state;
        let found = slots.lock().get_mut(place.0).map(std::mem::take);
        let [before, inputs @ ..] = ops.parents;
        for (parent, gradient) in inputs.into_iter().zip(found.unwrap_or_default()) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
        if let Some(before) = before {
            gradients.register::<Flex>(before.id, nothing());
        }
    }
}
