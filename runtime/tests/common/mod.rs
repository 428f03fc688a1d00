//! A tiny model in the form of generated code, and inputs for it.

// Each test binary uses some of these.
#![allow(dead_code)]

pub mod finite;
pub mod model;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Device, Tensor, TensorData};
use mtmd::data::batch::{Batch, TowerBatch};
use mtmd::layers::{DomainInput, Layout, Precision, TowerInput};
use mtmd::schema::{DomainId, Schema, Tower};

/// The CPU with autodiff.
pub fn device() -> Device {
    Device::flex().autodiff()
}

/// A stream of draws from U(-1, 1).
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }

    pub fn values(&mut self, length: usize) -> Vec<f64> {
        (0..length).map(|_| self.next()).collect()
    }

    pub fn tensor<const D: usize>(&mut self, shape: [usize; D], dtype: DType) -> Tensor<D> {
        let values = self.values(shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), (&device(), dtype))
    }
}

/// The module in float64, with random values in every parameter, the running variances positive.
pub fn in_f64<M: Module>(module: M, seed: u64) -> M {
    redrawn(module, seed, DType::F64)
}

/// The same in another type.
pub fn redrawn<M: Module>(module: M, seed: u64, dtype: DType) -> M {
    struct Redraw {
        path: Vec<String>,
        draws: Draws,
        dtype: DType,
    }
    impl ModuleMapper for Redraw {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let shape = param.shape();
            let mut values = self.draws.values(shape.num_elements());
            if self.path.last().is_some_and(|name| name == "running_var") {
                values
                    .iter_mut()
                    .for_each(|value| *value = value.abs() + 0.5);
            }
            param.map(|old| {
                Tensor::from_data(TensorData::new(values, shape), (&old.device(), self.dtype))
                    .set_require_grad(old.is_require_grad())
            })
        }
    }
    module.map(&mut Redraw {
        path: Vec::new(),
        draws: Draws::new(seed),
        dtype,
    })
}

/// A batch of these (surface, product) rows, without columns and with random labels on the cells
/// that exist.
pub fn batch(schema: &Schema, cells: &[(u16, u16)], seed: u64) -> Batch {
    let mut draws = Draws::new(seed);
    let surface: Vec<u16> = cells.iter().map(|cell| cell.0).collect();
    let product: Vec<u16> = cells.iter().map(|cell| cell.1).collect();
    let labels = schema.tasks.iter().map(|task| {
        let label = |&(surface, product): &(u16, u16)| {
            let exists = task.surfaces.has(DomainId(usize::from(surface)))
                && task.products.has(DomainId(usize::from(product)));
            let label = (draws.next().abs() * 0.98 + 0.01) as f32;
            if exists { label } else { f32::NAN }
        };
        cells.iter().map(label).collect()
    });
    Batch {
        rows: cells.len(),
        query: grouped(&surface, schema.surfaces.domains.len()),
        item: grouped(&product, schema.products.domains.len()),
        labels: labels.collect(),
        weights: vec![],
        actions: vec![vec![f32::NAN; cells.len()]; schema.tasks.len()],
        surface,
        product,
        ..Batch::default()
    }
}

fn grouped(domain_of: &[u16], domains: usize) -> TowerBatch {
    let mut batch = TowerBatch::default();
    for domain in 0..domains {
        let start = batch.order.len();
        let rows = (0_u32..).zip(domain_of);
        let rows = rows.filter(|(_, of)| usize::from(**of) == domain);
        batch.order.extend(rows.map(|(row, _)| row));
        batch.domains.push(start..batch.order.len());
    }
    batch
}

/// Random inputs of a tower; the embeddings are leaves.
pub fn inputs(
    schema: &Schema,
    tower: Tower,
    batch: &TowerBatch,
    dtype: DType,
    training: bool,
    seed: u64,
) -> TowerInput {
    let mut draws = Draws::new(seed);
    let domains = batch.domains.iter().enumerate().map(|(domain, places)| {
        let layout = Layout::new(schema, tower, domain);
        let mut part = |width: usize| {
            (width > 0 && !places.is_empty()).then(|| draws.tensor([places.len(), width], dtype))
        };
        let input = DomainInput {
            repeats: None,
            embedded: part(layout.embedded_width()).map(Tensor::require_grad),
            vectors: part(layout.vector_width()),
            numbers: part(layout.numbers()),
            training,
            precision: Precision::Float32,
        };
        (!places.is_empty()).then_some(input)
    });
    TowerInput::new(domains.collect())
}
