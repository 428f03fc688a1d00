//! The experts of a Domain Expert as one operation on host memory: stacks of layers, routing, composition, crosses and embeddings of
//! all its tasks, with one backward pass.
//!
//! Rows are cut into lanes and those into chunks of [`CHUNK`] rows, small enough that what a chunk's layers hand on stays in the
//! core's cache. Forward, every (stack, chunk) and then every (head, chunk) is a unit of its own; backward, every (head, lane) and
//! then every (stack, lane), which sums the gradients of its parameters over its chunks. Units run in parallel. Lanes depend on the
//! number of rows alone, so results do not depend on the number of threads.

mod head;
pub mod plan;
mod rows;
mod source;
mod stack;

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients as Found;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::buffer::Buffer;
use super::op::{Operand, Tracked};
use super::product::{Side, Target, View, Way};
use super::real::{Real, add, add_rows_to, dims, tensor};
use head::{HeadGradient, HeadRows, Outputs};
use plan::{Dense, Input, Plan, Source};
use stack::StackRows;

/// Rows that go through all layers of a stack before the next ones do.
const CHUNK: usize = 256;

/// Rows of a lane, at least.
const LANE: usize = 2 * CHUNK;

/// Lanes at most: each has gradients of all parameters.
const LANES: usize = 4;

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

/// What both passes read.
#[derive(Debug)]
struct Held {
    plan: Plan,
    inputs: [FlexTensor; 3],
    parameters: Vec<FlexTensor>,
    slope: f64,
}

/// What the backward pass reads besides.
#[derive(Debug, Clone)]
struct Saved<E: Real> {
    held: Arc<Held>,
    ids: Arc<[Option<NodeId>]>,
    rows: Arc<SavedRows<E>>,
    found: Slots,
}

/// By stack or head, then by chunk.
#[derive(Debug)]
struct SavedRows<E: Real> {
    stacks: Vec<Vec<StackRows<E>>>,
    heads: Vec<Vec<HeadRows<E>>>,
}

/// Runs the forward pass and records the backward one.
fn record<E: Real>(held: Held, inputs: [Operand; 3], ids: Vec<Option<NodeId>>) -> Vec<Tensor<2>> {
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

    fn backward(self, ops: Ops<Slot, 1>, gradients: &mut Found, _checkpointer: &mut Checkpointer) {
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
        gradients: &mut Found,
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

/// Parameters as slices, and those that are multiplied with made ready as right sides.
struct Weights<'a, E> {
    values: Vec<&'a [E]>,
    rights: Vec<Option<Side<'a, E>>>,
    none: Side<'a, E>,
    way: Way,
    slope: E,
}

impl<'a, E: Real> Weights<'a, E> {
    /// For the forward pass weights are right sides as their transposes, for the backward pass as they are.
    fn new(held: &'a Held, transposed: bool, way: Way) -> Self {
        let values: Vec<&[E]> = held.parameters.iter().map(E::slice).collect();
        let mut places: Vec<Option<Dense>> = vec![None; values.len()];
        for dense in held.plan.weights() {
            if let Some(place) = places.get_mut(dense.weight) {
                *place = Some(dense);
            }
        }
        let ready = |(dense, values): (Option<Dense>, &&'a [E])| {
            let view = View::new(values, dense?.input);
            Some(Side::right(
                if transposed { view.transpose() } else { view },
                way,
            ))
        };
        let rights = places.into_par_iter().zip(&values).map(ready).collect();
        Self {
            values,
            rights,
            none: Side::right(View::new(&[], 0), Way::Plain),
            way,
            slope: E::real(held.slope),
        }
    }

    /// A parameter.
    fn values(&self, place: usize) -> &'a [E] {
        self.values.get(place).copied().unwrap_or_default()
    }

    /// The weight of a map.
    fn right(&self, dense: &Dense) -> &Side<'a, E> {
        let side = self.rights.get(dense.weight).and_then(Option::as_ref);
        side.unwrap_or(&self.none)
    }
}

/// Gradients of the parameters that a unit has, by place.
struct Gradients<E>(Vec<Option<Vec<E>>>);

impl<E: Real> Gradients<E> {
    fn new(parameters: usize) -> Self {
        Self(vec![None; parameters])
    }

    /// The gradient of a parameter of so many elements, and whether something is in it.
    fn slot(&mut self, place: usize, length: usize) -> (&mut [E], Target) {
        match self.0.get_mut(place) {
            Some(Some(found)) => (found, Target::Add),
            Some(empty) => (empty.insert(vec![E::default(); length]), Target::Set),
            None => (&mut [], Target::Set),
        }
    }

