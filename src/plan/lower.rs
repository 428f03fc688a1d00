//! Graph → plan.

use mtmd_schema::constants::{BATCH_NORM_MOMENTUM, NORM_EPS};
use mtmd_schema::plan::{
    Blocks, BufferId, Field, GraphNode, HeadPlan, Output, Place, Plan, Program, TowerPlan,
};
use mtmd_schema::{List, bug};

use super::fuse::{Fused, fuse};
use super::layout::{Layout, Shared, aligned};
use super::{assemble, blocks, gradient, storage};
use crate::graph::{DomainExpert, Graph, Group, TowerGraph};
use crate::program::Draft;
use crate::sema::spec::{LogitBias, LogitScale};

/// Lowers a graph to the plan that runs it.
pub fn lower(graph: &Graph) -> Plan {
    let [mut query, mut item] =
        [&graph.query, &graph.item].map(|tower| TowerDraft::new(graph, tower));
    let heads = heads(graph);
    let biases = heads.iter().filter(|head| head.bias.is_some()).count();
    let mut next = query.shared.start_at(aligned(biases));
    next = item.shared.start_at(next);
    let mut statistics = 0;
    let columns: Vec<(usize, usize)> = heads.iter().map(|head| (head.column, head.width)).collect();
    let [query, item] =
        [query, item].map(|tower| tower.finish(&columns, &mut next, &mut statistics));
    Plan {
        parameters: next,
        statistics,
        norm_eps: NORM_EPS,
        batch_norm_momentum: BATCH_NORM_MOMENTUM,
        query,
        item,
        heads: heads.into(),
    }
}

fn heads(graph: &Graph) -> Vec<HeadPlan> {
    let mut column = 0;
    let tasks = graph.spec.tasks.iter().zip(&graph.heads).enumerate();
    let heads = tasks.map(|(index, (task, head))| {
        let start = column;
        column += head.width;
        HeadPlan {
            column: start,
            width: head.width,
            scale: match graph.spec.architecture.logit_scale {
                LogitScale::Dimension => 1.0 / (head.width as f64).sqrt(),
                LogitScale::None => 1.0,
            },
            bias: match graph.spec.architecture.logit_bias {
                LogitBias::Learned => Some(index),
                LogitBias::None => None,
            },
            given: task.given,
            weight: task.weight,
        }
    });
    heads.collect()
}

/// A tower whose programs are fused and whose parameters have a place in their blocks.
struct TowerDraft<'a> {
    tower: &'a TowerGraph,
    nodes: Vec<GraphNode>,
    shared: Shared,
    programs: Vec<(&'a DomainExpert, Fused, Layout)>,
}

impl<'a> TowerDraft<'a> {
    fn new(graph: &Graph, tower: &'a TowerGraph) -> Self {
        let mut shared = Shared::default();
        let mut nodes = blocks::Nodes::default();
        let programs = tower.experts.iter().map(|expert| {
            let fused = fuse(blocks::draft(graph, tower, expert, &mut nodes));
            let layout = Layout::new(&fused, &mut shared);
            (expert, fused, layout)
        });
        let programs = programs.collect();
        let declared = tower.shared.iter().map(|node| node.kind.tensors().len());
        let (placed, declared) = (shared.tensors(), declared.sum::<usize>());
        if placed != declared {
            bug!(
                "{placed} of the {declared} shared tensors of the {} tower have a place",
                tower.name()
            );
        }
        Self {
            nodes: nodes.paths(&graph.spec),
            programs,
            tower,
            shared,
        }
    }

