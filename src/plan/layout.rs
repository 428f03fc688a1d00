//! Places of parameters: every tensor of a program becomes a range of the flat array. Parameters
//! of operations that run as one are side by side, in the order of their columns.

use mtmd_schema::bug;
use std::collections::BTreeMap;

use mtmd_schema::plan::{Address, Parameter, Scope};

use super::fuse::Fused;
use crate::program::{ConcatPart, DraftOp, DraftTensor, ParameterId, StatisticId};

/// Elements to whose multiples operations' parameters are aligned: a cache line of float32.
pub const ALIGN: usize = 16;

/// Next multiple of [`ALIGN`].
pub fn aligned(elements: usize) -> usize {
    elements.next_multiple_of(ALIGN)
}

/// The parameters that the domains of a tower share.
#[derive(Debug, Default)]
pub struct Shared {
    /// First element of the first one.
    start: usize,
    /// Elements.
    pub len: usize,
    /// Placed tensors; offsets are relative to the first one.
    placed: Vec<Parameter>,
    by_name: BTreeMap<String, usize>,
}

impl Shared {
    /// How many tensors have a place.
    pub fn tensors(&self) -> usize {
        self.placed.len()
    }

    /// Moves them to where they start in the flat array; returns the element after the last.
    pub fn start_at(&mut self, start: usize) -> usize {
        self.start = start;
        start + aligned(self.len)
    }

    /// The tensors, offsets absolute.
    pub fn parameters(&self) -> Vec<Parameter> {
        let placed = self.placed.iter().cloned();
        placed
            .map(|tensor| Parameter {
                offset: self.start + tensor.offset,
                ..tensor
            })
            .collect()
    }
}

/// The places of a program's parameters and statistics.
#[derive(Debug)]
pub struct Layout {
    /// By parameter of the draft; of the tower's ones relative to its first.
    offsets: Vec<Option<usize>>,
    /// By statistic of the draft.
    statistics: Vec<usize>,
    /// The domain's own tensors.
    pub own: Vec<Parameter>,
    /// Elements of the domain's own tensors, padding included.
    pub len: usize,
    /// The running statistics.
    pub running: Vec<Parameter>,
    /// Elements of the running statistics.
    pub running_len: usize,
}

impl Layout {
    /// Places the parameters of a program, and the tower's that no program before it has placed.
    pub fn new(fused: &Fused, shared: &mut Shared) -> Self {
        let draft = &fused.draft;
        let mut layout = Self {
            offsets: vec![None; draft.parameters.len()],
            statistics: vec![],
            own: vec![],
            len: 0,
            running: vec![],
            running_len: 0,
        };
        for tensor in &draft.statistics {
            layout.statistics.push(layout.running_len);
            layout.running.push(parameter(tensor, layout.running_len));
            layout.running_len += tensor.len();
        }
        for group in &fused.groups {
            for ids in of_group(fused, group) {
                layout.place(fused, &ids, shared);
            }
        }
        // A tower's may have none: a domain that lacks no field uses no vector of a missing one.
        let own = |tensor: &DraftTensor| tensor.scope == Scope::Own;
        let mut places = draft.parameters.iter().zip(&layout.offsets);
        if let Some((tensor, _)) = places.find(|(tensor, at)| own(tensor) && at.is_none()) {
            bug!("no operation has the parameter {}", tensor.name);
        }
        layout
    }

    /// Places tensors side by side.
    fn place(&mut self, fused: &Fused, ids: &[ParameterId], shared: &mut Shared) {
        let Some(first) = ids.first() else { return };
        let tensors: Vec<&DraftTensor> = ids.iter().map(|id| fused.draft.parameter(*id)).collect();
        let scope = fused.draft.parameter(*first).scope;
        let mut at = match scope {
            Scope::Own => aligned(self.len),
            Scope::Tower => match shared.by_name.get(&fused.draft.parameter(*first).name) {
                Some(placed) => *placed,
                None => aligned(shared.len),
            },
        };
        for (id, tensor) in ids.iter().zip(tensors) {
            if tensor.scope != scope {
                bug!("{} runs with parameters of another scope", tensor.name);
            }
            if self.offsets[id.0].replace(at).is_some() {
                bug!("{} is placed twice", tensor.name);
            }
            match scope {
                Scope::Own => self.own.push(parameter(tensor, at)),
                Scope::Tower => shared.put(tensor, at),
            }
            at += tensor.len();
        }
        match scope {
            Scope::Own => self.len = at,
            Scope::Tower => shared.len = shared.len.max(at),
        }
    }

    /// Address of a parameter.
    pub fn address(&self, fused: &Fused, id: ParameterId, shared: &Shared) -> Address {
        let tensor = fused.draft.parameter(id);
        let Some(offset) = self.offsets[id.0] else {
            bug!("{} has no place", tensor.name);
        };
        match tensor.scope {
            Scope::Own => Address {
                scope: Scope::Own,
                offset,
            },
            Scope::Tower => Address {
                scope: Scope::Tower,
                offset: shared.start + offset,
            },
        }
    }

    /// First element of a running statistic in the domain's block.
    pub fn statistic(&self, id: StatisticId) -> usize {
        self.statistics[id.0]
    }
}

impl Shared {
    /// Remembers a place; the same in every program of the tower.
    fn put(&mut self, tensor: &DraftTensor, at: usize) {
        match self.by_name.get(&tensor.name) {
            Some(placed) if *placed == at => {}
            Some(_) => bug!("{} is at two places", tensor.name),
            None => {
                self.by_name.insert(tensor.name.clone(), at);
                self.placed.push(parameter(tensor, at));
            }
        }
    }
}

/// Lists of parameters that are side by side.
fn of_group(fused: &Fused, group: &[usize]) -> Vec<Vec<ParameterId>> {
    let mut lists: Vec<Vec<ParameterId>> = vec![vec![]; 3];
    let [weights, biases, norms] = &mut lists[..] else {
        bug!("three lists are not three");
    };
    for op in group {
        match fused.op(*op) {
            DraftOp::Linear { weight, bias, .. } => {
                weights.push(*weight);
                biases.extend(bias);
            }
            DraftOp::Activate { bias, norm, .. } => {
                weights.extend(bias);
                biases.extend(norm.map(|norm| norm.weight));
                norms.extend(norm.map(|norm| norm.bias));
            }
            DraftOp::BatchNorm { weight, bias, .. } => {
                weights.push(*weight);
                biases.push(*bias);
            }
            DraftOp::Concat { parts, .. } => {
                for part in parts {
                    match part {
                        ConcatPart::Vector { parameter, .. } if !weights.contains(parameter) => {
                            weights.push(*parameter);
                        }
                        ConcatPart::Vector { .. } | ConcatPart::Slice(_) => {}
                    }
                }
            }
            DraftOp::Sigmoid { .. }
            | DraftOp::Softmax { .. }
            | DraftOp::Means { .. }
            | DraftOp::Mix { .. }
            | DraftOp::Cross { .. } => {}
        }
    }
    lists
}

fn parameter(tensor: &DraftTensor, offset: usize) -> Parameter {
    Parameter {
        name: tensor.name.clone().into(),
        shape: tensor.shape.clone().into(),
        offset,
        init: tensor.init,
    }
}
