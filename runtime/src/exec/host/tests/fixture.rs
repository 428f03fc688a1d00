//! Operations on memory that a test fills and reads.

use mtmd_schema::list;
use mtmd_schema::plan::{
    Address, Blocks, Buffer as PlanBuffer, BufferId, Op, Program, Scope, Storage, View,
};

use super::super::batch_norm::Moments;
use super::super::memory::Memory;
use super::super::ops;
use super::super::parameters::{Gradients, Parameters};
use super::super::product::Way;
use super::super::real::Real;
use super::super::unit::{ReadyWeights, Unit};
use crate::hash::Random;
use crate::schema::Precision;

/// Numbers of both signs, of a size around 1.
pub fn draws(count: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed, &[count as u64]);
    (0..count).map(|_| random.normals().0).collect()
}

/// Buffers, all of them saved, and parameters of one domain.
#[derive(Default)]
pub struct Layout {
    buffers: Vec<PlanBuffer>,
    columns: usize,
    pub parameters: usize,
}

impl Layout {
    /// A view of `width` columns, with other columns before and behind it.
    pub fn view(&mut self, width: usize) -> View {
        let before = self.buffers.len() % 3;
        self.buffer(before + width + 2).columns(before, width)
    }

    /// All of a new buffer.
    pub fn buffer(&mut self, width: usize) -> View {
        self.buffers.push(PlanBuffer {
            width,
            storage: Storage::Saved(self.columns),
        });
        self.columns += width;
        View {
            buffer: BufferId(self.buffers.len() - 1),
            start: 0,
            width,
        }
    }

    pub fn parameter(&mut self, count: usize) -> Address {
        self.parameters += count;
        Address {
            scope: Scope::Own,
            offset: self.parameters - count,
        }
    }

    fn program(&self) -> Program {
        Program {
            domains: list(&[]),
            parameters: Blocks {
                start: 0,
                stride: self.parameters,
            },
            statistics: Blocks {
                start: 0,
                stride: 0,
            },
            own: list(&[]),
            running: list(&[]),
            fields: list(&[]),
            embedded: 0,
            buffers: self.buffers.clone().into(),
            saved: self.columns,
            scratch: 0,
            input: BufferId(0),
            input_gradient: None,
            output: BufferId(0),
            output_gradient: BufferId(0),
            outputs: list(&[]),
            forward: list(&[]),
            backward: list(&[]),
            sources: list(&[]),
            backward_of: list(&[]),
        }
    }
}

/// Memory of some rows, parameters and their gradients.
#[derive(Clone)]
pub struct State<E> {
    pub rows: usize,
    pub memory: Vec<E>,
    pub parameters: Vec<E>,
    pub gradients: Vec<E>,
    pub moments: Vec<(usize, Vec<E>, Vec<E>)>,
    pub precision: Precision,
}

impl<E: Real> State<E> {
    /// Random numbers everywhere.
    pub fn random(layout: &Layout, rows: usize, seed: u64) -> Self {
        let random = |count, seed| draws(count, seed).into_iter().map(E::real).collect();
        Self {
            rows,
            memory: random(rows * layout.columns, seed),
            parameters: random(layout.parameters, seed + 1),
            gradients: random(layout.parameters, seed + 2),
            moments: Vec::new(),
            precision: Precision::Float32,
        }
    }

    /// Runs operations; `first` as in [`Gradients::first`].
    pub fn run(&mut self, layout: &Layout, operations: &[Op], first: bool) {
        let program = layout.program();
        let parameters = Parameters {
            all: &self.parameters,
            own: 0,
        };
        let way = Way::of::<E>(self.rows, self.precision);
        let ready = ReadyWeights::new(operations, parameters, (way, 1 + self.rows / 100), None);
        let moments = self.moments.iter().cloned();
        let moments: Vec<_> = moments
            .map(|(at, mean, scale)| Moments { at, mean, scale })
            .collect();
        let mut unit = Unit {
            memory: Memory::new(&program, self.rows, &mut self.memory, &mut []),
            parameters,
            ready: &ready,
            moments: &moments,
            gradients: Some(Gradients {
                own: &mut self.gradients,
                tower: &mut [],
                tower_start: 0,
                first,
            }),
            eps: EPS,
            way,
        };
        ops::run(operations, &mut unit, None);
    }

    /// A row of a view.
    pub fn row(&self, layout: &Layout, view: View, row: usize) -> &[E] {
        let start = self.place(layout, view, row);
        &self.memory[start..start + view.width]
    }

    /// All rows of a view.
    pub fn matrix(&self, layout: &Layout, view: View) -> Vec<Vec<f64>> {
        let row = |row| self.row(layout, view, row).iter().map(|x| x.float64());
        (0..self.rows).map(|at| row(at).collect()).collect()
    }

    /// Where a row of a view is in memory.
    pub fn place(&self, layout: &Layout, view: View, row: usize) -> usize {
        let buffer = layout.buffers[view.buffer.0];
        let Storage::Saved(column) = buffer.storage else {
            panic!("all buffers are saved");
        };
        self.rows * column + row * buffer.width + view.start
    }

    /// Parameters from an address on.
    pub fn parameter(&self, first: Address, count: usize) -> Vec<f64> {
        let values = &self.parameters[first.offset..first.offset + count];
        values.iter().map(|x| x.float64()).collect()
    }
}

/// Added to variances.
pub const EPS: f64 = 1e-5;
