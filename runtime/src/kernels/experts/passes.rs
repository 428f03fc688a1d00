//! Both passes over all rows.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::head::{HeadGradient, HeadRows, Outputs};
use super::plan::{self, Input, Plan};
use super::source::sides;
use super::stack::StackRows;
use super::weights::{Gradients, Weights};
use crate::exec::Precision;
use crate::exec::host::lanes::{Cut, Lane};
use crate::exec::host::product::Side;
use crate::kernels::buffer::Buffer;
use crate::kernels::real::{Real, add_rows_to, dims, tensor};

/// What both passes read.
#[derive(Debug)]
pub struct Held {
    pub plan: Plan,
    pub inputs: [FlexTensor; 3],
    pub parameters: Vec<FlexTensor>,
    pub slope: f64,
    pub precision: Precision,
    /// How the rows are cut.
    pub cut: Cut,
}

/// By stack or head, then by chunk.
#[derive(Debug)]
pub struct SavedRows<E: Real> {
    stacks: Vec<Vec<StackRows<E>>>,
    heads: Vec<Vec<HeadRows<E>>>,
}

/// Gradients of the inputs, and of the parameters by place.
type Parts = ([Option<FlexTensor>; 3], Vec<Option<FlexTensor>>);

impl Held {
    /// The output of every head, and what the backward pass needs.
    pub fn forward<E: Real>(&self) -> (Vec<FlexTensor>, SavedRows<E>) {
        let rows = self.cut.rows;
        let chunks: Vec<_> = self.cut.lanes().into_iter().flatten().collect();
        let weights = Weights::<E>::new(self, true, chunks.len());
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
    pub fn backward<E: Real>(&self, saved: &SavedRows<E>, found: &[Option<FlexTensor>]) -> Parts {
        let lanes = self.cut.lanes();
        let chunks: Vec<_> = lanes.iter().flatten().cloned().collect();
        let weights = Weights::<E>::new(self, false, chunks.len());
        let (heads, mut parameters) = self.backward_heads(saved, found, &lanes, &weights);
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
            parameters.push(found);
            if let Some(before) = befores.get_mut(unit / lanes.len()) {
                before.extend(chunks);
            }
        }
        let inputs = Input::ALL.map(|input| self.to_input(input, &befores));
        let shapes = self.parameters.iter().map(FlexTensor::layout);
        let parameters = Gradients::total(self.parameters.len(), parameters);
        let parameters = parameters.into_iter().zip(shapes);
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
            Some(sum) => add_rows_to(sum, values),
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
        let chunks = sum
            .par_chunks_mut((self.cut.chunk() * width).max(1))
            .enumerate();
        chunks.for_each(|(at, sum)| {
            for (source, before) in &stacks {
                let from = before.get(at).map_or(&[][..], |rows| rows);
                source.add_back(sum, width, from);
            }
        });
        Some(tensor(sum, [rows, width]))
    }

    pub fn input(&self, input: Input) -> Option<&FlexTensor> {
        let inputs = Input::ALL.into_iter().zip(&self.inputs);
        inputs
            .filter(|(kind, _)| *kind == input)
            .map(|(_, tensor)| tensor)
            .next()
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
