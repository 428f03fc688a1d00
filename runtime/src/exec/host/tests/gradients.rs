//! Every gradient rule against differences of the forward operation, in float64.

use mtmd_schema::plan::{Activate, LayerNorm, Linear, Mix, NormPlace, Op, Target, View, Write};
use proptest::prelude::*;

use super::fixture::{Layout, State};
use crate::hash::Random;

fn rows() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![1, 2, 7, 33, 257])
}

fn write() -> impl Strategy<Value = Write> {
    prop::sample::select(vec![Write::Set, Write::Add])
}

/// Coordinates of each view, and of the parameters, that are compared.
const COORDINATES: usize = 12;

const STEP: f64 = 1e-5;

/// A rule: the gradient of Σ `gradient` · `output` by inputs and parameters.
struct Rule {
    forward: Vec<Op>,
    output: View,
    gradient: View,
    backward: Vec<Op>,
    /// Inputs, and where their gradients go.
    inputs: Vec<(View, Target)>,
}

impl Rule {
    fn check(
        &self,
        layout: &Layout,
        rows: usize,
        moments: &[(usize, Vec<f64>, Vec<f64>)],
    ) -> Result<(), TestCaseError> {
        self.check_beside_kinks(layout, rows, moments, &[])
    }

    /// `kinks` gives `output` the numbers at whose 0 the operation has a kink. A difference across one is
    /// not the derivative: such coordinates are left out.
    fn check_beside_kinks(
        &self,
        layout: &Layout,
        rows: usize,
        moments: &[(usize, Vec<f64>, Vec<f64>)],
        kinks: &[Op],
    ) -> Result<(), TestCaseError> {
        let mut start = State::<f64>::random(layout, rows, 11);
        start.moments = moments.to_vec();
        let gradient = start.matrix(layout, self.gradient);
        let loss = |mut state: State<f64>| -> f64 {
            state.run(layout, &self.forward, true);
            let output = state.matrix(layout, self.output);
            let products = output.iter().flatten().zip(gradient.iter().flatten());
            products.map(|(x, g)| x * g).sum()
        };
        let signs = |mut state: State<f64>| -> Vec<bool> {
            state.run(layout, kinks, true);
            let numbers = state.matrix(layout, self.output);
            numbers.iter().flatten().map(|x| *x > 0.0).collect()
        };
        // `None` if a kink is between the two.
        let slope = |moved: &dyn Fn(f64) -> State<f64>| -> Option<f64> {
            let smooth = signs(moved(STEP)) == signs(moved(-STEP));
            smooth.then(|| (loss(moved(STEP)) - loss(moved(-STEP))) / (2.0 * STEP))
        };
        let mut compared = 0;
        let mut found = start.clone();
        found.run(layout, &self.forward, true);
        found.run(layout, &self.backward, true);
        let mut random = Random::new(5, &[rows as u64]);
        let mut pick = |count: usize| random.below(count);
        for (input, into) in &self.inputs {
            for _ in 0..COORDINATES {
                let (row, column) = (pick(rows), pick(input.width));
                let at = start.place(layout, *input, row) + column;
                let moved = |by: f64| {
                    let mut state = start.clone();
                    state.memory[at] += by;
                    state
                };
                let Some(expected) = slope(&moved) else {
                    continue;
                };
                compared += 1;
                let before = match into.write {
                    Write::Set => 0.0,
                    Write::Add => start.row(layout, into.to, row)[column],
                };
                let found = found.row(layout, into.to, row)[column] - before;
                near(found, expected)?;
            }
        }
        for _ in 0..COORDINATES.min(layout.parameters) {
            let at = pick(layout.parameters);
            let moved = |by: f64| {
                let mut state = start.clone();
                state.parameters[at] += by;
                state
            };
            if let Some(expected) = slope(&moved) {
                compared += 1;
                near(found.gradients[at], expected)?;
            }
        }
        let all = COORDINATES * self.inputs.len() + COORDINATES.min(layout.parameters);
        prop_assert!(2 * compared >= all, "{compared} of {all} coordinates");
        // The next rows of a lane add to the gradients of parameters.
        let once = found.gradients.clone();
        let mut again = start.clone();
        again.gradients.clone_from(&once);
        again.run(layout, &self.forward, false);
        again.run(layout, &self.backward, false);
        for (twice, once) in again.gradients.iter().zip(&once) {
            near(*twice, 2.0 * once)?;
        }
        Ok(())
    }
}