    fn add(&mut self, place: usize, values: &[E]) {
        let (to, _) = self.slot(place, values.len());
        add(to, values);
    }

    /// Adds every row of `width`.
    fn add_rows(&mut self, place: usize, values: &[E], width: usize) {
        let (to, _) = self.slot(place, width);
        add_rows_to(to, values);
    }

    /// Adds those of another unit.
    fn merge(&mut self, other: Self) {
        for (to, from) in self.0.iter_mut().zip(other.0) {
            match (to, from) {
                (Some(to), Some(from)) => add(to, &from),
                (to @ None, from) => *to = from,
                (Some(_), None) => {}
            }
        }
    }
}

/// Chunks of rows, each with its number among all chunks.
type Lane = Vec<(usize, Range<usize>)>;

/// All rows as lanes.
fn lanes(rows: usize) -> Vec<Lane> {
    let count = (rows / LANE).clamp(1, LANES);
    let chunks = rows.div_ceil(CHUNK);
    let chunk = |at: usize| (at, at * CHUNK..((at + 1) * CHUNK).min(rows));
    let lane = |lane: usize| {
        (lane * chunks / count..(lane + 1) * chunks / count)
            .map(chunk)
            .collect()
    };
    (0..count).map(lane).collect()
}

type Parts = ([Option<FlexTensor>; 3], Vec<Option<FlexTensor>>);

impl Held {
    fn rows(&self) -> usize {
        self.inputs.first().map_or(0, |x| dims(x).0)
    }

    /// The output of every head, and what the backward pass needs.
    fn forward<E: Real>(&self) -> (Vec<FlexTensor>, SavedRows<E>) {
        let rows = self.rows();
        let chunks: Vec<_> = lanes(rows).into_iter().flatten().collect();
        let weights = Weights::<E>::new(self, true, Way::of::<E>(rows));
        let sources = self.sources::<E>(&chunks);
        let lefts = sides(&sources, &chunks, |view| Side::left(view, weights.way));
        let count = chunks.len();
        let units = |units: usize| (0..units * count).into_par_iter().with_max_len(1);
        let stacks = units(self.plan.stacks.len()).filter_map(|unit| {
            let stack = self.plan.stacks.get(unit / count)?;
            let (at, chunk) = chunks.get(unit % count)?;
            let left = lefts.get(stack.source)?.get(*at)?;
            Some(stack.forward(left, chunk.len(), &weights))
        });
        let stacks = by_unit(stacks.collect(), count);
        let heads = units(self.plan.heads.len()).filter_map(|unit| {
            let head = self.plan.heads.get(unit / count)?;
            let (at, chunk) = chunks.get(unit % count)?;
            Some(head.forward(&outputs(&stacks, *at), chunk.len(), &weights))
        });
        let (embeddings, heads): (Vec<_>, Vec<_>) = heads.collect::<Vec<_>>().into_iter().unzip();
        let embeddings = by_unit(embeddings, count).into_iter().zip(&self.plan.heads);
        let outputs =
            embeddings.map(|(chunks, head)| tensor(concat(&chunks), [rows, head.output()]));
        let heads = by_unit(heads, count);
        (outputs.collect(), SavedRows { stacks, heads })
    }

