//! Fusion: which operations of a draft run as one, and which values share a buffer.
//!
//! Experts that read the same columns become one wide product, experts of one shape one batch of
//! products, and what follows them by column one operation. For that their values, and later
//! their parameters, are side by side. A value that is only part of a concatenation is written
//! where the concatenation has it.

use mtmd_schema::bug;
use std::collections::BTreeMap;

use crate::program::{ConcatPart, Draft, DraftOp, ValueId, ValueSlice};
use mtmd_schema::plan::Scope;

/// Where a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Index of the buffer.
    pub buffer: usize,
    /// First column.
    pub start: usize,
}

/// A draft whose operations are grouped and whose values have a place.
#[derive(Debug)]
pub struct Fused {
    /// The draft.
    pub draft: Draft,
    /// Operations that run as one, in the order of their columns; groups in the order in which
    /// they run.
    pub groups: Vec<Vec<usize>>,
    /// Columns of each buffer; the first is the input.
    pub buffers: Vec<usize>,
    places: Vec<Option<Column>>,
}

impl Fused {
    /// Where a value is.
    pub fn place(&self, value: ValueId) -> Column {
        match self.places.get(value.0).copied().flatten() {
            Some(place) => place,
            None => bug!("value {} has no place", value.0),
        }
    }

    /// Where columns of a value are.
    pub fn slice(&self, slice: ValueSlice) -> Column {
        let place = self.place(slice.value);
        Column {
            start: place.start + slice.start,
            ..place
        }
    }

    /// An operation of the draft.
    pub fn op(&self, index: usize) -> &DraftOp {
        match self.draft.ops.get(index) {
            Some(op) => op,
            None => bug!("operation {index} is of another draft"),
        }
    }
}

/// Groups the operations of a draft and places its values.
pub fn fuse(draft: Draft) -> Fused {
    let depths = depths(&draft);
    let mut fuser = Fuser {
        pinned: pins(&draft),
        chains: chains(&draft),
        fused: Fused {
            buffers: vec![draft.width(Draft::INPUT)],
            places: vec![None; draft.widths.len()],
            groups: vec![],
            draft,
        },
    };
    fuser.put(
        Draft::INPUT,
        Column {
            buffer: 0,
            start: 0,
        },
    );
    let levels = depths.iter().copied().max().map_or(0, |depth| depth + 1);
    for level in 0..levels {
        let ops = depths.iter().enumerate();
        let ops: Vec<usize> = ops
            .filter(|(_, depth)| **depth == level)
            .map(|(op, _)| op)
            .collect();
        fuser.level(&ops);
    }
    fuser.fused
}

/// By operation: how many operations it waits for, one after the other.
fn depths(draft: &Draft) -> Vec<usize> {
    let mut ready = vec![0; draft.widths.len()];
    let mut depths = Vec::with_capacity(draft.ops.len());
    for op in &draft.ops {
        let depth = op
            .inputs()
            .iter()
            .map(|input| ready[input.0])
            .max()
            .unwrap_or(0);
        ready[op.output().0] = depth + 1;
        depths.push(depth);
    }
    depths
}

/// By value: the concatenation that it is written in, and its first column there.
fn pins(draft: &Draft) -> Vec<Option<(ValueId, usize)>> {
    let mut pins = vec![None; draft.widths.len()];
    for op in &draft.ops {
        let DraftOp::Concat { parts, to } = op else {
            continue;
        };
        let mut start = 0;
        for part in parts {
            if let ConcatPart::Slice(slice) = *part
                && slice == draft.whole(slice.value)
                && slice.value != Draft::INPUT
                && pins[slice.value.0].is_none()
            {
                pins[slice.value.0] = Some((*to, start));
            }
            start += part.width();
        }
    }
    pins
}