    /// Gives every program its blocks of the flat arrays, from `next` and `statistics` on.
    fn finish(
        self,
        columns: &[(usize, usize)],
        next: &mut usize,
        statistics: &mut usize,
    ) -> TowerPlan {
        let domains: usize = self
            .programs
            .iter()
            .map(|(expert, ..)| expert.domains.len())
            .sum();
        let mut places = vec![None; domains];
        let mut programs = vec![];
        for (index, (expert, fused, layout)) in self.programs.iter().enumerate() {
            for (block, domain) in expert.domains.iter().enumerate() {
                places[domain.0] = Some(Place {
                    program: index,
                    block,
                });
            }
            let blocks = |next: &mut usize, stride: usize| {
                let start = *next;
                *next += stride * expert.domains.len();
                Blocks { start, stride }
            };
            let parameters = blocks(next, aligned(layout.len));
            let statistics = blocks(statistics, layout.running_len);
            let fields = fields(self.tower, expert);
            let program = program(fused, layout, &self.shared, fields);
            programs.push(Program {
                domains: expert.domains.clone().into(),
                parameters,
                statistics,
                outputs: outputs(expert, columns),
                ..program
            });
        }
        let place =
            |place: Option<Place>| place.unwrap_or_else(|| bug!("a domain has no Domain Expert"));
        TowerPlan {
            width: columns.iter().map(|(_, width)| width).sum(),
            nodes: self.nodes.into(),
            shared: self.shared.parameters().into(),
            programs: programs.into(),
            domains: places.into_iter().map(place).collect(),
        }
    }
}

/// A program without its blocks and outputs.
fn program(
    fused: &Fused,
    layout: &Layout,
    shared: &Shared,
    (fields, embedded): (Vec<Field>, usize),
) -> Program {
    let forward = assemble::forward(fused, layout, shared);
    let input = BufferId(0);
    let output = assemble::view(fused, output(&fused.draft)).buffer;
    let mut widths = fused.buffers.clone();
    let backward = gradient::differentiate(&forward.ops, &mut widths, (input, embedded), output);
    let memory = storage::place(
        &widths,
        [&forward.ops, &backward.ops],
        &backward.saved,
        output,
        (backward.output_gradient, backward.input_gradient),
    );
    let none = Blocks {
        start: 0,
        stride: 0,
    };
    Program {
        domains: vec![].into(),
        parameters: none,
        statistics: none,
        own: layout.own.clone().into(),
        running: layout.running.clone().into(),
        fields: fields.into(),
        embedded,
        buffers: memory.buffers.into(),
        saved: memory.saved,
        scratch: memory.scratch,
        input,
        input_gradient: backward.input_gradient,
        output,
        output_gradient: backward.output_gradient,
        outputs: vec![].into(),
        forward: forward.ops.into(),
        backward: backward.ops.into(),
        sources: forward.sources.into_iter().map(List::from).collect(),
        backward_of: backward.of.into(),
    }
}

/// The value of the last operation: the tasks' embeddings.
fn output(draft: &Draft) -> crate::program::ValueId {
    match draft.ops.last() {
        Some(op) => op.output(),
        None => bug!("a Domain Expert has no operation"),
    }
}

/// Where the tower's fields are in the input of a Domain Expert, and the columns that come from tables.
fn fields(tower: &TowerGraph, expert: &DomainExpert) -> (Vec<Field>, usize) {
    let mut start = 0;
    let mut embedded = 0;
    let fields = expert.fields.iter().zip(tower.select(&expert.fields));
    let fields = fields.map(|(id, field)| {
        let here = Field {
            feature: *id,
            start,
            width: field.width,
        };
        start += field.width;
        if field.group == Group::Embedded {
            if embedded != here.start {
                bug!("the embedded field {} follows another group's", field.name);
            }
            embedded = start;
        }
        here
    });
    (fields.collect(), embedded)
}

fn outputs(expert: &DomainExpert, columns: &[(usize, usize)]) -> List<Output> {
    let mut start = 0;
    let outputs = expert.tasks.iter().map(|task| {
        let (column, width) = columns[task.0];
        let output = Output {
            task: *task,
            start,
            column,
            width,
        };
        start += width;
        output
    });
    outputs.collect()
}