    /// Gradients of the inputs, and of the parameters by place.
    fn backward<E: Real>(&self, saved: &SavedRows<E>, found: &[Option<FlexTensor>]) -> Parts {
        let rows = self.rows();
        let lanes = lanes(rows);
        let chunks: Vec<_> = lanes.iter().flatten().cloned().collect();
        let weights = Weights::<E>::new(self, false, Way::of::<E>(rows));
        let (heads, found) = self.backward_heads(saved, found, &lanes, &weights);
        let mut parameters = Gradients::new(self.parameters.len());
        found.into_iter().for_each(|found| parameters.merge(found));
        let sources = self.sources::<E>(&chunks);
        let inputs = sides(&sources, &chunks, |view| Side::right(view, weights.way));
        let units = (0..self.plan.stacks.len() * lanes.len())
            .into_par_iter()
            .with_max_len(1);
        let stacks = units.filter_map(|unit| {
            let place = unit / lanes.len();
            let stack = self.plan.stacks.get(place)?;
            let mut to = Gradients::new(self.parameters.len());
            let chunks = lanes.get(unit % lanes.len())?.iter().filter_map(|(at, _)| {
                let gradient = self.to_stack(place, heads.iter().map(|head| head.get(*at)))?;
                let saved = saved.stacks.get(place)?.get(*at)?;
                let input = inputs.get(stack.source)?.get(*at)?;
                Some(stack.backward(saved, gradient, input, &weights, &mut to))
            });
            let chunks: Vec<Buffer<E>> = chunks.collect();
            Some((chunks, to))
        });
        let mut befores: Vec<Vec<Buffer<E>>> = Vec::new();
        befores.resize_with(self.plan.stacks.len(), Vec::new);
        for (unit, (chunks, found)) in stacks.collect::<Vec<_>>().into_iter().enumerate() {
            parameters.merge(found);
            if let Some(before) = befores.get_mut(unit / lanes.len()) {
                before.extend(chunks);
            }
        }
        let inputs = Input::ALL.map(|input| self.to_input(input, &befores));
        let shapes = self.parameters.iter().map(FlexTensor::layout);
        let parameters = parameters.0.into_iter().zip(shapes);
        let shaped = parameters.map(|(values, layout)| {
            values.map(|values| match *layout.shape().as_slice() {
                [rows, columns] => tensor(values, [rows, columns]),
                _ => tensor(values, [layout.num_elements()]),
            })
        });
        (inputs, shaped.collect())
    }

    /// Gradients of what the heads read, by head and chunk (none for a head that nothing came of), and of their parameters.
    fn backward_heads<E: Real>(
        &self,
        saved: &SavedRows<E>,
        found: &[Option<FlexTensor>],
        lanes: &[Lane],
        weights: &Weights<'_, E>,
    ) -> (Vec<Vec<HeadGradient<E>>>, Vec<Gradients<E>>) {
        let heads = self.plan.heads.len();
        let units = (0..heads * lanes.len()).into_par_iter().with_max_len(1);
        let units = units.map(|unit| {
            let (place, lane) = (unit / lanes.len(), unit % lanes.len());
            let mut to = Gradients::new(self.parameters.len());
            let chunks = lanes
                .get(lane)
                .into_iter()
                .flatten()
                .filter_map(|(at, chunk)| {
                    let head = self.plan.heads.get(place)?;
                    let width = head.output();
                    let gradient = E::slice(found.get(place)?.as_ref()?);
                    let gradient = gradient.get(chunk.start * width..chunk.end * width)?;
                    let saved_rows = saved.heads.get(place)?.get(*at)?;
                    let outputs = outputs(&saved.stacks, *at);
                    Some(head.backward(saved_rows, &outputs, gradient, weights, &mut to))
                });
            (chunks.collect::<Vec<_>>(), to)
        });
        let mut by_head: Vec<Vec<HeadGradient<E>>> = (0..heads).map(|_| Vec::new()).collect();
        let mut parameters = Vec::new();
        for (unit, (chunks, found)) in units.collect::<Vec<_>>().into_iter().enumerate() {
            if let Some(head) = by_head.get_mut(unit / lanes.len()) {
                head.extend(chunks);
            }
            parameters.push(found);
        }
        (by_head, parameters)
    }

