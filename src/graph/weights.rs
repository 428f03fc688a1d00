//! Every weight of a graph by key and shape. A dimension knows what its entries stand for, so that
//! a weight of another graph can be fitted to it part by part.

use super::node::{Node, NodeKind};
use super::{DomainExpert, Field, Graph, Group, TowerGraph};
use crate::sema::spec::{
    Axis, Composition, Crossing, FeatureKind, Index, Input, Norm, RawValue, Spec, Table, TableId,
    Tower,
};
use std::collections::BTreeMap;

/// A weight, as it stands in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Tower, domain, path of the node and PyTorch's name of the tensor, joined by dots.
    pub key: String,
    /// Dimensions, outermost first.
    pub dims: Vec<Dim>,
    /// Whether training moves it by a gradient: running statistics are not parameters.
    pub trained: bool,
}

/// A dimension of a weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// What the weight puts out.
    Units(Vec<Part>),
    /// What the weight reads.
    Inputs(Vec<Part>),
    /// Rows of a table that values are hashed into, row 0 among them.
    Hashed(usize),
    /// Rows of a table with a learned vocabulary.
    Learned {
        /// All rows, row 0 among them.
        rows: usize,
        /// The last of them, for values outside the vocabulary.
        oov: usize,
    },
}

/// Entries of a dimension that belong together, as the columns of one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What they stand for; empty if the dimension has no parts.
    pub name: String,
    /// How many they are.
    pub width: usize,
}

/// Names of one graph as another has them; a name that is not here is the same in both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) surfaces: BTreeMap<String, String>,
    pub(super) products: BTreeMap<String, String>,
    pub(super) tasks: BTreeMap<String, String>,
    /// Features, and with them the tables that are theirs alone.
    pub(super) features: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn domains(&self, tower: Tower) -> &BTreeMap<String, String> {
        match tower {
            Tower::Query => &self.surfaces,
            Tower::Item => &self.products,
        }
    }
}

impl Weight {
    /// Size of each dimension.
    pub fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(Dim::size).collect()
    }

    /// Entries.
    pub fn size(&self) -> u128 {
        self.dims.iter().map(|dim| dim.size() as u128).product()
    }
}

impl Dim {
    /// Entries along the dimension.
    pub fn size(&self) -> usize {
        match self {
            Self::Units(parts) | Self::Inputs(parts) => parts.iter().map(|part| part.width).sum(),
            Self::Hashed(rows) | Self::Learned { rows, .. } => *rows,
        }
    }
}

/// All weights of a graph: tables, towers, heads.
pub(super) fn weights(graph: &Graph, names: &Names) -> Vec<Weight> {
    let spec = &graph.spec;
    let tables = spec.tables.iter().enumerate();
    let mut all: Vec<Weight> = tables
        .map(|(id, table)| table_weight(spec, TableId(id), table, names))
        .collect();
    for tower in [&graph.query, &graph.item] {
        let lister = Lister { spec, tower, names };
        lister.tower(&mut all);
    }
    let biased = spec.tasks.iter().filter(|_| spec.architecture.logit_bias);
    for task in biased {
        let key = format!("heads.{}.bias", called(&names.tasks, &task.name));
        all.push(weight(key, vec![Dim::Units(plain(1))]));
    }
    all
}

fn table_weight(spec: &Spec, id: TableId, table: &Table, names: &Names) -> Weight {
    let rows = match &table.index {
        Index::Hash => Dim::Hashed(table.rows),
        Index::Vocabulary { min_count: _ } => Dim::Learned {
            rows: table.rows,
            oov: table.oov,
        },
        Index::Values(values) => {
            let values = values.iter().map(|value| part(value_name(value), 1));
            named_rows(values.collect(), table.oov)
        }
        Index::Buckets => named_rows(buckets(spec, id), 0),
    };
    // A table of one feature has the feature's name.
    let name = match table.shared {
        true => &table.name,
        false => called(&names.features, &table.name),
    };
    let key = format!("tables.{name}.weight");
    weight(key, vec![rows, Dim::Units(plain(table.dim))])
}

