//! First values of the weights.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use crate::hash::{hash_text, mix};
use crate::weights::{Path, replace};

/// Draws the weights of a module: those of every linear map, weight and bias, from
/// U(±1/√in), as PyTorch does, and the vector in place of a shallow expert from U(±1/√width).
/// Other parameters keep their values.
///
/// A value depends on the seed, the parameter's key and its place in the parameter alone: a domain
/// more or less leaves the others' weights as they are.
pub fn initialise<M: Module>(module: M, seed: u64) -> M {
    module.map(&mut Initialiser {
        seed,
        path: Path::default(),
        containers: Vec::new(),
        fan_in: 1,
    })
}

struct Initialiser {
    seed: u64,
    path: Path,
    containers: Vec<String>,
    /// Columns of the weight visited last: a bias follows the weight of its map.
    fan_in: usize,
}

impl ModuleMapper for Initialiser {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
        self.containers.push(container.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
        self.containers.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let container = self.containers.last().map_or("", String::as_str);
        let key = self.path.key();
        let shape = param.lazy_shape();
        let fan_in = match container.trim_start_matches("Struct:") {
            "Linear" if D == 2 => {
                self.fan_in = shape.as_slice().last().copied().unwrap_or(1);
                self.fan_in
            }
            "Linear" => self.fan_in,
            "Shallow" => shape.num_elements(),
            _ => return param,
        };
        let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
        let mut stream = Stream::new(self.seed, &key);
        let values: Vec<f32> = (0..shape.num_elements())
            .map(|_| (bound * (2.0 * stream.next_unit() - 1.0)) as f32)
            .collect();
        let data = TensorData::new(values, shape);
        param.map(|old| replace(&old, data))
    }
}

/// SplitMix64, started by the seed and a parameter's key.
struct Stream {
    state: u64,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Stream {
    fn new(seed: u64, key: &str) -> Self {
        Self {
            state: mix(seed.wrapping_add(GOLDEN)) ^ hash_text(key),
        }
    }

    /// A draw from U[0, 1) with 53 bits.
    fn next_unit(&mut self) -> f64 {
        self.state = self.state.wrapping_add(GOLDEN);
        (mix(self.state) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