    /// The gradient of a stack's output on a chunk, summed over the heads that read it; `None` if none does.
    fn to_stack<'a, E: Real>(
        &self,
        place: usize,
        heads: impl Iterator<Item = Option<&'a HeadGradient<E>>>,
    ) -> Option<Buffer<E>> {
        let mut sum: Option<Buffer<E>> = None;
        let mut take = |values: &[E]| match &mut sum {
            Some(sum) => add(sum, values),
            None => sum = Some(Buffer::of(values)),
        };
        for (head, found) in self.plan.heads.iter().zip(heads) {
            let Some(found) = found else { continue };
            let experts = head.experts.iter().zip(&found.experts);
            experts
                .filter(|(stack, _)| **stack == place)
                .for_each(|(_, values)| take(values));
            if head
                .routing
                .as_ref()
                .is_some_and(|(stack, _)| *stack == place)
            {
                take(&found.routing);
            }
            if matches!(&head.shallow, plan::Shallow::Dense { stack, .. } if *stack == place) {
                take(&found.shallow);
            }
        }
        sum
    }

    /// The gradient of an input: the sum of what its stacks send back, by stack and chunk; `None` if none reads it.
    fn to_input<E: Real>(&self, input: Input, befores: &[Vec<Buffer<E>>]) -> Option<FlexTensor> {
        let (rows, width) = dims(self.input(input)?);
        let reads = |stack: &plan::Stack| {
            let source = self.plan.sources.get(stack.source);
            source.filter(|source| source.input == input)
        };
        let stacks = self.plan.stacks.iter().zip(befores);
        let stacks: Vec<_> = stacks
            .filter_map(|(stack, before)| Some((reads(stack)?, before)))
            .collect();
        if stacks.is_empty() {
            return None;
        }
        let mut sum = vec![E::default(); rows * width];
        let chunks = sum.par_chunks_mut((CHUNK * width).max(1)).enumerate();
        chunks.for_each(|(at, sum)| {
            for (source, before) in &stacks {
                let from = before.get(at).map_or(&[][..], |rows| rows);
                source.add_back(sum, width, from);
            }
        });
        Some(tensor(sum, [rows, width]))
    }

    fn input(&self, input: Input) -> Option<&FlexTensor> {
        let inputs = Input::ALL.into_iter().zip(&self.inputs);
        inputs
            .filter(|(kind, _)| *kind == input)
            .map(|(_, tensor)| tensor)
            .next()
    }

    /// The rows of every source.
    fn sources<E: Real>(&self, chunks: &[(usize, Range<usize>)]) -> Vec<SourceRows<'_, E>> {
        let sources = self.plan.sources.iter().filter_map(|source| {
            let input = self.input(source.input)?;
            let (_, width) = dims(input);
            let values = E::slice(input);
            Some(match &source.columns {
                None => SourceRows::Whole { values, width },
                Some(columns) => {
                    let picked = columns.iter().map(Range::len).sum();
                    let gather = |(_, chunk): &(usize, Range<usize>)| {
                        let rows = values
                            .get(chunk.start * width..chunk.end * width)
                            .unwrap_or_default();
                        source::picked(rows, width, columns)
                    };
                    SourceRows::Picked {
                        chunks: chunks.iter().map(gather).collect(),
                        width: picked,
                    }
                }
            })
        });
        sources.collect()
    }
}

/// The rows that stacks read.
enum SourceRows<'a, E> {
    Whole { values: &'a [E], width: usize },
    Picked { chunks: Vec<Vec<E>>, width: usize },
}

/// Every source's chunks as sides of products.
fn sides<'a, E: Real>(
    sources: &'a [SourceRows<'_, E>],
    chunks: &[(usize, Range<usize>)],
    side: impl Fn(View<'a, E>) -> Side<'a, E> + Sync,
) -> Vec<Vec<Side<'a, E>>> {
    let of = |source: &'a SourceRows<'_, E>| {
        let ready = |(at, chunk): &(usize, Range<usize>)| {
            let view = match source {
                SourceRows::Whole { values, width } => {
                    let rows = values.get(chunk.start * width..chunk.end * width);
                    View::new(rows.unwrap_or_default(), *width)
                }
                SourceRows::Picked { chunks, width } => {
                    View::new(chunks.get(*at).map_or(&[][..], Vec::as_slice), *width)
                }
            };
            side(view)
        };
        chunks.par_iter().map(ready).collect()
    };
    sources.iter().map(of).collect()
}

impl Source {
    /// Adds the gradient of the rows of this source to that of its input, `[rows, width]`.
    fn add_back<E: Real>(&self, to: &mut [E], width: usize, from: &[E]) {
        match &self.columns {
            None => add(to, from),
            Some(columns) => source::add_picked(to, width, columns, from),
        }
    }
}

/// The outputs of all stacks on a chunk.
fn outputs<E: Real>(stacks: &[Vec<StackRows<E>>], chunk: usize) -> Outputs<'_, E> {
    stacks
        .iter()
        .map(|chunks| chunks.get(chunk).map_or(&[][..], |rows| &*rows.output))
        .collect()
}

/// Chunks one below the other.
fn concat<E: Real>(chunks: &[Buffer<E>]) -> Vec<E> {
    let mut whole = Vec::with_capacity(chunks.iter().map(|chunk| chunk.len()).sum());
    chunks
        .iter()
        .for_each(|chunk| whole.extend_from_slice(chunk));
    whole
}

/// Results of (unit, chunk) pairs by unit.
fn by_unit<T>(results: Vec<T>, chunks: usize) -> Vec<Vec<T>> {
    let mut results = results.into_iter();
    let mut units = Vec::new();
    loop {
        let unit: Vec<T> = results.by_ref().take(chunks.max(1)).collect();
        if unit.is_empty() {
            return units;
        }
        units.push(unit);
    }
}
