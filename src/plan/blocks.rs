//! Domain Expert → draft: what each kind of block computes (paper §2.1).

use mtmd_schema::plan::{Init, NormPlace, Scope};

use crate::graph::blocks::{Cross, Ffn, NodeKind};
use crate::graph::{DomainExpert, FeatureId, Graph, Group, Input, Role, TowerGraph};
use crate::program::{Draft, Part, Slice, Tensor, ValueId, bug};
use crate::sema::spec::{Composition, Crossing, Norm};

/// Slope of LeakyReLU below zero.
const SLOPE: f64 = 0.2;

/// Lowers the nodes of a Domain Expert; the last operation puts the tasks' embeddings side by side.
pub fn draft(graph: &Graph, tower: &TowerGraph, expert: &DomainExpert) -> Draft {
    let mut lowering = Lowering {
        graph,
        tower,
        expert,
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
    let tasks = tasks.map(|(_, value)| Part::Slice(lowering.draft.whole(*value)));
    let tasks = tasks.collect();
    lowering.draft.output(tasks);
    lowering.draft
}

struct Lowering<'a> {
    graph: &'a Graph,
    tower: &'a TowerGraph,
    expert: &'a DomainExpert,
    draft: Draft,
    /// By node.
    values: Vec<ValueId>,
    /// The tower's fields in canonical order, once a domain-shared expert has read them.
    canonical: Option<ValueId>,
}

