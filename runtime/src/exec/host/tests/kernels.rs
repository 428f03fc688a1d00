//! Every forward operation against plain loops, in float32 and float64.

use mtmd_schema::plan::{Activate, LayerNorm, Linear, Mix, NormPlace, Op, Target, View, Write};
use proptest::prelude::*;

use super::super::real::Real;
use super::fixture::{EPS, Layout, State};
use crate::schema::Precision;

/// Numbers of rows: none, one, few, and more than what a thread takes at a time.
fn rows() -> impl Strategy<Value = usize> {
    prop::sample::select(vec![0, 1, 2, 7, 33, 257])
}

fn write() -> impl Strategy<Value = Write> {
    prop::sample::select(vec![Write::Set, Write::Add])
}

type Matrix = Vec<Vec<f64>>;

/// Runs an operation, in float32 and float64: `to` must hold `expected` of the memory before, and nothing
/// else may change.
fn check(
    layout: &Layout,
    op: Op,
    to: View,
    rows: usize,
    expected: impl Fn(&State<f64>) -> Matrix,
) -> Result<(), TestCaseError> {
    let state = State::<f64>::random(layout, rows, 7);
    compare(layout, &op, to, state.clone(), &expected, 1e-12)?;
    let single = State {
        rows,
        memory: state.memory.iter().map(|x| *x as f32).collect(),
        parameters: state.parameters.iter().map(|x| *x as f32).collect(),
        gradients: Vec::new(),
        moments: Vec::new(),
        precision: Precision::Float32,
    };
    compare(layout, &op, to, single, &expected, 2e-5)
}

fn compare<E: Real>(
    layout: &Layout,
    op: &Op,
    to: View,
    before: State<E>,
    expected: &impl Fn(&State<f64>) -> Matrix,
    tolerance: f64,
) -> Result<(), TestCaseError> {
    let mut after = before.clone();
    after.run(layout, std::slice::from_ref(op), true);
    let double = |values: &[E]| values.iter().map(|x| x.float64()).collect();
    let expected = expected(&State {
        rows: before.rows,
        memory: double(&before.memory),
        parameters: double(&before.parameters),
        gradients: Vec::new(),
        moments: Vec::new(),
        precision: Precision::Float32,
    });
    let found = after.matrix(layout, to);
    for (row, (found, expected)) in found.iter().zip(&expected).enumerate() {
        for (column, (x, y)) in found.iter().zip(expected).enumerate() {
            let near = (x - y).abs() <= tolerance * (10.0 + y.abs());
            prop_assert!(near, "row {row}, column {column}: {x}, expected {y}");
        }
    }
    // What lies around the output is as it was.
    for row in 0..after.rows {
        let start = after.place(layout, to, row);
        after.memory[start..start + to.width].copy_from_slice(before.row(layout, to, row));
    }
    prop_assert_eq!(after.memory, before.memory);
    Ok(())
}

