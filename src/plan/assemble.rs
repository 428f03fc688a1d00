//! From groups of a draft's operations to operations of a plan, forward.

use mtmd_schema::bug;
use mtmd_schema::plan::{
    Activate, Address, BufferId, LayerNorm, Linear, Mix, NodeId, Op, Source, Target, View,
};

use super::fuse::{Column, Fused};
use super::layout::{Layout, Shared};
use crate::program::{self, ConcatPart, Draft, DraftOp, ParameterId, ValueId, ValueSlice};

/// A forward program.
#[derive(Debug, Default)]
pub struct Forward {
    /// Its operations.
    pub ops: Vec<Op>,
    /// By operation: the nodes that it is lowered from.
    pub sources: Vec<Vec<Source>>,
}

impl Forward {
    fn push(&mut self, op: Op, sources: Vec<Source>) {
        self.ops.push(op);
        self.sources.push(sources);
    }
}

/// The forward program.
pub fn forward(fused: &Fused, layout: &Layout, shared: &Shared) -> Forward {
    let assembler = Assembler {
        fused,
        layout,
        shared,
    };
    let mut forward = Forward::default();
    for group in &fused.groups {
        assembler.group(group, &mut forward);
    }
    forward
}

/// All columns of a value.
pub fn view(fused: &Fused, value: ValueId) -> View {
    at(fused.place(value), fused.draft.width(value))
}

fn at(place: Column, width: usize) -> View {
    View {
        buffer: BufferId(place.buffer),
        start: place.start,
        width,
    }
}

struct Assembler<'a> {
    fused: &'a Fused,
    layout: &'a Layout,
    shared: &'a Shared,
}

