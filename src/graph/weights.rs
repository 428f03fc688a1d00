//! Every weight of a graph by key and shape. A dimension knows what its entries stand for, so that
//! a weight of another graph can be fitted to it part by part.

use super::node::{Node, NodeKind};
use super::{DomainExpert, Field, FieldId, Graph, Group, TowerGraph};
use crate::sema::spec::{
    Axis, FeatureKind, Index, Input, LogitBias, Spec, Table, TableId, Tower, Value,
};
use layers::{composed, crossed, node_weights, part, plain, weight};
use std::collections::BTreeMap;
use std::rc::Rc;

mod layers;

/// A weight, as it stands in a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// Tower, domain, path of the node and PyTorch's name of the tensor, joined by dots.
    pub key: String,
    /// Dimensions, outermost first.
    pub dims: Rc<[Dim]>,
    /// Whether training moves it by a gradient: running statistics are not parameters.
    pub trained: bool,
}

/// A dimension of a weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// What the weight puts out.
    Units(Rc<[Part]>),
    /// What the weight reads.
    Inputs(Rc<[Part]>),
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
    pub name: Rc<str>,
    /// How many they are.
    pub width: usize,
}

/// Names of one graph as another has them; a name that is not here is the same in both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) surfaces: BTreeMap<String, String>,
    pub(super) products: BTreeMap<String, String>,
    pub(super) tasks: BTreeMap<String, String>,
    /// Features of the query tower.
    pub(super) query: BTreeMap<String, String>,
    /// Features of the item tower.
    pub(super) item: BTreeMap<String, String>,
    /// Tables of one feature.
    pub(super) tables: BTreeMap<String, String>,
}

impl Names {
    pub(super) fn domains(&self, tower: Tower) -> &BTreeMap<String, String> {
        match tower {
            Tower::Query => &self.surfaces,
            Tower::Item => &self.products,
        }
    }

    pub(super) fn features(&self, tower: Tower) -> &BTreeMap<String, String> {
        match tower {
            Tower::Query => &self.query,
            Tower::Item => &self.item,
        }
    }
}

/// Weights by what holds them: the tables, what the domains of a tower share, a domain, the heads.
/// Domains of one Domain Expert have one list, however many they are.
pub(super) struct Held {
    /// What the holders hold, keys without the holder.
    pub(super) lists: Vec<Vec<Weight>>,
    /// First part of the keys, and index of the list.
    pub(super) holders: Vec<(String, usize)>,
}

impl Held {
    /// Each holder with its weights.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, usize, &[Weight])> {
        let holders = self.holders.iter();
        holders.filter_map(|(holder, id)| Some((&**holder, *id, &**self.lists.get(*id)?)))
    }

    fn add(&mut self, holder: &str, list: Vec<Weight>) {
        self.holders.push((holder.to_owned(), self.lists.len()));
        self.lists.push(list);
    }
}

impl Weight {
    /// The weight of a holder's list with its whole key.
    pub(super) fn of(&self, holder: &str) -> Self {
        Self {
            key: format!("{holder}.{}", self.key),
            ..self.clone()
        }
    }

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
pub(super) fn weights(graph: &Graph) -> Vec<Weight> {
    let held = held(graph, &Names::default());
    let weights = held
        .iter()
        .flat_map(|(holder, _, list)| list.iter().map(|one| one.of(holder)));
    weights.collect()
}

/// The weights by what holds them, with the names of another graph. Lists and their weights have
/// the same order whatever the names.
pub(super) fn held(graph: &Graph, names: &Names) -> Held {
    let spec = &graph.spec;
    let mut held = Held {
        lists: vec![],
        holders: vec![],
    };
    let tables = spec.tables.iter().enumerate();
    let tables = tables.map(|(id, table)| table_weight(spec, TableId(id), table, names));
    held.add("tables", tables.collect());
    for tower in [&graph.query, &graph.item] {
        Lister::new(spec, tower, names).tower(&mut held);
    }
    let learned = spec.architecture.logit_bias == LogitBias::Learned;
    let biased = spec.tasks.iter().filter(|_| learned);
    let biases = biased.map(|task| {
        let key = format!("{}.bias", called(&names.tasks, &task.name));
        weight(key, vec![Dim::Units(plain(1))])
    });
    held.add("heads", biases.collect());
    held
}

fn table_weight(spec: &Spec, id: TableId, table: &Table, names: &Names) -> Weight {
    let rows = match &table.index {
        Index::Hash => Dim::Hashed(table.rows),
        Index::Vocabulary { min_count: _ } => Dim::Learned {
            rows: table.rows,
            oov: table.oov,
        },
        Index::Values(_) | Index::Lines { .. } => {
            let values = table.index.values();
            let values = values.iter().map(|value| part(value_name(value), 1));
            named_rows(values.collect(), table.oov)
        }
        Index::Buckets => named_rows(buckets(spec, id), 0),
    };
    // A table of one feature has the feature's name.
    let name = match table.shared {
        true => &table.name,
        false => called(&names.tables, &table.name),
    };
    let key = format!("{name}.weight");
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
    Dim::Units(parts.into())
}

/// The intervals of the number that a table is for.
fn buckets(spec: &Spec, id: TableId) -> Vec<Part> {
    let mut features = spec.query.iter().chain(spec.item.iter());
    let boundaries = features.find_map(|feature| match &feature.kind {
        FeatureKind::Embedded {
            table,
            input: Input::Buckets { boundaries, .. },
            ..
        } if *table == id => Some(boundaries),
        _ => None,
    });
    let boundaries = boundaries.map_or(&[][..], |boundaries| boundaries);
    let below = boundaries.first().map(|first| format!("below {first}"));
    let from = boundaries.iter().map(|boundary| format!("from {boundary}"));
    below
        .into_iter()
        .chain(from)
        .map(|name| part(name, 1))
        .collect()
}

fn value_name(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) => format!("{text:?}"),
    }
}

