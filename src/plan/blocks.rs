//! Domain Expert → draft: what each kind of block computes (paper §2.1). A node declares the tensors
//! of its block; operations take them by name, with the shape that they need.

use mtmd_schema::bug;
use mtmd_schema::constants::LEAKY_RELU_SLOPE;
use mtmd_schema::plan::{GraphNode, NodeId, NormPlace, Scope};

use crate::graph::blocks::{Cross, Ffn, NodeKind, join};
use crate::graph::{DomainExpert, FeatureId, Graph, Group, NodeInput, Role, TowerGraph};
use crate::program::{ConcatPart, Draft, DraftTensor, ValueId, ValueSlice};
use crate::sema::spec::{Composition, Crossing, Norm, Spec};

/// The nodes that the programs of a tower are lowered from.
#[derive(Debug, Default)]
pub struct Nodes(Vec<Role>);

impl Nodes {
    /// The id of a node, the same in all domains.
    fn id(&mut self, role: Role) -> NodeId {
        let known = self.0.iter().position(|other| *other == role);
        NodeId(known.unwrap_or_else(|| {
            self.0.push(role);
            self.0.len() - 1
        }))
    }

    /// Their paths, by id.
    pub fn paths(&self, spec: &Spec) -> Vec<GraphNode> {
        let node = |role: &Role| GraphNode {
            path: role.path(spec).into(),
            scope: match role {
                Role::Expert(_) | Role::Missing => Scope::Tower,
                Role::AdaptNorm
                | Role::Adapt
                | Role::TaskShared(_)
                | Role::DomainShared(_)
                | Role::Deep(_)
                | Role::Routing(_)
                | Role::Cross(_)
                | Role::Embedding(_)
                | Role::Shallow(_)
                | Role::Task(_) => Scope::Own,
            },
        };
        self.0.iter().map(node).collect()
    }
}

/// Lowers the nodes of a Domain Expert; the last operation puts the tasks' embeddings side by side.
pub fn draft(graph: &Graph, tower: &TowerGraph, expert: &DomainExpert, nodes: &mut Nodes) -> Draft {
    let mut lowering = Lowering {
        graph,
        tower,
        expert,
        nodes,
        draft: Draft::new(expert.width),
        values: vec![],
        canonical: None,
    };
    for node in &expert.nodes {
        let value = lowering.node(node.role, &node.kind, &node.inputs);
        lowering.values.push(value);
    }
    let tasks = expert.nodes.iter().zip(&lowering.values);
    let tasks = tasks.filter(|(node, _)| matches!(node.role, Role::Task(_)));
    let tasks = tasks.map(|(_, value)| ConcatPart::Slice(lowering.draft.whole(*value)));
    let tasks = tasks.collect();
    lowering.draft.output(tasks);
    lowering.draft
}

struct Lowering<'a> {
    graph: &'a Graph,
    tower: &'a TowerGraph,
    expert: &'a DomainExpert,
    nodes: &'a mut Nodes,
    draft: Draft,
    /// By node.
    values: Vec<ValueId>,
    /// The tower's fields in canonical order, once a domain-shared expert has read them.
    canonical: Option<ValueId>,
}

