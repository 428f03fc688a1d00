//! The operations of a plan on the rows of a unit.

#![expect(
    unsafe_code,
    reason = "views of one buffer, some of them written: what is verified of the plan is what makes them disjoint"
)]

use mtmd_schema::plan::{Elements, Op, Target, View, Write};
use multiversion::multiversion;

use super::memory::{RowsMut, RowsRef};
use super::mix::{self, MixBack};
use super::pointwise::{self, CrossGradients};
use super::probe::ChunkClock;
use super::product::Side;
use super::real::Real;
use super::unit::Unit;
use super::{activate, batch_norm, linear};

/// Runs operations in their order; `clock` records their time.
pub fn run<E: Real>(ops: &[Op], unit: &mut Unit<'_, E>, mut clock: Option<&mut ChunkClock<'_>>) {
    let ready = unit.ready;
    for (place, op) in ops.iter().enumerate() {
        run_op(op, ready.of(place), unit);
        if let Some(clock) = &mut clock {
            clock.op(place);
        }
    }
}

/// Runs one operation. All loops are compiled in this function, for the widest vectors of the machine;
/// results do not depend on their width, as the order of operations stays.
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
    "x86_64+avx2+fma+bmi1+bmi2"
))]
fn run_op<E: Real>(op: &Op, ready: &[Side<'_, E>], unit: &mut Unit<'_, E>) {
    let memory = unit.memory;
    let (rows, parameters, way) = (memory.rows(), unit.parameters, unit.way);
    // SAFETY: the plan is verified: within an operation what is written is disjoint from all else, but for
    // gradients in place, whose kernels hold one row of either at a time.
    let read = |view: View| -> RowsRef<'_, E> { unsafe { memory.read(view) } };
    // SAFETY: as above.
    let write = |view: View| -> RowsMut<'_, E> { unsafe { memory.write(view) } };
    let target = |target: Target| (write(target.to), target.write);
    match op {
        Op::Copy { from, into } => pointwise::copy(&read(*from), target(*into)),
        Op::Repeat { parameter, to } => {
            pointwise::repeat(parameters.get(*parameter, to.width), write(*to), rows);
        }
        Op::BatchNorm {
            from,
            to,
            weight,
            bias,
            mean,
            ..
        } => {
            let both = [*weight, *bias].map(|first| parameters.get(first, from.width));
            batch_norm::forward((read(*from), write(*to)), unit.moments(*mean), both);
        }
        Op::Linear(maps) => {
            let maps = maps.merged();
            for map in 0..maps.batch {
                let (from, to) = (read(maps.input(map)), write(maps.output(map)));
                linear::forward(&maps, map, (from, to), (parameters, ready, way));
            }
            if let Some(bias) = maps.bias {
                let bias = parameters.get(bias, maps.to.width);
                linear::add_bias(write(maps.to), rows, bias);
            }
        }
        Op::Activate(layer) => {
            let views = (read(layer.from), write(layer.to));
            activate::forward(layer, views, parameters, unit.eps);
        }
        Op::Sigmoid { from, to } => pointwise::sigmoid(&read(*from), write(*to)),
        Op::Softmax { from, to, width } => {
            pointwise::softmax(&read(*from), write(*to), *width);
        }
        Op::Means { parts, to } => {
            let parts: Vec<_> = parts.iter().map(|part| read(*part)).collect();
            mix::means(&parts, write(*to), rows);
        }
        Op::Mix(parts) => {
            let from: Vec<_> = parts.parts.iter().map(|part| read(*part)).collect();
            let by = parts.by.map(read);
            mix::mix(&from, by.as_ref(), parts.sum, write(parts.to), rows);
        }
        Op::Cross { first, by, x, to } => {
            let [first, by, x] = [first, by, x].map(|view| read(*view));
            pointwise::cross([&first, &by, &x], write(*to));
        }
        Op::Clear { to } => {
            let mut to = write(*to);
            (0..rows).for_each(|row| to.row(row).fill(E::default()));
        }
        Op::SumRows { from, to, write } => {
            let rows = read(*from);
            let elements = Elements {
                first: *to,
                count: from.width,
            };
            let slot = unit.gradients().slot(elements, *write);
            pointwise::sum_rows(&rows, slot);
        }
        Op::BatchNormBack {
            gradient,
            from,
            weight,
            bias,
            mean,
            ..
        } => {
            let (gradient, from) = (read(*gradient), read(*from));
            let found = batch_norm::backward(&gradient, &from, unit.moments(*mean));
            for (first, values) in [weight, bias].into_iter().zip(&found) {
                unit.gradients().write(*first, values, Write::Set);
            }
        }
        Op::LinearInput {
            linear: maps,
            write: how,
        } => {
            let maps = maps.merged();
            for map in 0..maps.batch {
                let (from, to) = (read(maps.output(map)), write(maps.input(map)));
                linear::input(&maps, map, (from, to), (parameters, ready, way), *how);
            }
        }
        Op::LinearWeight {
            linear: maps,
            write,
        } => {
            let maps = maps.merged();
            for map in 0..maps.batch {
                let views = (read(maps.input(map)), read(maps.output(map)));
                let (to, write) = unit.gradients().slot(maps.weight_of(map), *write);
                linear::weight_gradient(&maps, views, to, way, write);
            }
        }
        Op::ActivateBack {
            activate: layer,
            gradient,
            into,
        } => {
            let views = (read(layer.from), read(*gradient));
            let (into, eps) = (target(*into), unit.eps);
            let both = (parameters, unit.gradients());
            activate::backward(layer, views, into, both, eps);
        }
        Op::SigmoidBack {
            output,
            gradient,
            into,
        } => pointwise::sigmoid_back((&read(*output), &read(*gradient)), target(*into)),
        Op::SoftmaxBack {
            output,
            gradient,
            width,
            into,
        } => {
            let views = (&read(*output), &read(*gradient));
            pointwise::softmax_back(views, target(*into), *width);
        }
        Op::MeansBack { gradient, into } => {
            let mut into: Vec<_> = into.iter().map(|into| into.map(target)).collect();
            mix::means_back(&read(*gradient), &mut into);
        }
        Op::MixBack {
            mix,
            gradient,
            into,
            into_by,
        } => {
            let parts = into_by.map_or(&[][..], |_| &mix.parts);
            let back = MixBack {
                parts: parts.iter().map(|part| read(*part)).collect(),
                by: mix.by.map(read),
                summed: mix.sum,
                into: into.iter().map(|into| into.map(target)).collect(),
                into_by: into_by.map(target),
                widths: mix.parts.iter().map(|part| part.width).collect(),
            };
            mix::mix_back(&read(*gradient), back);
        }
        Op::CrossBack {
            first,
            by,
            gradient,
            into_first,
            into_by,
            into_x,
        } => {
            let [first, by, gradient] = [first, by, gradient].map(|view| read(*view));
            let into = CrossGradients {
                first: target(*into_first),
                by: target(*into_by),
                x: into_x.map(target),
            };
            pointwise::cross_back([&first, &by, &gradient], into);
        }
    }
}