/// Lists the weights of a tower.
struct Lister<'a> {
    spec: &'a Spec,
    tower: &'a TowerGraph,
    names: &'a Names,
    /// What each field is, by its id.
    fields: Vec<Part>,
}

impl<'a> Lister<'a> {
    fn new(spec: &'a Spec, tower: &'a TowerGraph, names: &'a Names) -> Self {
        let called = |field: &Field| called(names.features(tower.tower), &field.name).to_owned();
        let fields = tower.fields.iter();
        Self {
            spec,
            tower,
            names,
            fields: fields
                .map(|field| part(called(field), field.width))
                .collect(),
        }
    }

    fn axis(&self) -> &Axis {
        match self.tower.tower {
            Tower::Query => &self.spec.surfaces,
            Tower::Item => &self.spec.products,
        }
    }

    fn tower(&self, held: &mut Held) {
        let tower = self.tower.name();
        held.add(&format!("{tower}.shared"), self.shared());
        let mut experts = BTreeMap::new();
        for expert in &self.tower.experts {
            let list = held.lists.len();
            held.lists.push(self.expert(expert));
            experts.extend(expert.domains.iter().map(|domain| (domain, list)));
        }
        for (domain, list) in experts {
            if let Some(domain) = self.axis().domains.get(domain.0) {
                let name = called(self.names.domains(self.tower.tower), &domain.name);
                held.holders.push((format!("{tower}.{name}"), list));
            }
        }
    }

    fn shared(&self) -> Vec<Weight> {
        let all: Rc<[Part]> = self.fields.clone().into();
        let weights = self.tower.shared.iter().flat_map(|node| match node.kind {
            NodeKind::Vector { .. } => {
                let missing = self.select(&self.tower.missing, |_| true);
                vec![weight(node.path.clone(), vec![Dim::Units(missing)])]
            }
            _ => node_weights(&node.path, &node.kind, &all, vec![]),
        });
        weights.collect()
    }

    /// The weights of one domain.
    fn expert(&self, expert: &DomainExpert) -> Vec<Weight> {
        let mut weights = vec![];
        // What the nodes put out; those that a node reads stand before it.
        let mut outputs = BTreeMap::new();
        for node in &expert.nodes {
            let inputs = self.inputs(expert, &outputs, node);
            let routed = self.routed(expert, node);
            weights.extend(node_weights(
                &self.path(&node.path),
                &node.kind,
                &inputs,
                routed,
            ));
            outputs.insert(&*node.path, self.output(expert, node, inputs));
        }
        weights
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

    /// What a node reads. Inputs of a shallow expert are fields, those of any other node are groups
    /// of fields and nodes: a field may have the name of either.
    fn inputs(
        &self,
        expert: &DomainExpert,
        outputs: &BTreeMap<&str, Rc<[Part]>>,
        node: &Node,
    ) -> Rc<[Part]> {
        let read = |input: &String| match (&node.kind, group(input)) {
            (NodeKind::Shallow { .. }, _) => {
                self.select(&expert.fields, |field| field.name == *input)
            }
            (_, Some(group)) => self.select(&expert.fields, |field| field.group == group),
            (_, None) => outputs.get(&**input).cloned().unwrap_or_default(),
        };
        match &*node.inputs {
            // Shared: x_d may have thousands of parts, and each expert reads it.
            [input] => read(input),
            inputs => {
                let parts = inputs.iter().map(read);
                parts.flat_map(|parts| parts.to_vec()).collect()
            }
        }
    }

    fn output(&self, expert: &DomainExpert, node: &Node, inputs: Rc<[Part]>) -> Rc<[Part]> {
        match &node.kind {
            NodeKind::SqueezeExcitation { .. } => self.select(&expert.fields, |_| true),
            NodeKind::BatchNorm { .. } | NodeKind::Concat { .. } => inputs,
            NodeKind::Cross {
                composition,
                width,
                crossing,
                ..
            } => crossed(composed(*composition, *width, inputs), crossing),
            kind => [part(self.path(&node.path), kind.output())].into(),
        }
    }

    fn select(&self, ids: &[FieldId], keep: impl Fn(&Field) -> bool) -> Rc<[Part]> {
        let fields = ids.iter().filter_map(|id| {
            let field = self.tower.fields.get(id.0)?;
            self.fields.get(id.0).filter(|_| keep(field))
        });
        fields.cloned().collect()
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

/// The group of fields that an input names.
fn group(input: &str) -> Option<Group> {
    let groups = [Group::Embedded, Group::Vectors, Group::Numbers];
    groups.into_iter().find(|group| group.name() == input)
}

fn called<'a>(names: &'a BTreeMap<String, String>, name: &'a str) -> &'a str {
    names.get(name).map_or(name, String::as_str)
}