fn by_row(
    state: &State<f64>,
    layout: &Layout,
    views: &[View],
    of: impl Fn(&[&[f64]]) -> Vec<f64>,
) -> Matrix {
    let row = |row| {
        let rows: Vec<_> = views
            .iter()
            .map(|view| state.row(layout, *view, row))
            .collect();
        of(&rows)
    };
    (0..state.rows).map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn copy(rows in rows(), width in 1_usize..70, write in write()) {
        let mut layout = Layout::default();
        let (from, to) = (layout.view(width), layout.view(width));
        let op = Op::Copy { from, into: Target { to, write } };
        check(&layout, op, to, rows, |state| {
            by_row(state, &layout, &[from, to], |rows| {
                let pairs = rows[0].iter().zip(rows[1]);
                pairs.map(|(new, old)| match write {
                    Write::Set => *new,
                    Write::Add => new + old,
                }).collect()
            })
        })?;
    }

    #[test]
    fn repeat_and_clear(rows in rows(), width in 1_usize..70) {
        let mut layout = Layout::default();
        let to = layout.view(width);
        layout.parameter(3);
        let parameter = layout.parameter(width);
        check(&layout, Op::Repeat { parameter, to }, to, rows, |state| {
            vec![state.parameter(parameter, width); rows]
        })?;
        check(&layout, Op::Clear { to }, to, rows, |_| vec![vec![0.0; width]; rows])?;
    }

    #[test]
    fn linear(
        rows in rows(),
        batch in 1_usize..4,
        (inputs, outputs) in (1_usize..40, 1_usize..20),
        shared in any::<bool>(),
        biased in any::<bool>(),
        gap in 0_usize..3,
    ) {
        let mut layout = Layout::default();
        let from_step = if shared { 0 } else { inputs + gap };
        let from = layout.view(batch * (inputs + gap));
        let to = layout.view(batch * outputs);
        let weight = layout.parameter(batch * outputs * inputs);
        let bias = biased.then(|| layout.parameter(batch * outputs));
        let maps = Linear {
            from: from.columns(0, inputs),
            from_step,
            to,
            batch,
            inputs,
            outputs,
            weight,
            bias,
        };
        check(&layout, Op::Linear(maps), to, rows, |state| {
            let weight = state.parameter(weight, batch * outputs * inputs);
            by_row(state, &layout, &[from], |rows| {
                let output = |at: usize| {
                    let start = at / outputs * from_step;
                    let from = &rows[0][start..start + inputs];
                    let terms = from.iter().zip(&weight[at * inputs..]);
                    let bias = bias.map_or(0.0, |bias| state.parameter(bias, batch * outputs)[at]);
                    terms.map(|(x, w)| x * w).sum::<f64>() + bias
                };
                (0..batch * outputs).map(output).collect()
            })
        })?;
    }

    #[test]
    fn activate(
        rows in rows(),
        groups in prop::collection::vec(1_usize..70, 1..4),
        place in prop::sample::select(vec![None, Some(NormPlace::Pre), Some(NormPlace::Post)]),
        slope in prop::sample::select(vec![0.0, 0.2, 1.0]),
        biased in any::<bool>(),
    ) {
        let mut layout = Layout::default();
        let width = groups.iter().sum();
        let (from, to) = (layout.view(width), layout.view(width));
        let bias = biased.then(|| layout.parameter(width));
        let norm = place.map(|place| LayerNorm {
            weight: layout.parameter(width),
            bias: layout.parameter(width),
            place,
        });
        let layer = Activate { from, to, groups: groups.clone().into(), bias, norm, slope };
        check(&layout, Op::Activate(layer), to, rows, |state| {
            by_row(state, &layout, &[from], |rows| {
                let bias = bias.map_or(vec![0.0; width], |bias| state.parameter(bias, width));
                let x: Vec<f64> = rows[0].iter().zip(&bias).map(|(x, b)| x + b).collect();
                let act = |x: f64| if x >= 0.0 { x } else { slope * x };
                let mut y = Vec::new();
                for &group in &groups {
                    let start = y.len();
                    let mut x = x[start..start + group].to_vec();
                    if place != Some(NormPlace::Pre) {
                        x.iter_mut().for_each(|x| *x = act(*x));
                    }
                    if let Some(norm) = norm {
                        let mean = x.iter().sum::<f64>() / group as f64;
                        let squares = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
                        let deviation = (squares / group as f64 + EPS).sqrt();
                        let weight = state.parameter(norm.weight, width);
                        let bias = state.parameter(norm.bias, width);
                        for (at, x) in x.iter_mut().enumerate() {
                            *x = (*x - mean) / deviation * weight[start + at] + bias[start + at];
                        }
                    }
                    if place == Some(NormPlace::Pre) {
                        x.iter_mut().for_each(|x| *x = act(*x));
                    }
                    y.extend(x);
                }
                y
            })
        })?;
    }

    #[test]
    fn sigmoid_and_softmax(rows in rows(), groups in 1_usize..5, width in 1_usize..9) {
        let mut layout = Layout::default();
        let (from, to) = (layout.view(groups * width), layout.view(groups * width));
        check(&layout, Op::Sigmoid { from, to }, to, rows, |state| {
            by_row(state, &layout, &[from], |rows| {
                rows[0].iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect()
            })
        })?;
        check(&layout, Op::Softmax { from, to, width }, to, rows, |state| {
            by_row(state, &layout, &[from], |rows| {
                let groups = rows[0].chunks(width).flat_map(|group| {
                    let total: f64 = group.iter().map(|x| x.exp()).sum();
                    group.iter().map(move |x| x.exp() / total)
                });
                groups.collect()
            })
        })?;
    }

    #[test]
    fn means_and_mix(
        rows in rows(),
        widths in prop::collection::vec(1_usize..40, 1..6),
        weighted in any::<bool>(),
    ) {
        let mut layout = Layout::default();
        let all = layout.view(widths.iter().sum());
        let mut parts = Vec::new();
        for &width in &widths {
            let start = parts.iter().map(|part: &View| part.width).sum();
            parts.push(all.columns(start, width));
        }
        let means = layout.view(widths.len());
        let op = Op::Means { parts: parts.clone().into(), to: means };
        check(&layout, op, means, rows, |state| {
            by_row(state, &layout, &parts, |rows| {
                rows.iter().map(|row| row.iter().sum::<f64>() / row.len() as f64).collect()
            })
        })?;
        let to = layout.view(all.width);
        let by = weighted.then_some(means);
        let mix = Mix { parts: parts.clone().into(), by, sum: false, to };
        let views: Vec<View> = parts.iter().copied().chain([means]).collect();
        check(&layout, Op::Mix(mix), to, rows, |state| {
            by_row(state, &layout, &views, |rows| {
                let (weights, parts) = rows.split_last().unwrap();
                let weight = |part: usize| if weighted { weights[part] } else { 1.0 };
                let parts = parts.iter().enumerate();
                parts.flat_map(|(at, part)| part.iter().map(move |x| weight(at) * x)).collect()
            })
        })?;
    }

    #[test]
    fn mix_summed(rows in rows(), count in 1_usize..5, width in 1_usize..70, weighted in any::<bool>()) {
        let mut layout = Layout::default();
        let parts: Vec<View> = (0..count).map(|_| layout.view(width)).collect();
        let (weights, to) = (layout.view(count), layout.view(width));
        let by = weighted.then_some(weights);
        let mix = Mix { parts: parts.clone().into(), by, sum: true, to };
        let views: Vec<View> = parts.iter().copied().chain([weights]).collect();
        check(&layout, Op::Mix(mix), to, rows, |state| {
            by_row(state, &layout, &views, |rows| {
                let (weights, parts) = rows.split_last().unwrap();
                let weight = |part: usize| if weighted { weights[part] } else { 1.0 };
                let column = |at: usize| {
                    let parts = parts.iter().enumerate();
                    parts.map(|(part, x)| weight(part) * x[at]).sum()
                };
                (0..width).map(column).collect()
            })
        })?;
    }

    #[test]
    fn cross(rows in rows(), width in 1_usize..70) {
        let mut layout = Layout::default();
        let [first, by, x, to] = [(); 4].map(|()| layout.view(width));
        check(&layout, Op::Cross { first, by, x, to }, to, rows, |state| {
            by_row(state, &layout, &[first, by, x], |rows| {
                (0..width).map(|at| rows[0][at] * rows[1][at] + rows[2][at]).collect()
            })
        })?;
    }
}