/// By value: the widths of the linear maps that follow from it as long as each is the only reader
/// of the one before. Experts of one shape have equal chains.
fn chains(draft: &Draft) -> Vec<Vec<usize>> {
    let mut readers: Vec<Vec<usize>> = vec![vec![]; draft.widths.len()];
    for (index, op) in draft.ops.iter().enumerate() {
        for input in op.inputs() {
            readers[input.0].push(index);
        }
    }
    let mut chains = vec![vec![]; draft.widths.len()];
    for value in (0..draft.widths.len()).rev() {
        let [reader] = readers[value][..] else {
            continue;
        };
        chains[value] = match &draft.ops[reader] {
            DraftOp::Activate { to, .. } => chains[to.0].clone(),
            DraftOp::Linear { to, .. } => {
                let mut chain = vec![draft.width(*to)];
                chain.extend_from_slice(&chains[to.0]);
                chain
            }
            DraftOp::Concat { .. }
            | DraftOp::BatchNorm { .. }
            | DraftOp::Sigmoid { .. }
            | DraftOp::Softmax { .. }
            | DraftOp::Means { .. }
            | DraftOp::Mix { .. }
            | DraftOp::Cross { .. } => vec![],
        };
    }
    chains
}

struct Fuser {
    fused: Fused,
    pinned: Vec<Option<(ValueId, usize)>>,
    chains: Vec<Vec<usize>>,
}

impl Fuser {
    fn draft(&self) -> &Draft {
        &self.fused.draft
    }

    fn put(&mut self, value: ValueId, place: Column) {
        self.fused.places[value.0] = Some(place);
    }

    /// Groups the operations of one depth, none of which reads another's output.
    fn level(&mut self, ops: &[usize]) {
        let mut groups: Vec<Vec<usize>> = vec![];
        let free = |op: &usize| self.pinned[self.fused.op(*op).output().0].is_none();
        let (free, pinned): (Vec<usize>, Vec<usize>) = ops.iter().partition(|op| free(op));
        groups.extend(pinned.into_iter().map(|op| vec![op]));
        // Operations that may run as one if their columns allow it.
        let mut alike: BTreeMap<Alike, Vec<usize>> = BTreeMap::new();
        for op in free {
            alike.entry(self.alike(op)).or_default().push(op);
        }
        for (alike, mut ops) in alike {
            let runs = match alike {
                Alike::Wide { .. } => {
                    ops.sort_by_key(|op| (std::cmp::Reverse(self.shape(*op)), *op));
                    vec![ops]
                }
                Alike::ByColumn(..) => self.runs(ops),
                // Side by side, so that what follows them can run as one.
                Alike::Mix(..) => {
                    self.place_together(&ops);
                    ops.into_iter().map(|op| vec![op]).collect()
                }
                Alike::Alone(_) => vec![ops],
            };
            groups.extend(runs);
        }
        groups.sort_by_key(|group| group.first().copied());
        for group in &groups {
            let placed = |op: &usize| self.fused.places[self.fused.op(*op).output().0].is_some();
            if !group.iter().all(placed) {
                self.place_together(group);
            }
        }
        self.fused.groups.extend(groups);
    }

    /// Places the outputs of operations in one buffer, in their order; pinned ones where their
    /// concatenation has them.
    fn place_together(&mut self, ops: &[usize]) {
        let outputs: Vec<ValueId> = ops.iter().map(|op| self.fused.op(*op).output()).collect();
        if let [output] = outputs[..] {
            self.place_alone(output);
            return;
        }
        let buffer = self.fused.buffers.len();
        let mut start = 0;
        for output in outputs {
            self.put(output, Column { buffer, start });
            start += self.draft().width(output);
        }
        self.fused.buffers.push(start);
    }

    fn place_alone(&mut self, value: ValueId) -> Column {
        if let Some(place) = self.fused.places[value.0] {
            return place;
        }
        let place = match self.pinned[value.0] {
            Some((whole, start)) => {
                let whole = self.place_alone(whole);
                Column {
                    start: whole.start + start,
                    ..whole
                }
            }
            None => {
                self.fused.buffers.push(self.fused.draft.width(value));
                Column {
                    buffer: self.fused.buffers.len() - 1,
                    start: 0,
                }
            }
        };
        self.put(value, place);
        place
    }

    /// Widths of an expert's maps from this one on.
    fn shape(&self, op: usize) -> Vec<usize> {
        let output = self.fused.op(op).output();
        let mut shape = vec![self.draft().width(output)];
        shape.extend_from_slice(&self.chains[output.0]);
        shape
    }

