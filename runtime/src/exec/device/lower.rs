//! From operations to pieces.

use mtmd_schema::plan::{Mix, Op, Target, View, Write};

use super::kernels::words::{NONE, light};
use super::piece::{Lowering, Piece, address, adds, word};
use crate::bug::{bug, zip_equal};

impl Lowering<'_> {
    /// The pieces of some operations, in their order.
    pub fn pieces(&mut self, ops: &[Op]) -> Vec<Piece> {
        for (at, op) in ops.iter().enumerate() {
            self.op = at;
            self.lower(op);
        }
        std::mem::take(&mut self.pieces)
    }

    fn lower(&mut self, op: &Op) {
        match op {
            Op::Copy { from, into } => self.scale(*from, None, *into),
            Op::Repeat { parameter, to } => self.repeat(address(*parameter), *to),
            Op::Clear { to } => self.repeat(NONE, *to),
            Op::BatchNorm {
                from,
                to,
                weight,
                bias,
                mean,
                variance,
            } => {
                let words = [
                    (light::OP, light::BATCH_NORM),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*from)),
                    (light::BY, address(*weight)),
                    (light::THIRD, address(*bias)),
                    (light::INTO, self.at(*to)),
                    (light::MORE, word(*mean)),
                    (light::ADD, word(*variance)),
                ];
                self.light(&[*from], &[*to], &words);
            }
            Op::Linear(maps) => self.linear(maps.merged()),
            Op::Activate(layer) => self.activate(layer),
            Op::Sigmoid { from, to } => {
                let words = [
                    (light::OP, light::SIGMOID),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*from)),
                    (light::INTO, self.at(*to)),
                ];
                self.light(&[*from], &[*to], &words);
            }
            Op::Softmax { from, to, width } => {
                let words = [
                    (light::OP, light::SOFTMAX),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*from)),
                    (light::INTO, self.at(*to)),
                    (light::MORE, word(*width)),
                ];
                self.light(&[*from], &[*to], &words);
            }
            Op::Means { parts, to } => {
                for (column, part) in parts.iter().enumerate() {
                    let to = to.columns(column, 1);
                    let words = [
                        (light::OP, light::MEAN),
                        (light::WIDTH, word(part.width)),
                        (light::FROM, self.at(*part)),
                        (light::INTO, self.at(to)),
                    ];
                    self.light(&[*part], &[to], &words);
                }
            }
            Op::Mix(mix) => self.mix(mix),
            Op::Cross { first, by, x, to } => {
                let words = [
                    (light::OP, light::CROSS),
                    (light::WIDTH, word(to.width)),
                    (light::FROM, self.at(*first)),
                    (light::BY, self.at(*by)),
                    (light::THIRD, self.at(*x)),
                    (light::INTO, self.at(*to)),
                ];
                self.light(&[*first, *by, *x], &[*to], &words);
            }
            Op::SumRows { .. }
            | Op::BatchNormBack { .. }
            | Op::LinearInput { .. }
            | Op::LinearWeight { .. }
            | Op::ActivateBack { .. }
            | Op::SigmoidBack { .. }
            | Op::SoftmaxBack { .. }
            | Op::MeansBack { .. }
            | Op::MixBack { .. }
            | Op::CrossBack { .. } => self.back(op),
        }
    }

    /// Gradients.
    fn back(&mut self, op: &Op) {
        match op {
            // Whether it is set or added to makes no difference: all sums of a parameter are put together.
            Op::SumRows { from, to, write: _ } => {
                let words = [
                    (light::OP, light::SUM_ROWS),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*from)),
                    (light::INTO, self.sums.add(*to, from.width)),
                ];
                self.light(&[*from], &[], &words);
            }
            Op::BatchNormBack {
                gradient,
                from,
                weight,
                bias,
                mean,
                variance,
            } => {
                let words = [
                    (light::OP, light::BATCH_NORM_BACK),
                    (light::WIDTH, word(from.width)),
                    (light::FROM, self.at(*gradient)),
                    (light::BY, self.at(*from)),
                    (light::INTO, self.sums.add(*weight, from.width)),
                    (light::THIRD, self.sums.add(*bias, from.width)),
                    (light::MORE, word(*mean)),
                    (light::ADD, word(*variance)),
                ];
                self.light(&[*gradient, *from], &[], &words);
            }
            Op::LinearInput {
                linear: maps,
                write,
            } => self.linear_input(maps.merged(), *write),
            Op::LinearWeight {
                linear: maps,
                write,
            } => self.linear_weight(maps.merged(), *write),
            Op::ActivateBack {
                activate,
                gradient,
                into,
            } => self.activate_back(activate, *gradient, *into),
            Op::SigmoidBack {
                output,
                gradient,
                into,
            } => {
                let words = [
                    (light::OP, light::SIGMOID_BACK),
                    (light::WIDTH, word(output.width)),
                    (light::FROM, self.at(*gradient)),
                    (light::BY, self.at(*output)),
                    (light::INTO, self.at(into.to)),
                    (light::ADD, adds(into.write)),
                ];
                self.light(&[*output, *gradient], &[into.to], &words);
            }
            Op::SoftmaxBack {
                output,
                gradient,
                width,
                into,
            } => {
                let words = [
                    (light::OP, light::SOFTMAX_BACK),
                    (light::WIDTH, word(output.width)),
                    (light::FROM, self.at(*gradient)),
                    (light::BY, self.at(*output)),
                    (light::INTO, self.at(into.to)),
                    (light::ADD, adds(into.write)),
                    (light::MORE, word(*width)),
                ];
                self.light(&[*output, *gradient], &[into.to], &words);
            }
            Op::MeansBack { gradient, into } => {
                for (column, into) in into.iter().enumerate() {
                    let Some(Target { to, write }) = *into else {
                        continue;
                    };
                    let gradient = gradient.columns(column, 1);
                    let words = [
                        (light::OP, light::MEAN_BACK),
                        (light::WIDTH, word(to.width)),
                        (light::FROM, self.at(gradient)),
                        (light::INTO, self.at(to)),
                        (light::ADD, adds(write)),
                    ];
                    self.light(&[gradient], &[to], &words);
                }
            }
            Op::MixBack {
                mix,
                gradient,
                into,
                into_by,
            } => self.mix_back(mix, *gradient, into, *into_by),
            Op::CrossBack {
                first,
                by,
                gradient,
                into_first,
                into_by,
                into_x,
            } => {
                let [a, b] = [into_first, into_by].map(|into| adds(into.write));
                let c = into_x.map_or(0, |into| adds(into.write));
                let words = [
                    (light::OP, light::CROSS_BACK),
                    (light::WIDTH, word(first.width)),
                    (light::FROM, self.at(*first)),
                    (light::BY, self.at(*by)),
                    (light::MORE, self.at(*gradient)),
                    (light::INTO, self.at(into_first.to)),
                    (light::THIRD, self.at(into_by.to)),
                    (light::INTO_X, into_x.map_or(NONE, |into| self.at(into.to))),
                    (light::ADD, a | b << 1 | c << 2),
                ];
                let writes = [Some(*into_first), Some(*into_by), *into_x];
                let writes: Vec<View> = writes.into_iter().flatten().map(|into| into.to).collect();
                self.light(&[*first, *by, *gradient], &writes, &words);
            }
            _ => bug!("not a gradient's operation: {op:?}"),
        }
    }

    fn mix(&mut self, mix: &Mix) {
        let mut start = 0;
        for (place, part) in mix.parts.iter().enumerate() {
            let write = match mix.sum && place > 0 {
                true => Write::Add,
                false => Write::Set,
            };
            let to = mix.to.columns(start, part.width);
            let by = mix.by.map(|by| by.columns(place, 1));
            self.scale(*part, by, Target { to, write });
            if !mix.sum {
                start += part.width;
            }
        }
    }

    fn mix_back(
        &mut self,
        mix: &Mix,
        gradient: View,
        into: &[Option<Target>],
        into_by: Option<Target>,
    ) {
        let mut start = 0;
        for (place, (part, into)) in zip_equal(&*mix.parts, into).enumerate() {
            let gradient = gradient.columns(start, part.width);
            if !mix.sum {
                start += part.width;
            }
            if let Some(Target { to, write }) = into_by {
                let to = to.columns(place, 1);
                let words = [
                    (light::OP, light::DOT),
                    (light::WIDTH, word(part.width)),
                    (light::FROM, self.at(*part)),
                    (light::BY, self.at(gradient)),
                    (light::INTO, self.at(to)),
                    (light::ADD, adds(write)),
                ];
                self.light(&[*part, gradient], &[to], &words);
            }
            if let Some(into) = into {
                let by = mix.by.map(|by| by.columns(place, 1));
                self.scale(gradient, by, *into);
            }
        }
    }
}