impl Assembler<'_> {
    fn draft(&self) -> &Draft {
        &self.fused.draft
    }

    fn address(&self, parameter: ParameterId) -> Address {
        self.layout.address(self.fused, parameter, self.shared)
    }

    /// The parameters of a group, which are side by side if the operations have one.
    fn addresses(
        &self,
        group: &[usize],
        parameter: impl Fn(&DraftOp) -> Option<ParameterId>,
    ) -> Option<Address> {
        let mut all: Option<(Address, usize)> = None;
        for (index, op) in group.iter().enumerate() {
            let found = parameter(self.fused.op(*op));
            let here = found.map(|id| (self.address(id), self.draft().parameter(id).len()));
            all = match (all, here) {
                (None, here) if index == 0 => here,
                (None, None) => None,
                (Some((first, len)), Some((here, more)))
                    if here.scope == first.scope && here.offset == first.offset + len =>
                {
                    Some((first, len + more))
                }
                (all, here) => {
                    bug!("parameters of a group are not side by side: {here:?} after {all:?}")
                }
            };
        }
        all.map(|(first, _)| first)
    }

    fn view(&self, value: ValueId) -> View {
        view(self.fused, value)
    }

    fn slice(&self, slice: ValueSlice) -> View {
        at(self.fused.slice(slice), slice.width)
    }

    fn slices(&self, slices: &[ValueSlice]) -> Vec<View> {
        slices.iter().map(|slice| self.slice(*slice)).collect()
    }

    /// The values of a group, which are side by side, as one view.
    fn across(&self, group: &[usize], value: impl Fn(&DraftOp) -> ValueId) -> View {
        let mut views = group.iter().map(|op| self.view(value(self.fused.op(*op))));
        let Some(mut all) = views.next() else {
            bug!("a group has no operation");
        };
        for view in views {
            if view.buffer != all.buffer || view.start != all.start + all.width {
                bug!("values of a group are not side by side");
            }
            all.width += view.width;
        }
        all
    }

    fn group(&self, group: &[usize], forward: &mut Forward) {
        let Some(first) = group.first().map(|first| self.fused.op(*first)) else {
            bug!("a group has no operation");
        };
        let to = || self.across(group, DraftOp::output);
        let from = || {
            self.across(group, |op| match op {
                DraftOp::Activate { from, .. }
                | DraftOp::Sigmoid { from, .. }
                | DraftOp::Softmax { from, .. } => *from,
                op => bug!("{op:?} has no single input"),
            })
        };
        let op = match first {
            DraftOp::Concat { parts, to } => {
                let node = self.draft().nodes[group[0]];
                return self.concat(parts, node, self.view(*to), forward);
            }
            DraftOp::BatchNorm {
                from,
                to,
                weight,
                bias,
                mean,
                variance,
            } => Op::BatchNorm {
                from: self.slice(*from),
                to: self.view(*to),
                weight: self.address(*weight),
                bias: self.address(*bias),
                mean: self.layout.statistic(*mean),
                variance: self.layout.statistic(*variance),
            },
            DraftOp::Linear { from, .. } => Op::Linear(self.linear(group, *from, to())),
            DraftOp::Activate { slope, .. } => {
                let widths = group
                    .iter()
                    .map(|op| self.draft().width(self.fused.op(*op).output()));
                Op::Activate(Activate {
                    from: from(),
                    to: to(),
                    groups: widths.collect(),
                    bias: self.addresses(group, |op| activate(op).0),
                    norm: self.norm(group),
                    slope: *slope,
                })
            }
            DraftOp::Sigmoid { .. } => Op::Sigmoid {
                from: from(),
                to: to(),
            },
            DraftOp::Softmax { to: one, .. } => Op::Softmax {
                from: from(),
                to: to(),
                width: self.draft().width(*one),
            },
            DraftOp::Means { parts, to } => Op::Means {
                parts: self.slices(parts).into(),
                to: self.view(*to),
            },
            DraftOp::Mix { parts, by, sum, to } => Op::Mix(Mix {
                parts: self.slices(parts).into(),
                by: by.map(|by| self.view(by)),
                sum: *sum,
                to: self.view(*to),
            }),
            DraftOp::Cross { .. } => {
                let operand = |which: usize| {
                    self.across(group, |op| match op {
                        DraftOp::Cross { first, by, x, .. } => match which {
                            0 => *first,
                            1 => *by,
                            _ => *x,
                        },
                        op => bug!("{op:?} is in a group of crosses"),
                    })
                };
                Op::Cross {
                    first: operand(0),
                    by: operand(1),
                    x: operand(2),
                    to: to(),
                }
            }
        };
        forward.push(op, self.sources(group));
    }

    /// The nodes of a group, in the order of their columns.
    fn sources(&self, group: &[usize]) -> Vec<Source> {
        let mut sources: Vec<Source> = vec![];
        for &op in group {
            let node = self.draft().nodes[op];
            let columns = self.draft().width(self.fused.op(op).output());
            match sources.iter_mut().find(|source| source.node == node) {
                Some(source) => source.columns += columns,
                None => sources.push(Source { node, columns }),
            }
        }
        sources
    }

    /// The LayerNorm of a group of activations, if they have one.
    fn norm(&self, group: &[usize]) -> Option<LayerNorm> {
        let norm = |op: &DraftOp| activate(op).1;
        let weight = self.addresses(group, |op| norm(op).map(|norm| norm.weight))?;
        let bias = self.addresses(group, |op| norm(op).map(|norm| norm.bias))?;
        let place = norm(self.fused.op(*group.first()?))?.place;
        Some(LayerNorm {
            weight,
            bias,
            place,
        })
    }

    /// One map, one wide map, or maps of one shape.
    fn linear(&self, group: &[usize], from: ValueSlice, to: View) -> Linear {
        let map = |op: &DraftOp| match op {
            DraftOp::Linear {
                from, weight, bias, ..
            } => (*from, *weight, *bias),
            op => bug!("{op:?} is in a group of linear maps"),
        };
        let wide = group.iter().all(|op| map(self.fused.op(*op)).0 == from);
        let batch = if wide { 1 } else { group.len() };
        let Some(weight) = self.addresses(group, |op| Some(map(op).1)) else {
            bug!("a group has no operation");
        };
        Linear {
            from: self.slice(from),
            from_step: if wide { 0 } else { from.width },
            to,
            batch,
            inputs: from.width,
            outputs: to.width / batch,
            weight,
            bias: self.addresses(group, |op| map(op).2),
        }
    }

    /// Copies what is not written where the concatenation of a node has it; neighbours in one copy.
    fn concat(&self, parts: &[ConcatPart], node: NodeId, to: View, forward: &mut Forward) {
        let mut ops: Vec<(Op, NodeId)> = vec![];
        let mut start = to.start;
        for part in parts {
            let width = part.width();
            let here = View { start, width, ..to };
            start += width;
            match *part {
                ConcatPart::Vector {
                    parameter,
                    start,
                    width: _,
                } => {
                    // The node that learns the vector, which may be the tower's.
                    let node = self.draft().parameter(parameter).node;
                    let mut parameter = self.address(parameter);
                    parameter.offset += start;
                    let repeat = Op::Repeat {
                        parameter,
                        to: here,
                    };
                    ops.push((repeat, node));
                }
                ConcatPart::Slice(slice) => {
                    let from = self.slice(slice);
                    if from == here {
                        continue;
                    }
                    match ops.last_mut() {
                        Some((Op::Copy { from: last, into }, _))
                            if last.buffer == from.buffer
                                && last.start + last.width == from.start
                                && into.to.start + into.to.width == here.start =>
                        {
                            last.width += width;
                            into.to.width += width;
                        }
                        _ => {
                            let into = Target::set(here);
                            ops.push((Op::Copy { from, into }, node));
                        }
                    }
                }
            }
        }
        for (op, node) in ops {
            let columns = op.writes().iter().map(|target| target.to.width).sum();
            forward.push(op, vec![Source { node, columns }]);
        }
    }
}

/// Bias and LayerNorm of an activation.
fn activate(op: &DraftOp) -> (Option<ParameterId>, Option<program::DraftLayerNorm>) {
    match op {
        DraftOp::Activate { bias, norm, .. } => (*bias, *norm),
        op => bug!("{op:?} is in a group of activations"),
    }
}
