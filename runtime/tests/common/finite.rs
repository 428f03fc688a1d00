//! Gradients by finite differences in float64.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use mtmd::weights::Path;

use super::Draws;

const STEP: f64 = 1e-5;

/// Checks the gradient of `loss` in every parameter of the module and in the inputs: along a random
/// direction in each, which moves all its elements at once, against central differences.
pub fn check<M: Module>(
    module: &M,
    inputs: &[Tensor<2>],
    loss: impl Fn(&M, &[Tensor<2>]) -> Tensor<1>,
) {
    let inputs: Vec<Tensor<2>> = inputs
        .iter()
        .map(|x| x.clone().detach().require_grad())
        .collect();
    let mut gradients = loss(module, &inputs).backward();
    let number = |loss: Tensor<1>| loss.into_scalar::<f64>();

    for (at, input) in inputs.iter().enumerate() {
        let Some(gradient) = input.grad_remove(&mut gradients) else {
            panic!("input {at} has no gradient");
        };
        let gradient = values(gradient);
        compare(&format!("input {at}"), &gradient, |direction| {
            let moved = |by: f64| {
                let mut moved = inputs.clone();
                moved[at] = moved_by(input, direction, by);
                number(loss(module, &moved))
            };
            (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
        });
    }

    for (key, gradient) in by_key(module, &gradients) {
        compare(&key, &gradient, |direction| {
            let moved = |by: f64| number(loss(&shifted(module, &key, direction, by), &inputs));
            (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
        });
    }
}

/// Gradients of a module's parameters; zeros where a parameter took no part.
pub fn by_key<M: Module>(module: &M, gradients: &Gradients) -> BTreeMap<String, Vec<f64>> {
    struct Read<'a> {
        path: Path,
        gradients: &'a Gradients,
        found: BTreeMap<String, Vec<f64>>,
    }
    impl ModuleVisitor for Read<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                let zeros = || vec![0.0; param.shape().num_elements()];
                let gradient = param.val().grad(self.gradients).map_or_else(zeros, values);
                self.found.insert(self.path.key(), gradient);
            }
        }
    }
    let mut read = Read {
        path: Path::default(),
        gradients,
        found: BTreeMap::new(),
    };
    module.visit(&mut read);
    read.found
}

fn shifted<M: Module>(module: &M, key: &str, direction: &[f64], by: f64) -> M {
    struct Shift<'a> {
        path: Path,
        key: &'a str,
        direction: &'a [f64],
        by: f64,
    }
    impl ModuleMapper for Shift<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.path.key() != self.key {
                return param;
            }
            param.map(|old| moved_by(&old, self.direction, self.by))
        }
    }
    module.clone().map(&mut Shift {
        path: Path::default(),
        key,
        direction,
        by,
    })
}

fn moved_by<const D: usize>(tensor: &Tensor<D>, direction: &[f64], by: f64) -> Tensor<D> {
    let mut values = values(tensor.clone());
    for (value, along) in values.iter_mut().zip(direction) {
        *value += by * along;
    }
    Tensor::from_data(
        TensorData::new(values, tensor.shape()),
        (&tensor.device(), tensor.dtype()),
    )
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn compare(name: &str, gradient: &[f64], difference: impl Fn(&[f64]) -> f64) {
    let direction = Draws::new(gradient.len() as u64).values(gradient.len());
    let found: f64 = gradient.iter().zip(&direction).map(|(a, b)| a * b).sum();
    let expected = difference(&direction);
    assert!(
        (found - expected).abs() < 1e-6 * (expected.abs() + 1e-2),
        "{name}: derivative {found}, by differences {expected}"
    );
}