/// Both sides of a map's product are rounded, those of a narrow map are not.
#[test]
fn the_sides_of_wide_maps_are_rounded() {
    let cases = [Precision::Tf32, Precision::Bfloat16].map(|precision| {
        [
            (8, precision, Precision::Float32),
            (9, precision, precision),
        ]
    });
    for (outputs, precision, rounded) in cases.concat() {
        let mut layout = Layout::default();
        let (inputs, rows) = (50, 70);
        let (from, to) = (layout.view(inputs), layout.view(outputs));
        let weight = layout.parameter(outputs * inputs);
        let maps = Linear {
            from,
            from_step: 0,
            to,
            batch: 1,
            inputs,
            outputs,
            weight,
            bias: None,
        };
        let mut state = State::<f32>::random(&layout, rows, 3);
        state.precision = precision;
        state.run(&layout, &[Op::Linear(maps)], true);
        let round = |x: f64| x.rounded(rounded);
        let weights = state.parameter(weight, outputs * inputs);
        let inputs_of = state.matrix(&layout, from);
        for (row, found) in state.matrix(&layout, to).iter().enumerate() {
            for (output, found) in found.iter().enumerate() {
                let weights = &weights[output * inputs..(output + 1) * inputs];
                let terms = inputs_of[row].iter().zip(weights);
                let expected: f64 = terms.map(|(x, w)| round(*x) * round(*w)).sum();
                assert!(
                    (found - expected).abs() < 2e-5,
                    "{found}, expected {expected}"
                );
            }
        }
    }
}