fn near(found: f64, expected: f64) -> Result<(), TestCaseError> {
    let near = (found - expected).abs() <= 2e-6 * (1.0 + expected.abs());
    prop_assert!(near, "{found}, expected {expected}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn linear(
        rows in rows(),
        batch in 1_usize..4,
        (inputs, outputs) in (1_usize..40, 1_usize..20),
        shared in any::<bool>(),
        write in write(),
    ) {
        let mut layout = Layout::default();
        let from_step = if shared { 0 } else { inputs };
        let columns = if shared { inputs } else { batch * inputs };
        let [from, into] = [columns, columns].map(|width| layout.view(width));
        let [to, gradient] = [batch * outputs; 2].map(|width| layout.view(width));
        let weight = layout.parameter(batch * outputs * inputs);
        let bias = layout.parameter(batch * outputs);
        let maps = |from: View, to| Linear {
            from: from.columns(0, inputs),
            from_step,
            to,
            batch,
            inputs,
            outputs,
            weight,
            bias: Some(bias),
        };
        let rule = Rule {
            forward: vec![Op::Linear(maps(from, to))],
            output: to,
            gradient,
            backward: vec![
                Op::SumRows { from: gradient, to: bias, write: Write::Set },
                Op::LinearWeight { linear: maps(from, gradient), write: Write::Set },
                Op::LinearInput { linear: maps(into, gradient), write },
            ],
            inputs: vec![(from, Target { to: into, write })],
        };
        rule.check(&layout, rows, &[])?;
    }

    /// A parameter that two operations use: the second one adds.
    #[test]
    fn linear_twice(rows in rows(), inputs in 1_usize..40, outputs in 1_usize..20) {
        let mut layout = Layout::default();
        let [one, other] = [inputs; 2].map(|width| layout.view(width));
        let output = layout.view(2 * outputs);
        let gradient = layout.view(2 * outputs);
        let weight = layout.parameter(outputs * inputs);
        let bias = layout.parameter(outputs);
        let maps = |from: View, to: View, half| Linear {
            from,
            from_step: 0,
            to: to.columns(half * outputs, outputs),
            batch: 1,
            inputs,
            outputs,
            weight,
            bias: Some(bias),
        };
        let sum = |half: usize, write| Op::SumRows {
            from: gradient.columns(half * outputs, outputs),
            to: bias,
            write,
        };
        let rule = Rule {
            forward: vec![
                Op::Linear(maps(one, output, 0)),
                Op::Linear(maps(other, output, 1)),
            ],
            output,
            gradient,
            backward: vec![
                Op::LinearWeight { linear: maps(other, gradient, 1), write: Write::Set },
                sum(1, Write::Set),
                Op::LinearWeight { linear: maps(one, gradient, 0), write: Write::Add },
                sum(0, Write::Add),
            ],
            inputs: vec![],
        };
        rule.check(&layout, rows, &[])?;
    }

    #[test]
    fn activate(
        rows in rows(),
        groups in prop::collection::vec(1_usize..70, 1..4),
        place in prop::sample::select(vec![None, Some(NormPlace::Pre), Some(NormPlace::Post)]),
        slope in prop::sample::select(vec![0.0, 0.2, 1.0]),
        biased in any::<bool>(),
        in_place in any::<bool>(),
        write in write(),
    ) {
        // A norm of few numbers is too steep for differences: its columns are wide.
        let groups: Vec<usize> = match place {
            None => groups,
            Some(_) => groups.into_iter().map(|width| width + 8).collect(),
        };
        let mut layout = Layout::default();
        let width = groups.iter().sum();
        let [from, to, gradient] = [(); 3].map(|()| layout.view(width));
        let (into, write) = match in_place {
            true => (gradient, Write::Set),
            false => (layout.view(width), write),
        };
        let bias = biased.then(|| layout.parameter(width));
        let norm = place.map(|place| LayerNorm {
            weight: layout.parameter(width),
            bias: layout.parameter(width),
            place,
        });
        let layer = Activate { from, to, groups: groups.into(), bias, norm, slope };
        let into = Target { to: into, write };
        let rule = Rule {
            forward: vec![Op::Activate(layer.clone())],
            output: to,
            gradient,
            backward: vec![Op::ActivateBack { activate: layer.clone(), gradient, into }],
            inputs: vec![(from, into)],
        };
        // What the activation sees: without slope it changes nothing, and a norm after it is left out.
        let kinks = Activate {
            slope: 1.0,
            norm: layer.norm.filter(|norm| norm.place == NormPlace::Pre),
            ..layer
        };
        rule.check_beside_kinks(&layout, rows, &[], &[Op::Activate(kinks)])?;
    }

    #[test]
    fn sigmoid_and_softmax(
        rows in rows(),
        groups in 1_usize..5,
        width in 1_usize..9,
        in_place in any::<bool>(),
        write in write(),
    ) {
        let mut layout = Layout::default();
        let all = groups * width;
        let [from, output, gradient] = [(); 3].map(|()| layout.view(all));
        let into = match in_place {
            true => Target::set(gradient),
            false => Target { to: layout.view(all), write },
        };
        let rule = |forward, backward| Rule {
            forward: vec![forward],
            output,
            gradient,
            backward: vec![backward],
            inputs: vec![(from, into)],
        };
        rule(
            Op::Sigmoid { from, to: output },
            Op::SigmoidBack { output, gradient, into },
        ).check(&layout, rows, &[])?;
        rule(
            Op::Softmax { from, to: output, width },
            Op::SoftmaxBack { output, gradient, width, into },
        ).check(&layout, rows, &[])?;
    }

    #[test]
    fn means_and_mix(
        rows in rows(),
        widths in prop::collection::vec(1_usize..40, 1..6),
        weighted in any::<bool>(),
        write in write(),
    ) {
        let mut layout = Layout::default();
        let total = widths.iter().sum();
        let [all, into_all] = [(); 2].map(|()| layout.view(total));
        let parts = |of: View| {
            let mut parts: Vec<View> = Vec::new();
            for &width in &widths {
                let start = parts.iter().map(|part| part.width).sum();
                parts.push(of.columns(start, width));
            }
            parts
        };
        let [means, to_means, into_by] = [(); 3].map(|()| layout.view(widths.len()));
        let into: Vec<_> = parts(into_all).iter().map(|&to| Some(Target { to, write })).collect();
        let inputs: Vec<_> = parts(all).into_iter().zip(into.iter().copied().flatten()).collect();
        Rule {
            forward: vec![Op::Means { parts: parts(all).into(), to: means }],
            output: means,
            gradient: to_means,
            backward: vec![Op::MeansBack { gradient: to_means, into: into.clone().into() }],
            inputs: inputs.clone(),
        }.check(&layout, rows, &[])?;

        let [output, gradient] = [(); 2].map(|()| layout.view(total));
        let by = weighted.then_some(means);
        let mix = Mix { parts: parts(all).into(), by, sum: false, to: output };
        let into_by = weighted.then_some(Target { to: into_by, write });
        Rule {
            forward: vec![Op::Mix(mix.clone())],
            output,
            gradient,
            backward: vec![Op::MixBack { mix, gradient, into: into.into(), into_by }],
            inputs: inputs.into_iter().chain(by.zip(into_by)).collect(),
        }.check(&layout, rows, &[])?;
    }

    #[test]
    fn mix_summed(
        rows in rows(),
        count in 1_usize..5,
        width in 1_usize..70,
        weighted in any::<bool>(),
        left_out in 0_usize..5,
        write in write(),
    ) {
        let mut layout = Layout::default();
        let parts: Vec<View> = (0..count).map(|_| layout.view(width)).collect();
        let into: Vec<_> = (0..count)
            .map(|part| (part != left_out).then(|| Target { to: layout.view(width), write }))
            .collect();
        let [weights, into_by] = [(); 2].map(|()| layout.view(count));
        let [output, gradient] = [(); 2].map(|()| layout.view(width));
        let by = weighted.then_some(weights);
        let into_by = weighted.then_some(Target { to: into_by, write });
        let mix = Mix { parts: parts.clone().into(), by, sum: true, to: output };
        let inputs = parts.into_iter().zip(&into).filter_map(|(part, into)| Some((part, (*into)?)));
        Rule {
            forward: vec![Op::Mix(mix.clone())],
            output,
            gradient,
            inputs: inputs.chain(by.zip(into_by)).collect(),
            backward: vec![Op::MixBack { mix, gradient, into: into.into(), into_by }],
        }.check(&layout, rows, &[])?;
    }

    #[test]
    fn cross(rows in rows(), width in 1_usize..70, write in write(), apart in any::<bool>()) {
        let mut layout = Layout::default();
        let [first, by, x, output, gradient] = [(); 5].map(|()| layout.view(width));
        let [to_first, to_by, to_x] = [(); 3].map(|()| layout.view(width));
        let [into_first, into_by] = [to_first, to_by].map(|to| Target { to, write });
        let into_x = apart.then_some(Target { to: to_x, write });
        Rule {
            forward: vec![Op::Cross { first, by, x, to: output }],
            output,
            gradient,
            backward: vec![Op::CrossBack { first, by, gradient, into_first, into_by, into_x }],
            inputs: vec![
                (first, into_first),
                (by, into_by),
                (x, into_x.unwrap_or(Target::set(gradient))),
            ],
        }.check(&layout, rows, &[])?;
    }

    /// x is x0: the gradients of both are summed, where the gradient of the output was or elsewhere.
    #[test]
    fn cross_of_one_input(rows in rows(), width in 1_usize..70, in_place in any::<bool>()) {
        let mut layout = Layout::default();
        let [first, by, output, gradient, to_by, apart] = [(); 6].map(|()| layout.view(width));
        let to = if in_place { gradient } else { apart };
        let add = Target { to, write: Write::Add };
        let (into_first, into_x) = match in_place {
            true => (add, None),
            false => (Target::set(to), Some(add)),
        };
        Rule {
            forward: vec![Op::Cross { first, by, x: first, to: output }],
            output,
            gradient,
            backward: vec![Op::CrossBack {
                first,
                by,
                gradient,
                into_first,
                into_by: Target::set(to_by),
                into_x,
            }],
            inputs: vec![(first, Target::set(to)), (by, Target::set(to_by))],
        }.check(&layout, rows, &[])?;
    }

    #[test]
    fn batch_norm(rows in rows(), width in 1_usize..70, seed in 0_u64..1000) {
        let mut layout = Layout::default();
        let [from, to, gradient] = [(); 3].map(|()| layout.view(width));
        let [weight, bias] = [(); 2].map(|()| layout.parameter(width));
        let mut random = Random::new(seed, &[]);
        let mean: Vec<f64> = (0..width).map(|_| random.normals().0).collect();
        let scale = (0..width).map(|_| random.normals().0.clamp(-2.0, 2.0).exp()).collect();
        Rule {
            forward: vec![Op::BatchNorm { from, to, weight, bias, mean: 3, variance: 100 }],
            output: to,
            gradient,
            backward: vec![Op::BatchNormBack {
                gradient, from, weight, bias, mean: 3, variance: 100,
            }],
            inputs: vec![],
        }.check(&layout, rows, &[(3, mean, scale)])?;
    }
}
