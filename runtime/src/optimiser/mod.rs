//! AdamW over the dense parameters, with clipping by their gradients' global norm.

pub mod dense;
mod update;

use std::slice::IterMut;
use std::vec::IntoIter;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Gradients, Tensor};

use crate::schema::AdamW;
use crate::weights::{Array, Loading, Problem, Weights, list};
use update::{Moments, Rates, Step, norm, step_all};

/// AdamW with betas 0.9 and 0.999, epsilon 1e-8 and decoupled decay of every parameter, as
/// `torch.optim.AdamW`. A parameter without a gradient in a step is left as it is, its moments too.
#[derive(Debug)]
pub struct Optimiser {
    weight_decay: f64,
    clip: Option<f64>,
    /// By the place of the parameter in its module; empty before the first step.
    state: Vec<State>,
}

/// State of one parameter.
#[derive(Debug)]
struct State {
    key: String,
    shape: Vec<usize>,
    /// 0 for one that never had a gradient.
    steps: u64,
    moments: Moments,
}

impl State {
    fn new((key, shape): (String, Vec<usize>)) -> Self {
        Self {
            key,
            shape,
            steps: 0,
            moments: Moments::default(),
        }
    }
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

    /// Steps every parameter of `module`, the same one each time, that has a gradient and takes the gradients out. Returns
    /// the module and the gradients' global norm before clipping. If that is not finite, nothing
    /// is stepped.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: &mut Gradients,
        learning_rate: f64,
    ) -> (M, f64) {
        if self.state.is_empty() {
            self.state = list(&module).into_iter().map(State::new).collect();
        }
        let mut take = Take {
            state: self.state.iter_mut(),
            gradients,
            taken: Vec::new(),
        };
        let module = module.map(&mut take);
        let mut taken = take.taken;
        let norm = norm(taken.iter().flatten().map(|taken| &taken.step));
        if norm.is_finite() {
            let scale = match self.clip {
                Some(clip) if norm > clip => clip / norm,
                _ => 1.0,
            };
            let steps = taken.iter_mut().flatten().map(|taken| {
                *taken.steps += 1;
                let rates = Rates::new(*taken.steps, learning_rate, self.weight_decay, scale);
                (&mut taken.step, rates)
            });
            step_all(steps);
        }
        let taken = taken.into_iter();
        (module.map(&mut Put { taken }), norm)
    }

    /// The state, to be saved: `KEY.exp_avg`, `KEY.exp_avg_sq` and, in the header, `KEY.step`.
    pub fn state(&self) -> Weights {
        let mut weights = Weights::default();
        for state in self.state.iter().filter(|state| state.steps > 0) {
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
    pub fn restore<M: Module>(
        &mut self,
        module: &M,
        mut loading: Loading,
    ) -> Result<(), Vec<Problem>> {
        let steps = std::mem::take(&mut loading.metadata);
        let mut restored = Vec::new();
        for (key, shape) in list(module) {
            let mut state = State::new((key, shape));
            let key = &state.key;
            let steps = steps.get(&format!("{key}.step"));
            if let Some(steps) = steps.and_then(|steps| steps.parse().ok()) {
                let first = loading.take(&format!("{key}.exp_avg"), &state.shape);
                let second = loading.take(&format!("{key}.exp_avg_sq"), &state.shape);
                if let (Some(first), Some(second)) = (first, second) {
                    state.steps = steps;
                    state.moments = Moments::Host { first, second };
                }
            }
            restored.push(state);
        }
        loading.finish()?;
        self.state = restored;
        Ok(())
    }
}

/// A parameter with a gradient, taken out of its module: so one loop can step all of them.
struct Taken<'a> {
    steps: &'a mut u64,
    step: Step<'a>,
}

/// Takes the parameters out.
struct Take<'a, 'g> {
    /// Of the parameters that come.
    state: IterMut<'a, State>,
    gradients: &'g mut Gradients,
    /// In the order of the module; `None` for one without a gradient.
    taken: Vec<Option<Taken<'a>>>,
}

impl ModuleMapper for Take<'_, '_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let state = self.state.next();
        let gradient = match param.is_require_grad() {
            true => param.grad_remove(self.gradients),
            false => None,
        };
        let (Some(State { steps, moments, .. }), Some(gradient)) = (state, gradient) else {
            self.taken.push(None);
            return param;
        };
        let (id, value, mapper) = param.consume();
        // Stands there until the parameter is put back.
        let meanwhile = gradient.clone();
        let step = Step::new(value.inner(), gradient, moments);
        self.taken.push(Some(Taken { steps, step }));
        Param::from_mapped_value(id, meanwhile, mapper)
    }
}

/// Puts the parameters back.
struct Put<'a> {
    /// In the order of the module.
    taken: IntoIter<Option<Taken<'a>>>,
}

impl ModuleMapper for Put<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(taken) = self.taken.next().flatten() else {
            return param;
        };
        let (id, meanwhile, mapper) = param.consume();
        drop(meanwhile);
        let value = Tensor::from_inner(taken.step.done::<D>()).require_grad();
        Param::from_mapped_value(id, value, mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;
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