/// Row 0, rows that have names, and rows that other values are hashed into: those stand for other
/// values if their number changes.
fn named_rows(rows: Vec<Part>, oov: usize) -> Dim {
    let mut parts = vec![part("a missing value", 1)];
    parts.extend(rows);
    if oov > 0 {
        parts.push(part(format!("other values in {oov}"), oov));
    }
    Dim::Units(parts)
}

/// The intervals of the number that a table is for.
fn buckets(spec: &Spec, id: TableId) -> Vec<Part> {
    let mut features = spec.query.iter().chain(&spec.item);
    let boundaries = features.find_map(|feature| match &feature.kind {
        FeatureKind::Embedded {
            table,
            input: Input::Buckets { boundaries, .. },
            ..
        } if *table == id => Some(boundaries),
        _ => None,
    });
    let boundaries = boundaries.map_or(&[][..], Vec::as_slice);
    let below = boundaries.first().map(|first| format!("below {first}"));
    let from = boundaries.iter().map(|boundary| format!("from {boundary}"));
    below
        .into_iter()
        .chain(from)
        .map(|name| part(name, 1))
        .collect()
}

fn value_name(value: &RawValue) -> String {
    match value {
        RawValue::Int(number) => number.to_string(),
        RawValue::Text(text) => format!("{text:?}"),
    }
}

/// Lists the weights of a tower.
struct Lister<'a> {
    spec: &'a Spec,
    tower: &'a TowerGraph,
    names: &'a Names,
}

impl Lister<'_> {
    fn axis(&self) -> &Axis {
        match self.tower.tower {
            Tower::Query => &self.spec.surfaces,
            Tower::Item => &self.spec.products,
        }
    }

    fn tower(&self, all: &mut Vec<Weight>) {
        let tower = self.tower.name();
        for node in &self.tower.shared {
            let (path, inputs) = (format!("{tower}.shared.{}", node.path), &self.tower.fields);
            match node.kind {
                NodeKind::Vector { .. } => {
                    let missing = self.tower.select(&self.tower.missing);
                    all.push(weight(path, vec![Dim::Units(self.fields(missing))]));
                }
                _ => all.extend(node_weights(
                    &path,
                    &node.kind,
                    &self.fields(inputs),
                    vec![],
                )),
            }
        }
        let mut experts = BTreeMap::new();
        for expert in &self.tower.experts {
            experts.extend(expert.domains.iter().map(|domain| (domain, expert)));
        }
        for (domain, expert) in experts {
            if let Some(domain) = self.axis().domains.get(domain.0) {
                let name = called(self.names.domains(self.tower.tower), &domain.name);
                self.expert(&format!("{tower}.{name}"), expert, all);
            }
        }
    }

    fn expert(&self, prefix: &str, expert: &DomainExpert, all: &mut Vec<Weight>) {
        let nodes: BTreeMap<&str, &Node> = expert
            .nodes
            .iter()
            .map(|node| (node.path.as_str(), node))
            .collect();
        for node in &expert.nodes {
            let inputs = self.inputs(expert, &nodes, node);
            let routed = self.routed(expert, node);
            let path = format!("{prefix}.{}", self.path(&node.path));
            all.extend(node_weights(&path, &node.kind, &inputs, routed));
        }
    }

    /// The experts that a routing node weighs.
    fn routed(&self, expert: &DomainExpert, node: &Node) -> Vec<Part> {
        let inputs = expert.nodes.iter().find_map(|other| match &other.kind {
            NodeKind::Cross { routing, .. } if routing.as_ref() == Some(&node.path) => {
                Some(&other.inputs)
            }
            _ => None,
        });
        let inputs = inputs.into_iter().flatten();
        inputs.map(|input| part(self.path(input), 1)).collect()
    }

    fn inputs(
        &self,
        expert: &DomainExpert,
        nodes: &BTreeMap<&str, &Node>,
        node: &Node,
    ) -> Vec<Part> {
        let inputs = node.inputs.iter();
        inputs
            .flat_map(|input| self.input(expert, nodes, input))
            .collect()
    }

    /// What an input of a node puts in: a group of fields, a field or another node.
    fn input(
        &self,
        expert: &DomainExpert,
        nodes: &BTreeMap<&str, &Node>,
        input: &str,
    ) -> Vec<Part> {
        let own = || self.tower.select(&expert.fields);
        let group = [Group::Embedded, Group::Vectors, Group::Numbers]
            .into_iter()
            .find(|group| group.name() == input);
        if let Some(group) = group {
            return self.fields(own().filter(|field| field.group == group));
        }
        match nodes.get(input).map(|node| (*node, &node.kind)) {
            Some((_, NodeKind::SqueezeExcitation { .. })) => self.fields(own()),
            Some((_, NodeKind::BatchNorm { .. })) => {
                self.fields(own().filter(|field| field.group == Group::Numbers))
            }
            Some((
                node,
                NodeKind::Cross {
                    composition,
                    width,
                    crossing,
                    ..
                },
            )) => {
                let inputs = self.inputs(expert, nodes, node);
                crossed(composed(*composition, *width, inputs), crossing)
            }
            Some((node, NodeKind::Concat { .. })) => self.inputs(expert, nodes, node),
            Some((_, kind)) => vec![part(self.path(input), kind.output())],
            None => self.fields(own().filter(|field| field.name == input)),
        }
    }

    fn fields<'a>(&self, fields: impl IntoIterator<Item = &'a Field>) -> Vec<Part> {
        let fields = fields.into_iter();
        fields
            .map(|field| part(called(&self.names.features, &field.name), field.width))
            .collect()
    }

    /// The path of a node with its task as the other graph has it.
    fn path(&self, path: &str) -> String {
        let (task, rest) = path.split_once('.').unwrap_or((path, ""));
        match self.names.tasks.get(task) {
            Some(task) if rest.is_empty() => task.clone(),
            Some(task) => format!("{task}.{rest}"),
            None => path.to_owned(),
        }
    }
}