    fn alike(&self, op: usize) -> Alike {
        let draft = self.draft();
        match self.fused.op(op) {
            DraftOp::Linear {
                from,
                to,
                weight,
                bias,
            } => {
                let own = draft.parameter(*weight).scope;
                let others = draft.ops.iter().filter(|other| match other {
                    DraftOp::Linear {
                        from: read,
                        weight,
                        bias: other,
                        to,
                    } => {
                        read == from
                            && draft.parameter(*weight).scope == own
                            && other.is_some() == bias.is_some()
                            && self.pinned[to.0].is_none()
                    }
                    _ => false,
                });
                if others.count() > 1 {
                    return Alike::Wide {
                        own,
                        bias: bias.is_some(),
                        from: *from,
                    };
                }
                Alike::ByColumn(Columnwise::Linear {
                    from: from.width,
                    to: draft.width(*to),
                    own,
                    bias: bias.is_some(),
                })
            }
            DraftOp::Activate {
                bias, norm, slope, ..
            } => {
                let parameter = bias.or(norm.map(|norm| norm.weight));
                Alike::ByColumn(Columnwise::Activate {
                    scope: parameter.map(|parameter| draft.parameter(parameter).scope),
                    bias: bias.is_some(),
                    place: norm.map(|norm| norm.place as usize),
                    slope: slope.to_bits(),
                })
            }
            DraftOp::Softmax { from, .. } => Alike::ByColumn(Columnwise::Softmax {
                width: draft.width(*from),
            }),
            DraftOp::Sigmoid { .. } => Alike::ByColumn(Columnwise::Sigmoid),
            DraftOp::Cross { .. } => Alike::ByColumn(Columnwise::Cross),
            DraftOp::Mix { parts, by, sum, .. } => {
                let widths = parts.iter().map(|part| part.width).collect();
                Alike::Mix(widths, by.is_some(), *sum)
            }
            DraftOp::Concat { .. } | DraftOp::BatchNorm { .. } | DraftOp::Means { .. } => {
                Alike::Alone(op)
            }
        }
    }

    /// Cuts operations into runs whose inputs are side by side.
    fn runs(&self, mut ops: Vec<usize>) -> Vec<Vec<usize>> {
        ops.sort_by_key(|op| (self.reads(*op), *op));
        let mut runs: Vec<Vec<usize>> = vec![];
        for op in ops {
            let follows = |run: &Vec<usize>| {
                let before = run.last().map(|before| self.reads(*before));
                let after = self.reads(op);
                before.is_some_and(|before| {
                    before
                        .iter()
                        .zip(&after)
                        .all(|((place, width), (next, _))| {
                            place.buffer == next.buffer && place.start + width == next.start
                        })
                })
            };
            match runs.last_mut() {
                Some(run) if follows(run) => run.push(op),
                _ => runs.push(vec![op]),
            }
        }
        runs
    }

    /// Where the operation's inputs are, with their columns.
    fn reads(&self, op: usize) -> Vec<(Column, usize)> {
        let whole = |value: &ValueId| (self.fused.place(*value), self.draft().width(*value));
        match self.fused.op(op) {
            DraftOp::Linear { from, .. } => vec![(self.fused.slice(*from), from.width)],
            DraftOp::Cross { first, by, x, .. } => vec![whole(first), whole(by), whole(x)],
            op => op.inputs().iter().map(whole).collect(),
        }
    }
}

/// What operations must have in common to run as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Alike {
    /// Maps of the same columns.
    Wide {
        own: Scope,
        bias: bool,
        from: ValueSlice,
    },
    /// The operation without its operands.
    ByColumn(Columnwise),
    /// Widths of the parts; whether they are scaled, and summed.
    Mix(Vec<usize>, bool, bool),
    /// Runs alone.
    Alone(usize),
}

/// An operation without its operands. Groups run in the order of the variants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Columnwise {
    Linear {
        from: usize,
        to: usize,
        own: Scope,
        bias: bool,
    },
    Activate {
        scope: Option<Scope>,
        bias: bool,
        /// Place of the norm.
        place: Option<usize>,
        /// Bits of the slope.
        slope: u64,
    },
    Softmax {
        width: usize,
    },
    Sigmoid,
    Cross,
}
