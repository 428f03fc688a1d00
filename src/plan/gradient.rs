//! Gradient rules: from a forward program to its backward program.
//!
//! Every operation has one rule. A buffer's gradient is a buffer of the same columns; what is read
//! in several places sums its gradients. What the forward pass does not save is computed again
//! just before it is first read.

use mtmd_schema::bug;
use std::ops::Range;

use mtmd_schema::plan::{BufferId, Linear, Op, Target, View, Write};

use super::columns::Columns;

/// A backward program.
#[derive(Debug)]
pub struct Backward {
    /// Its operations.
    pub ops: Vec<Op>,
    /// By operation: index of the forward operation whose gradient it computes, or which it runs again.
    pub of: Vec<usize>,
    /// Gradient of the input, if it has any.
    pub input_gradient: Option<BufferId>,
    /// Gradient of the output.
    pub output_gradient: BufferId,
    /// Buffers that the forward pass has to save.
    pub saved: Vec<BufferId>,
}

/// Differentiates a program. `buffers` holds the columns of each buffer, and gets those of the
/// gradients; of the input only the first `embedded` columns need a gradient.
pub fn differentiate(
    forward: &[Op],
    buffers: &mut Vec<usize>,
    (input, embedded): (BufferId, usize),
    output: BufferId,
) -> Backward {
    let mut tape = Tape {
        needed: needed(forward, buffers.len(), input, embedded),
        gradients: vec![None; buffers.len()],
        written: vec![Columns::default(); buffers.len()],
        buffers,
        ops: vec![],
        at: 0,
    };
    let output_gradient = tape.gradient_buffer(output);
    let width = tape.buffers[output.0];
    tape.written[output.0].insert(0..width);
    for (at, op) in forward.iter().enumerate().rev() {
        tape.at = at;
        tape.rule(op);
    }
    let input_gradient = tape.gradients[input.0];
    if let Some(view) = (embedded > 0).then_some(View {
        buffer: input,
        start: 0,
        width: embedded,
    }) && input_gradient.is_some()
    {
        tape.complete(view);
    }
    let ops = tape.ops;
    let (ops, saved) = recompute(forward, ops, input);
    let (of, ops) = ops.into_iter().unzip();
    Backward {
        ops,
        of,
        input_gradient,
        output_gradient,
        saved,
    }
}

/// By buffer: the columns that depend on a parameter or a table.
fn needed(forward: &[Op], buffers: usize, input: BufferId, embedded: usize) -> Vec<Columns> {
    let mut needed = vec![Columns::default(); buffers];
    needed[input.0].insert(0..embedded);
    for op in forward {
        let needs = |view: &View| needed[view.buffer.0].overlaps(&range(*view));
        if !op.parameters().is_empty() || op.reads().iter().any(needs) {
            for target in op.writes() {
                needed[target.to.buffer.0].insert(range(target.to));
            }
        }
    }
    needed
}

fn range(view: View) -> Range<usize> {
    view.start..view.start + view.width
}

struct Tape<'a> {
    /// Columns whose gradient is wanted, by forward buffer.
    needed: Vec<Columns>,
    /// Gradient of each forward buffer.
    gradients: Vec<Option<BufferId>>,
    /// Columns of each forward buffer whose gradient has been written.
    written: Vec<Columns>,
    buffers: &'a mut Vec<usize>,
    /// Operations, each with the forward operation that it is of.
    ops: Vec<(usize, Op)>,
    /// The forward operation whose rule is applied.
    at: usize,
}

