//! AdamW over the dense parameters, with clipping by their gradients' global norm.

mod update;

use std::iter::Peekable;
use std::vec::IntoIter;

use burn::backend::Flex;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Gradients, Tensor};

use crate::kernels::tensor;
use crate::schema::AdamW;
use crate::weights::{Array, Path, Problem, Weights, list};
use update::{Moments, Rates, Step, norm, step_all};

/// AdamW with betas 0.9 and 0.999, epsilon 1e-8 and decoupled decay of every parameter, as
/// `torch.optim.AdamW`. A parameter without a gradient in a step is left as it is, its moments too.
#[derive(Debug)]
pub struct Optimiser {
    weight_decay: f64,
    clip: Option<f64>,
    /// By the place of the parameter in its module; `None` for one that never had a gradient.
    state: Vec<Option<State>>,
}

/// State of one parameter.
#[derive(Debug)]
struct State {
    key: String,
    shape: Vec<usize>,
    steps: u64,
    moments: Moments,
}

impl Optimiser {
    /// An optimiser without a past. `clip` bounds the norm of all gradients together.
    pub fn new(settings: &AdamW, clip: Option<f64>) -> Self {
        Self {
            weight_decay: settings.weight_decay,
            clip,
            state: Vec::new(),
        }
    }

    /// Steps every parameter of `module` that has a gradient and takes the gradients out. Returns
    /// the module and the gradients' global norm before clipping. If that is not finite, nothing
    /// is stepped.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: &mut Gradients,
        learning_rate: f64,
    ) -> (M, f64) {
        let mut take = Take {
            path: Path::default(),
            next: 0,
            state: &mut self.state,
            gradients,
            taken: Vec::new(),
        };
        let module = module.map(&mut take);
        let mut taken = take.taken;
        let norm = norm(taken.iter().map(|taken| &taken.step));
        if norm.is_finite() {
            let scale = match self.clip {
                Some(clip) if norm > clip => clip / norm,
                _ => 1.0,
            };
            let steps = taken.iter_mut().map(|taken| {
                taken.steps += 1;
                let rates = Rates::new(taken.steps, learning_rate, self.weight_decay, scale);
                (&mut taken.step, rates)
            });
            step_all(steps);
        }
        let mut put = Put {
            next: 0,
            state: &mut self.state,
            taken: taken.into_iter().peekable(),
        };
        (module.map(&mut put), norm)
    }

    /// The state, to be saved: `KEY.exp_avg`, `KEY.exp_avg_sq` and, in the header, `KEY.step`.
    pub fn state(&self) -> Weights {
        let mut weights = Weights::default();
        for state in self.state.iter().flatten() {
            let key = &state.key;
            let (first, second) = state.moments.values();
            let array = |values| Array {
                shape: state.shape.clone(),
                values,
            };
            weights
                .arrays
                .insert(format!("{key}.exp_avg"), array(first));
            weights
                .arrays
                .insert(format!("{key}.exp_avg_sq"), array(second));
            weights
                .metadata
                .insert(format!("{key}.step"), state.steps.to_string());
        }
        weights
    }

    /// Takes a saved state of the same module back.
    ///
    /// # Errors
    /// All arrays that are missing, of another shape or not of this module; the optimiser is then
    /// as it was.
    pub fn restore<M: Module>(&mut self, module: &M, saved: Weights) -> Result<(), Vec<Problem>> {
        let steps = saved.metadata.clone();
        let mut loading = saved.into_loading();
        let mut restored = Vec::new();
        for (key, shape) in list(module) {
            let steps = steps
                .get(&format!("{key}.step"))
                .and_then(|s| s.parse().ok());
            let state = steps.and_then(|steps| {
                let first = loading.take(&format!("{key}.exp_avg"), &shape);
                let second = loading.take(&format!("{key}.exp_avg_sq"), &shape);
                let moments = Moments::Host {
                    first: first?,
                    second: second?,
                };
                Some(State {
                    key,
                    shape,
                    steps,
                    moments,
                })
            });
            restored.push(state);
        }
        loading.finish()?;
        self.state = restored;
        Ok(())
    }
}

/// A parameter with a gradient, taken out of its module: so one loop can step all of them.
struct Taken {
    place: usize,
    key: String,
    shape: Vec<usize>,
    steps: u64,
    step: Step,
}

/// Takes the parameters out.
struct Take<'a> {
    path: Path,
    /// Place of the parameter that comes.
    next: usize,
    state: &'a mut Vec<Option<State>>,
    gradients: &'a mut Gradients,
    /// In the order of the module.
    taken: Vec<Taken>,
}

impl ModuleMapper for Take<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let place = self.next;
        self.next += 1;
        if !param.is_require_grad() {
            return param;
        }
        let Some(gradient) = param.grad_remove(self.gradients) else {
            return param;
        };
        let state = self.state.get_mut(place).and_then(Option::take);
        let state = state.unwrap_or_else(|| {
            let shape = gradient.shape();
            State {
                key: self.path.key(),
                shape: shape.as_slice().to_vec(),
                steps: 0,
                moments: Moments::zeros(shape.num_elements()),
            }
        });
        let (id, value, mapper) = param.consume();
        self.taken.push(Taken {
            place,
            key: state.key,
            shape: state.shape,
            steps: state.steps,
            step: Step::new(value.inner(), gradient, state.moments),
        });
        // Stands there until the parameter is put back.
        let nothing = Tensor::from_primitive::<Flex>(tensor(vec![0.0_f32], [1; D]));
        Param::from_mapped_value(id, nothing, mapper)
    }
}

/// Puts the parameters back, and their state.
struct Put<'a> {
    /// Place of the parameter that comes.
    next: usize,
    state: &'a mut Vec<Option<State>>,
    taken: Peekable<IntoIter<Taken>>,
}

impl ModuleMapper for Put<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let place = self.next;
        self.next += 1;
        if self.state.len() <= place {
            self.state.push(None);
        }
        let Some(taken) = self.taken.next_if(|taken| taken.place == place) else {
            return param;
        };
        let (value, moments) = taken.step.done::<D>(&taken.shape);
        let state = State {
            key: taken.key,
            shape: taken.shape,
            steps: taken.steps,
            moments,
        };
        if let Some(slot) = self.state.get_mut(place) {
            *slot = Some(state);
        }
        let (id, _, mapper) = param.consume();
        let value = Tensor::from_inner(value).require_grad();
        Param::from_mapped_value(id, value, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Distribution};

    use super::*;
    use crate::layers::{Ffn, Precision};
    use crate::model::initialise;
    use crate::schema::Norm;

    fn address(module: &Ffn) -> *const f32 {
        let weight = module.layers[1].linear.weight.val().inner();
        let weight = weight.try_into_primitive::<Flex>().unwrap();
        weight.as_slice::<f32>().unwrap().as_ptr()
    }

    #[test]
    fn a_step_writes_in_place() {
        let device = Device::flex().autodiff();
        let mut module = initialise(Ffn::new(8, &[16, 4], Norm::Pre, &device), 1);
        let settings = AdamW {
            lr: 0.1,
            weight_decay: 0.0,
        };
        let mut optimiser = Optimiser::new(&settings, None);
        let before = address(&module);
        for _ in 0..2 {
            let x = Tensor::random([5, 8], Distribution::Default, &device);
            let mut gradients = module.forward(x, Precision::Float32).sum().backward();
            (module, _) = optimiser.step(module, &mut gradients, 0.1);
            assert_eq!(address(&module), before);
        }
    }
}