fn node_weights(path: &str, kind: &NodeKind, inputs: &[Part], routed: Vec<Part>) -> Vec<Weight> {
    let inputs = inputs.to_vec();
    match kind {
        NodeKind::BatchNorm { .. } => {
            let mut weights = norm(path, &inputs);
            for name in ["running_mean", "running_var"] {
                let mut statistic =
                    weight(format!("{path}.{name}"), vec![Dim::Units(inputs.clone())]);
                statistic.trained = false;
                weights.push(statistic);
            }
            weights
        }
        NodeKind::SqueezeExcitation { hidden, .. } => {
            let fields: Vec<Part> = inputs.iter().map(|field| part(&field.name, 1)).collect();
            let mut weights = linear(&format!("{path}.squeeze"), &fields, &plain(*hidden));
            weights.extend(linear(&format!("{path}.excite"), &plain(*hidden), &fields));
            weights
        }
        NodeKind::Ffn { widths, norm, .. } => ffn(path, inputs, widths, *norm).0,
        NodeKind::Routing { hidden, norm, .. } => {
            let (mut weights, last) = ffn(path, inputs, hidden, *norm);
            weights.extend(linear(&format!("{path}.output"), &last, &routed));
            weights
        }
        NodeKind::Shallow {
            hidden,
            output,
            norm,
            ..
        } => {
            let (mut weights, last) = ffn(path, inputs, hidden, *norm);
            weights.extend(linear(&format!("{path}.output"), &last, &plain(*output)));
            weights
        }
        NodeKind::Cross {
            composition,
            width,
            crossing,
            norm,
            ..
        } => cross(
            path,
            composed(*composition, *width, inputs),
            crossing,
            *norm,
        ),
        NodeKind::Linear { output, .. } => linear(path, &inputs, &plain(*output)),
        NodeKind::Vector { width } => {
            vec![weight(
                format!("{path}.vector"),
                vec![Dim::Units(plain(*width))],
            )]
        }
        // The weights of the first are the tower's own, the second has none.
        NodeKind::DomainShared { .. } | NodeKind::Concat { .. } => vec![],
    }
}