impl Tape<'_> {
    fn push(&mut self, op: Op) {
        self.ops.push((self.at, op));
    }

    fn gradient_buffer(&mut self, of: BufferId) -> BufferId {
        if let Some(gradient) = self.gradients[of.0] {
            return gradient;
        }
        let gradient = BufferId(self.buffers.len());
        self.buffers.push(self.buffers[of.0]);
        self.gradients[of.0] = Some(gradient);
        gradient
    }

    fn needs(&self, view: View) -> bool {
        self.needed[view.buffer.0].overlaps(&range(view))
    }

    /// Sets the columns of a view's gradient to 0 that nothing has been added to.
    fn complete(&mut self, view: View) {
        let buffer = self.gradient_buffer(view.buffer);
        for gap in self.written[view.buffer.0].gaps(&range(view)) {
            self.push(Op::Clear {
                to: View {
                    buffer,
                    start: gap.start,
                    width: gap.len(),
                },
            });
        }
        self.written[view.buffer.0].insert(range(view));
    }

    /// The gradient of what an operation wrote, all columns written; `None` if nothing came back.
    fn gradient(&mut self, view: View) -> Option<View> {
        if !self.written[view.buffer.0].overlaps(&range(view)) {
            return None;
        }
        self.complete(view);
        let buffer = self.gradient_buffer(view.buffer);
        Some(View { buffer, ..view })
    }

    /// Where to write a part of a view's gradient; `None` if it is not needed.
    fn target(&mut self, view: View) -> Option<Target> {
        if !self.needs(view) {
            return None;
        }
        let columns = range(view);
        let write = if self.written[view.buffer.0].overlaps(&columns) {
            self.complete(view);
            Write::Add
        } else {
            self.written[view.buffer.0].insert(columns);
            Write::Set
        };
        let buffer = self.gradient_buffer(view.buffer);
        Some(Target {
            to: View { buffer, ..view },
            write,
        })
    }

    fn targets(&mut self, views: &[View]) -> Vec<Option<Target>> {
        views.iter().map(|view| self.target(*view)).collect()
    }

    /// Appends what the operation's gradient is made of.
    fn rule(&mut self, op: &Op) {
        let [Target { to: output, .. }] = op.writes()[..] else {
            bug!("{op:?} is not a forward operation");
        };
        let Some(gradient) = self.gradient(output) else {
            return;
        };
        match op {
            Op::Copy { from, .. } => {
                if let Some(into) = self.target(*from) {
                    self.push(Op::Copy {
                        from: gradient,
                        into,
                    });
                }
            }
            Op::Repeat { parameter, .. } => self.push(Op::SumRows {
                from: gradient,
                to: *parameter,
                write: Write::Set,
            }),
            Op::BatchNorm {
                from,
                weight,
                bias,
                mean,
                variance,
                ..
            } => self.push(Op::BatchNormBack {
                gradient,
                from: *from,
                weight: *weight,
                bias: *bias,
                mean: *mean,
                variance: *variance,
            }),
            Op::Linear(linear) => self.linear(linear, gradient),
            Op::Activate(activate) => {
                let into = self.in_place(activate.from, output, gradient);
                let Some(into) = into.or_else(|| self.target(activate.from)) else {
                    bug!("{op:?} has parameters on data that needs no gradient");
                };
                self.push(Op::ActivateBack {
                    activate: activate.clone(),
                    gradient,
                    into,
                });
            }
            Op::Sigmoid { from, to } => {
                if let Some(into) = self.target(*from) {
                    self.push(Op::SigmoidBack {
                        output: *to,
                        gradient,
                        into,
                    });
                }
            }
            Op::Softmax { from, to, width } => {
                if let Some(into) = self.target(*from) {
                    self.push(Op::SoftmaxBack {
                        output: *to,
                        gradient,
                        width: *width,
                        into,
                    });
                }
            }
            Op::Means { parts, .. } => {
                let into = self.targets(parts).into();
                self.push(Op::MeansBack { gradient, into });
            }
            Op::Mix(mix) => {
                let into = self.targets(&mix.parts).into();
                let into_by = mix.by.and_then(|by| self.target(by));
                self.push(Op::MixBack {
                    mix: mix.clone(),
                    gradient,
                    into,
                    into_by,
                });
            }
            Op::Cross { first, by, x, .. } => {
                let into_first = self.target(*first);
                let into_by = self.target(*by);
                let into_x = self.target(*x);
                let (Some(into_first), Some(into_by)) = (into_first, into_by) else {
                    bug!("a cross reads data that needs no gradient");
                };
                self.push(Op::CrossBack {
                    first: *first,
                    by: *by,
                    gradient,
                    into_first,
                    into_by,
                    into_x,
                });
            }
            Op::Clear { .. }
            | Op::SumRows { .. }
            | Op::BatchNormBack { .. }
            | Op::LinearInput { .. }
            | Op::LinearWeight { .. }
            | Op::ActivateBack { .. }
            | Op::SigmoidBack { .. }
            | Op::SoftmaxBack { .. }
            | Op::MeansBack { .. }
            | Op::MixBack { .. }
            | Op::CrossBack { .. } => bug!("{op:?} is not a forward operation"),
        }
    }

    fn linear(&mut self, linear: &Linear, gradient: View) {
        if let Some(bias) = linear.bias {
            self.push(Op::SumRows {
                from: gradient,
                to: bias,
                write: Write::Set,
            });
        }
        self.push(Op::LinearWeight {
            linear: Linear {
                to: gradient,
                bias: None,
                ..*linear
            },
            write: Write::Set,
        });
        let read = View {
            width: linear.inputs * linear.batch,
            ..linear.from
        };
        if let Some(into) = self.target(read) {
            self.push(Op::LinearInput {
                linear: Linear {
                    from: View {
                        width: linear.inputs,
                        ..into.to
                    },
                    to: gradient,
                    bias: None,
                    ..*linear
                },
                write: into.write,
            });
        }
    }

    /// Lets an activation's gradient take the place of its output's, where both fill a buffer.
    fn in_place(&mut self, from: View, to: View, gradient: View) -> Option<Target> {
        let fills = |view: View, width: usize| view.start == 0 && view.width == width;
        let whole =
            fills(from, self.buffers[from.buffer.0]) && fills(to, self.buffers[to.buffer.0]);
        if !whole || self.gradients[from.buffer.0].is_some() || !self.needs(from) {
            return None;
        }
        self.gradients[from.buffer.0] = Some(gradient.buffer);
        self.written[from.buffer.0].insert(range(from));
        Some(Target {
            to: gradient,
            write: Write::Set,
        })
    }
}