impl Lowering<'_> {
    fn node(&mut self, role: Role, kind: &NodeKind, inputs: &[Input]) -> ValueId {
        let path = role.path(&self.graph.spec);
        match kind {
            NodeKind::BatchNorm(_) => {
                let [numbers] = self.neighbours(inputs)[..] else {
                    bug(format_args!("{path}: the numbers are not side by side"));
                };
                self.draft.batch_norm(&path, numbers)
            }
            NodeKind::SqueezeExcitation(block) => self.excitation(&path, inputs, block.hidden),
            NodeKind::Ffn(ffn) => {
                let from = self.joined(inputs);
                let output = self.ffn(&path, Scope::Own, from, ffn);
                self.value(output)
            }
            NodeKind::DomainShared(block) => {
                let Role::DomainShared(index) = role else {
                    bug(format_args!("{path} is not a domain-shared expert"));
                };
                let canonical = self.canonical(inputs);
                let from = self.draft.whole(canonical);
                let path = Role::Expert(index).path(&self.graph.spec);
                let output = self.ffn(&path, Scope::Tower, from, &block.expert);
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
                self.draft.linear(&path, Scope::Own, from, block.width)
            }
            NodeKind::Shallow(block) => self.mapped(&path, inputs, &block.hidden, block.width),
            NodeKind::Vector(block) => {
                let parameter = self.draft.declare(Tensor {
                    scope: Scope::Own,
                    name: format!("{path}.vector"),
                    shape: vec![block.width],
                    init: Init::Uniform(block.width),
                });
                self.draft.concat(vec![Part::Vector {
                    parameter,
                    start: 0,
                    width: block.width,
                }])
            }
            NodeKind::Concat(_) => {
                let from = self.joined(inputs);
                self.value(from)
            }
            NodeKind::Missing(_) => bug(format_args!("{path} is the tower's, no domain's")),
        }
    }

    /// An FFN, then a linear map `output`.
    fn mapped(&mut self, path: &str, inputs: &[Input], hidden: &Ffn, output: usize) -> ValueId {
        let from = self.joined(inputs);
        let hidden = self.ffn(path, Scope::Own, from, hidden);
        let path = format!("{path}.output");
        self.draft.linear(&path, Scope::Own, hidden, output)
    }

    /// Squeeze-and-Excitation: every field is scaled by `sigmoid(W2 relu(W1 z))`, z the fields'
    /// means.
    fn excitation(&mut self, path: &str, inputs: &[Input], hidden: usize) -> ValueId {
        let fields = self.each_field(inputs);
        let means = self.draft.means(fields.clone());
        let from = self.draft.whole(means);
        let squeeze = format!("{path}.squeeze");
        let hidden = self
            .draft
            .layer(&squeeze, None, Scope::Own, from, hidden, 0.0);
        let from = self.draft.whole(hidden);
        let excite = format!("{path}.excite");
        let logits = self.draft.linear(&excite, Scope::Own, from, fields.len());
        let weights = self.draft.sigmoid(logits);
        self.draft.mix(fields, Some(weights), false)
    }

    /// Layers of linear map, LayerNorm and LeakyReLU; without layers, what went in.
    fn ffn(&mut self, path: &str, scope: Scope, from: Slice, ffn: &Ffn) -> Slice {
        let mut from = from;
        for (layer, width) in ffn.widths.iter().enumerate() {
            let linear = format!("{path}.{layer}.linear");
            let named = format!("{path}.{layer}.norm");
            let norm = match ffn.norm {
                Norm::Pre => Some((named.as_str(), NormPlace::Pre)),
                Norm::Post => Some((named.as_str(), NormPlace::Post)),
                Norm::None => None,
            };
            let value = self.draft.layer(&linear, norm, scope, from, *width, SLOPE);
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
                let output = self.ffn(&format!("{path}.mlp"), Scope::Own, from, &block.ffn(widths));
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
            let up = self.draft.linear(&up, Scope::Own, from, width);
            x = self.draft.cross(first, up, x);
        }
        x
    }

    /// The tower's fields in canonical order: the domain's as `adapt` puts them out, the others as
    /// their part of the learned vector `missing`.
    fn canonical(&mut self, inputs: &[Input]) -> ValueId {
        if let Some(canonical) = self.canonical {
            return canonical;
        }
        let Some(Input::Node(adapt)) = inputs.first() else {
            bug(format_args!(
                "a domain-shared expert does not read the adapted fields"
            ));
        };
        let x = self.values[adapt.0];
        let missing: usize = self
            .tower
            .select(&self.tower.missing)
            .map(|field| field.width)
            .sum();
        let missing = inputs.contains(&Input::SharedMissing).then(|| {
            self.draft.declare(Tensor {
                scope: Scope::Tower,
                name: Role::Missing.path(&self.graph.spec),
                shape: vec![missing],
                init: Init::Zeros,
            })
        });
        let (mut present, mut absent) = (0, 0);
        let mut parts = vec![];
        for (index, field) in self.tower.fields.iter().enumerate() {
            let id = FeatureId(index);
            let width = field.width;
            if self.expert.fields.contains(&id) {
                push_slice(
                    &mut parts,
                    Slice {
                        value: x,
                        start: present,
                        width,
                    },
                );
                present += width;
            } else {
                let Some(parameter) = missing else {
                    bug(format_args!(
                        "nothing is learned for the missing field {}",
                        field.name
                    ));
                };
                parts.push(Part::Vector {
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
    fn each_field(&self, inputs: &[Input]) -> Vec<Slice> {
        inputs
            .iter()
            .flat_map(|input| self.fields(*input))
            .collect()
    }

    /// Columns of an input, field by field where it has fields.
    fn fields(&self, input: Input) -> Vec<Slice> {
        match input {
            Input::Group(group) => {
                let fields = self.input_fields();
                let fields = fields.filter(|(_, of, _)| *of == group);
                fields.map(|(_, _, slice)| slice).collect()
            }
            Input::Field(id) => {
                let found = self.input_fields().find(|(field, ..)| *field == id);
                let Some((_, _, slice)) = found else {
                    bug(format_args!(
                        "a Domain Expert reads field {}, which it lacks",
                        id.0
                    ));
                };
                vec![slice]
            }
            // What passes BatchNorm are numbers, fields of one column.
            Input::Node(node) => {
                let value = self.values[node.0];
                let whole = self.draft.whole(value);
                match self.expert.nodes[node.0].role {
                    Role::AdaptNorm => (0..whole.width)
                        .map(|start| Slice {
                            value,
                            start,
                            width: 1,
                        })
                        .collect(),
                    _ => vec![whole],
                }
            }
            Input::SharedMissing => bug(format_args!("only domain-shared experts read `missing`")),
        }
    }

    /// The domain's fields, with their columns of the program's input.
    fn input_fields(&self) -> impl Iterator<Item = (FeatureId, Group, Slice)> {
        let mut start = 0;
        let fields = self
            .expert
            .fields
            .iter()
            .zip(self.tower.select(&self.expert.fields));
        fields.map(move |(id, field)| {
            let slice = Slice {
                value: Draft::INPUT,
                start,
                width: field.width,
            };
            start += field.width;
            (*id, field.group, slice)
        })
    }

    /// Columns of the inputs; neighbours as one slice.
    fn neighbours(&self, inputs: &[Input]) -> Vec<Slice> {
        let mut parts = vec![];
        for slice in self.each_field(inputs) {
            push_slice(&mut parts, slice);
        }
        let slices = parts.into_iter().map(|part| match part {
            Part::Slice(slice) => slice,
            Part::Vector { .. } => bug(format_args!("a field is a learned vector")),
        });
        slices.collect()
    }

    /// The inputs side by side.
    fn joined(&mut self, inputs: &[Input]) -> Slice {
        let slices = self.neighbours(inputs);
        if let [slice] = slices[..] {
            return slice;
        }
        let value = self
            .draft
            .concat(slices.into_iter().map(Part::Slice).collect());
        self.draft.whole(value)
    }

    /// Columns as a value.
    fn value(&mut self, slice: Slice) -> ValueId {
        self.draft.concat(vec![Part::Slice(slice)])
    }
}

/// Appends columns, to the last ones if they follow them.
fn push_slice(parts: &mut Vec<Part>, slice: Slice) {
    match parts.last_mut() {
        Some(Part::Slice(last))
            if last.value == slice.value && last.start + last.width == slice.start =>
        {
            last.width += slice.width;
        }
        _ => parts.push(Part::Slice(slice)),
    }
}