/// What a composition puts out.
fn composed(composition: Composition, width: usize, inputs: Vec<Part>) -> Vec<Part> {
    match composition {
        Composition::Concat => inputs,
        Composition::Sum => plain(width),
    }
}

/// What a crossing puts out.
fn crossed(inputs: Vec<Part>, crossing: &Crossing) -> Vec<Part> {
    match crossing {
        Crossing::Mlp(widths) => widths.last().map_or(inputs, |width| plain(*width)),
        Crossing::Dcn { .. } | Crossing::None => inputs,
    }
}

fn cross(path: &str, inputs: Vec<Part>, crossing: &Crossing, place: Norm) -> Vec<Weight> {
    let normalised = match place {
        Norm::Pre => Some(inputs.clone()),
        Norm::Post => Some(crossed(inputs.clone(), crossing)),
        Norm::None => None,
    };
    let normalised = normalised.into_iter();
    let mut weights: Vec<Weight> = normalised
        .flat_map(|units| norm(&format!("{path}.norm"), &units))
        .collect();
    match crossing {
        Crossing::None => {}
        Crossing::Mlp(widths) => {
            weights.extend(ffn(&format!("{path}.mlp"), inputs, widths, place).0);
        }
        Crossing::Dcn { rank, depth } => {
            for layer in 0..*depth {
                let rank = plain(*rank);
                let down = vec![Dim::Units(rank.clone()), Dim::Inputs(inputs.clone())];
                weights.push(weight(format!("{path}.{layer}.down.weight"), down));
                weights.extend(linear(&format!("{path}.{layer}.up"), &rank, &inputs));
            }
        }
    }
    weights
}

/// The weights of an FFN, and what it puts out.
fn ffn(
    path: &str,
    mut inputs: Vec<Part>,
    widths: &[usize],
    place: Norm,
) -> (Vec<Weight>, Vec<Part>) {
    let mut weights = vec![];
    for (layer, width) in widths.iter().enumerate() {
        let units = plain(*width);
        weights.extend(linear(&format!("{path}.{layer}.linear"), &inputs, &units));
        match place {
            Norm::Pre | Norm::Post => {
                weights.extend(norm(&format!("{path}.{layer}.norm"), &units));
            }
            Norm::None => {}
        }
        inputs = units;
    }
    (weights, inputs)
}

fn linear(path: &str, inputs: &[Part], units: &[Part]) -> Vec<Weight> {
    let matrix = vec![Dim::Units(units.to_vec()), Dim::Inputs(inputs.to_vec())];
    vec![
        weight(format!("{path}.weight"), matrix),
        weight(format!("{path}.bias"), vec![Dim::Units(units.to_vec())]),
    ]
}

fn norm(path: &str, units: &[Part]) -> Vec<Weight> {
    let named = |name| weight(format!("{path}.{name}"), vec![Dim::Units(units.to_vec())]);
    vec![named("weight"), named("bias")]
}

fn weight(key: String, dims: Vec<Dim>) -> Weight {
    Weight {
        key,
        dims,
        trained: true,
    }
}

fn part(name: impl Into<String>, width: usize) -> Part {
    Part {
        name: name.into(),
        width,
    }
}

/// A dimension whose entries are all alike.
fn plain(width: usize) -> Vec<Part> {
    vec![part("", width)]
}

fn called<'a>(names: &'a BTreeMap<String, String>, name: &'a str) -> &'a str {
    names.get(name).map_or(name, String::as_str)
}