/// Adds to a backward program what computes again the buffers that it reads and that are cheap to
/// compute; returns it with the buffers that are saved instead.
fn recompute(
    forward: &[Op],
    backward: Vec<(usize, Op)>,
    input: BufferId,
) -> (Vec<(usize, Op)>, Vec<BufferId>) {
    let mut recompute = Recompute {
        forward,
        ready: vec![],
        saved: vec![input],
        ops: vec![],
    };
    for (of, op) in backward {
        for view in op.reads() {
            recompute.ensure(view.buffer);
        }
        recompute.ops.push((of, op));
    }
    (recompute.ops, recompute.saved)
}

struct Recompute<'a> {
    forward: &'a [Op],
    ready: Vec<BufferId>,
    saved: Vec<BufferId>,
    ops: Vec<(usize, Op)>,
}

impl Recompute<'_> {
    /// Makes a forward buffer readable; a gradient is written by the backward program itself.
    fn ensure(&mut self, buffer: BufferId) {
        if self.ready.contains(&buffer) || self.saved.contains(&buffer) {
            return;
        }
        let writes_it = |op: &Op| op.writes().iter().any(|target| target.to.buffer == buffer);
        let writers = self.forward.iter().enumerate();
        let writers: Vec<(usize, &Op)> = writers.filter(|(_, op)| writes_it(op)).collect();
        if writers.is_empty() {
            return;
        }
        if writers.iter().any(|(_, op)| is_costly(op)) {
            self.saved.push(buffer);
            return;
        }
        self.ready.push(buffer);
        for (of, op) in writers {
            for view in op.reads() {
                self.ensure(view.buffer);
            }
            self.ops.push((of, op.clone()));
        }
    }
}

/// Whether an output is saved rather than computed again.
fn is_costly(op: &Op) -> bool {
    matches!(
        op,
        Op::Linear(_) | Op::Softmax { .. } | Op::Sigmoid { .. } | Op::Means { .. }
    )
}