impl Lowering<'_> {
    fn node(&mut self, role: Role, kind: &NodeKind, inputs: &[NodeInput]) -> ValueId {
        let path = role.path(&self.graph.spec);
        self.draft.node = self.nodes.id(role);
        self.declare(Scope::Own, &path, role, kind);
        match kind {
            NodeKind::BatchNorm(_) => {
                let [numbers] = self.neighbours(inputs)[..] else {
                    bug!("{path}: the numbers are not side by side");
                };
                self.draft.batch_norm(&path, numbers)
            }
            NodeKind::SqueezeExcitation(block) => self.excitation(&path, inputs, block.hidden),
            NodeKind::Ffn(ffn) => {
                let from = self.joined(inputs);
                let output = self.ffn(&path, from, ffn);
                self.value(output)
            }
            NodeKind::DomainShared(block) => {
                let Role::DomainShared(index) = role else {
                    bug!("{path} is not a domain-shared expert");
                };
                let canonical = self.canonical(inputs);
                let from = self.draft.whole(canonical);
                let role = Role::Expert(index);
                let path = self.declare_shared(role);
                self.draft.node = self.nodes.id(role);
                let output = self.ffn(&path, from, &block.expert);
                self.value(output)
            }
            NodeKind::Routing(block) => {
                let logits = self.mapped(&path, inputs, &block.hidden, block.experts);
                self.draft.softmax(logits)
            }
            NodeKind::Cross(block) => {
                let by = block.routing.map(|node| self.values[node.0]);
                let experts = self.each_field(inputs);
                let sum = match (block.composition, by) {
                    (Composition::Sum, Some(_)) => true,
                    (Composition::Sum, None) | (Composition::Concat, _) => false,
                };
                let composed = self.draft.mix(experts, by, sum);
                self.crossed(&path, composed, block)
            }
            NodeKind::Linear(block) => {
                let from = self.joined(inputs);
                self.draft.linear(&path, from, block.width)
            }
            NodeKind::Shallow(block) => self.mapped(&path, inputs, &block.hidden, block.width),
            NodeKind::Vector(block) => {
                let name = format!("{path}.vector");
                let parameter = self.draft.named(&name, &[block.width]);
                self.draft.concat(vec![ConcatPart::Vector {
                    parameter,
                    start: 0,
                    width: block.width,
                }])
            }
            NodeKind::Concat(_) => {
                let from = self.joined(inputs);
                self.value(from)
            }
            NodeKind::Missing(_) => bug!("{path} is the tower's, no domain's"),
        }
    }

    /// Declares the tensors of a node.
    fn declare(&mut self, scope: Scope, path: &str, role: Role, kind: &NodeKind) {
        let node = self.nodes.id(role);
        for tensor in kind.tensors() {
            let declared = match tensor.trained {
                true => &mut self.draft.parameters,
                false => &mut self.draft.statistics,
            };
            declared.push(DraftTensor {
                scope,
                name: join(path, &tensor.name),
                shape: tensor.shape.dims(),
                init: tensor.init,
                node,
            });
        }
    }

    /// Declares the tensors of a node of the tower; returns its path.
    fn declare_shared(&mut self, role: Role) -> String {
        let path = role.path(&self.graph.spec);
        let Some(node) = self.tower.shared.iter().find(|node| node.role == role) else {
            bug!("the tower has no node {path}");
        };
        self.declare(Scope::Tower, &path, role, &node.kind);
        path
    }

    /// An FFN, then a linear map `output`.
    fn mapped(&mut self, path: &str, inputs: &[NodeInput], hidden: &Ffn, output: usize) -> ValueId {
        let from = self.joined(inputs);
        let hidden = self.ffn(path, from, hidden);
        let path = format!("{path}.output");
        self.draft.linear(&path, hidden, output)
    }

    /// Squeeze-and-Excitation: every field is scaled by `sigmoid(W2 relu(W1 z))`, z the fields'
    /// means.
    fn excitation(&mut self, path: &str, inputs: &[NodeInput], hidden: usize) -> ValueId {
        let fields = self.each_field(inputs);
        let means = self.draft.means(fields.clone());
        let from = self.draft.whole(means);
        let squeeze = format!("{path}.squeeze");
        let hidden = self.draft.layer(&squeeze, None, from, hidden, 0.0);
        let from = self.draft.whole(hidden);
        let excite = format!("{path}.excite");
        let logits = self.draft.linear(&excite, from, fields.len());
        let weights = self.draft.sigmoid(logits);
        self.draft.mix(fields, Some(weights), false)
    }

    /// Layers of linear map, LayerNorm and LeakyReLU; without layers, what went in.
    fn ffn(&mut self, path: &str, from: ValueSlice, ffn: &Ffn) -> ValueSlice {
        let mut from = from;
        for (layer, width) in ffn.widths.iter().enumerate() {
            let linear = format!("{path}.{layer}.linear");
            let named = format!("{path}.{layer}.norm");
            let norm = match ffn.norm {
                Norm::Pre => Some((named.as_str(), NormPlace::Pre)),
                Norm::Post => Some((named.as_str(), NormPlace::Post)),
                Norm::None => None,
            };
            let value = self
                .draft
                .layer(&linear, norm, from, *width, LEAKY_RELU_SLOPE);
            from = self.draft.whole(value);
        }
        from
    }

    /// LayerNorm and the crossing, in the order of the block's norm.
    fn crossed(&mut self, path: &str, composed: ValueId, block: &Cross) -> ValueId {
        let named = format!("{path}.norm");
        let first = match block.norm {
            Norm::Pre => self.draft.layer_norm(&named, composed),
            Norm::Post | Norm::None => composed,
        };
        let crossed = match &block.crossing {
            Crossing::None => first,
            Crossing::Mlp(widths) => {
                let from = self.draft.whole(first);
                let output = self.ffn(&format!("{path}.mlp"), from, &block.ffn(widths));
                self.value(output)
            }
            Crossing::Dcn { rank, depth } => self.crosses(path, first, *rank, *depth),
        };
        match block.norm {
            Norm::Post => self.draft.layer_norm(&named, crossed),
            Norm::Pre | Norm::None => crossed,
        }
    }

    /// DCN V2 of low rank: `x' = x0 * (U V x + b) + x` for each layer.
    fn crosses(&mut self, path: &str, first: ValueId, rank: usize, depth: usize) -> ValueId {
        let mut x = first;
        for layer in 0..depth {
            let from = self.draft.whole(x);
            let down = format!("{path}.{layer}.down");
            let down = self.draft.linear_without_bias(&down, from, rank);
            let from = self.draft.whole(down);
            let up = format!("{path}.{layer}.up");
            let width = self.draft.width(first);
            let up = self.draft.linear(&up, from, width);
            x = self.draft.cross(first, up, x);
        }
        x
    }

    /// The tower's fields in canonical order: the domain's as `adapt` puts them out, the others as
    /// their part of the learned vector `missing`.
    fn canonical(&mut self, inputs: &[NodeInput]) -> ValueId {
        if let Some(canonical) = self.canonical {
            return canonical;
        }
        let (adapt, some_missing) = match inputs {
            [NodeInput::Node(adapt)] => (adapt, false),
            [NodeInput::Node(adapt), NodeInput::SharedMissing] => (adapt, true),
            inputs => bug!("a domain-shared expert reads {inputs:?}"),
        };
        let x = self.values[adapt.0];
        let missing = some_missing.then(|| {
            let fields = self.tower.select(&self.tower.missing);
            let width = fields.map(|field| field.width).sum();
            let name = self.declare_shared(Role::Missing);
            self.draft.named(&name, &[width])
        });
        let (mut present, mut absent) = (0, 0);
        let mut parts = vec![];
        for (index, field) in self.tower.fields.iter().enumerate() {
            let id = FeatureId(index);
            let width = field.width;
            if self.expert.fields.contains(&id) {
                push_slice(
                    &mut parts,
                    ValueSlice {
                        value: x,
                        start: present,
                        width,
                    },
                );
                present += width;
            } else {
                let Some(parameter) = missing else {
                    bug!("nothing is learned for the missing field {}", field.name);
                };
                parts.push(ConcatPart::Vector {
                    parameter,
                    start: absent,
                    width,
                });
            }
            if self.tower.missing.contains(&id) {
                absent += width;
            }
        }
        let canonical = self.draft.concat(parts);
        self.canonical = Some(canonical);
        canonical
    }

    /// Columns of the inputs, one slice per field of a group.
    fn each_field(&self, inputs: &[NodeInput]) -> Vec<ValueSlice> {
        inputs
            .iter()
            .flat_map(|input| self.fields(*input))
            .collect()
    }

    /// Columns of an input, field by field where it has fields.
    fn fields(&self, input: NodeInput) -> Vec<ValueSlice> {
        match input {
            NodeInput::Group(group) => {
                let fields = self.input_fields();
                let fields = fields.filter(|(_, of, _)| *of == group);
                fields.map(|(_, _, slice)| slice).collect()
            }
            NodeInput::Field(id) => {
                let found = self.input_fields().find(|(field, ..)| *field == id);
                let Some((_, _, slice)) = found else {
                    bug!("a Domain Expert reads field {}, which it lacks", id.0);
                };
                vec![slice]
            }
            // What passes BatchNorm are numbers, fields of one column.
            NodeInput::Node(node) => {
                let value = self.values[node.0];
                let whole = self.draft.whole(value);
                match self.expert.nodes[node.0].role {
                    Role::AdaptNorm => (0..whole.width)
                        .map(|start| ValueSlice {
                            value,
                            start,
                            width: 1,
                        })
                        .collect(),
                    Role::Adapt
                    | Role::TaskShared(_)
                    | Role::DomainShared(_)
                    | Role::Deep(_)
                    | Role::Routing(_)
                    | Role::Cross(_)
                    | Role::Embedding(_)
                    | Role::Shallow(_)
                    | Role::Task(_) => vec![whole],
                    role @ (Role::Expert(_) | Role::Missing) => {
                        bug!("a Domain Expert has the tower's {role:?}")
                    }
                }
            }
            NodeInput::SharedMissing => bug!("only domain-shared experts read `missing`"),
        }
    }

    /// The domain's fields, with their columns of the program's input.
    fn input_fields(&self) -> impl Iterator<Item = (FeatureId, Group, ValueSlice)> {
        let mut start = 0;
        let fields = self
            .expert
            .fields
            .iter()
            .zip(self.tower.select(&self.expert.fields));
        fields.map(move |(id, field)| {
            let slice = ValueSlice {
                value: Draft::INPUT,
                start,
                width: field.width,
            };
            start += field.width;
            (*id, field.group, slice)
        })
    }

    /// Columns of the inputs; neighbours as one slice.
    fn neighbours(&self, inputs: &[NodeInput]) -> Vec<ValueSlice> {
        let mut parts = vec![];
        for slice in self.each_field(inputs) {
            push_slice(&mut parts, slice);
        }
        let slices = parts.into_iter().map(|part| match part {
            ConcatPart::Slice(slice) => slice,
            ConcatPart::Vector { .. } => bug!("a field is a learned vector"),
        });
        slices.collect()
    }

    /// The inputs side by side.
    fn joined(&mut self, inputs: &[NodeInput]) -> ValueSlice {
        let slices = self.neighbours(inputs);
        if let [slice] = slices[..] {
            return slice;
        }
        let value = self
            .draft
            .concat(slices.into_iter().map(ConcatPart::Slice).collect());
        self.draft.whole(value)
    }

    /// Columns as a value.
    fn value(&mut self, slice: ValueSlice) -> ValueId {
        self.draft.concat(vec![ConcatPart::Slice(slice)])
    }
}

/// Appends columns, to the last ones if they follow them.
fn push_slice(parts: &mut Vec<ConcatPart>, slice: ValueSlice) {
    match parts.last_mut() {
        Some(ConcatPart::Slice(last))
            if last.value == slice.value && last.start + last.width == slice.start =>
        {
            last.width += slice.width;
        }
        _ => parts.push(ConcatPart::Slice(slice)),
    }
}
