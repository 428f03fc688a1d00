//! Lists every weight of a graph: of its tables, towers and heads, by what holds it.

use super::blocks::{Entries, NodeKind, Shape};
use super::node::{NodeId, NodeInput, Role, task_name};
use super::weight::{Dim, DimensionPart, Key, Weight};
use super::{DomainExpert, FeatureId, Field, Graph, Node, TowerGraph};
use crate::sema::spec::{
    self, Axis, FeatureKind, Index, LogitBias, Spec, Table, TableId, Tower, Value,
};
use mtmd_schema::key;
use mtmd_schema::{bug, check};
use std::collections::BTreeMap;
use std::rc::Rc;

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
        holders.map(|(holder, id)| (&**holder, *id, self.list(*id)))
    }

    /// The weights of a list.
    #[expect(clippy::indexing_slicing, reason = "holders have lists of this value")]
    pub(super) fn list(&self, id: usize) -> &[Weight] {
        &self.lists[id]
    }

    fn add(&mut self, holder: &str, list: Vec<Weight>) {
        self.holders.push((holder.to_owned(), self.lists.len()));
        self.lists.push(list);
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
    held.add(key::TABLES, tables.collect());
    for tower in [&graph.query, &graph.item] {
        Lister::new(spec, tower, names).tower(&mut held);
    }
    let learned = spec.architecture.logit_bias == LogitBias::Learned;
    let biased = spec.tasks.iter().filter(|_| learned);
    let biases = biased.map(|task| {
        let name = called(&names.tasks, &task.name);
        Weight::trained(
            Key::new(name, key::BIAS),
            vec![Dim::Units(DimensionPart::plain(1))],
        )
    });
    held.add(key::HEADS, biases.collect());
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
            let values = values
                .iter()
                .map(|value| DimensionPart::new(value_name(value), 1));
            named_rows(values.collect(), table.oov)
        }
        Index::Buckets => named_rows(buckets(spec, id), 0),
    };
    // A table of one feature has the feature's name.
    let name = match table.shared {
        true => &table.name,
        false => called(&names.tables, &table.name),
    };
    check!(
        rows.size() == table.rows,
        "table `{name}` has {} rows, and {} that have a meaning",
        table.rows,
        rows.size()
    );
    Weight::trained(
        Key::new(name, key::WEIGHT),
        vec![rows, Dim::Units(DimensionPart::plain(table.dim))],
    )
}

/// Row 0, rows that have names, and rows that other values are hashed into: those stand for other
/// values if their number changes.
fn named_rows(rows: Vec<DimensionPart>, oov: usize) -> Dim {
    let mut parts = vec![DimensionPart::new("a missing value", 1)];
    parts.extend(rows);
    if oov > 0 {
        parts.push(DimensionPart::new(format!("other values in {oov}"), oov));
    }
    Dim::Units(parts.into())
}

/// The intervals of the number that a table is for.
fn buckets(spec: &Spec, id: TableId) -> Vec<DimensionPart> {
    let mut features = spec.query.iter().chain(spec.item.iter());
    let boundaries = features.find_map(|feature| match &feature.kind {
        FeatureKind::Embedded {
            table,
            input: spec::Input::Buckets { boundaries, .. },
            ..
        } if *table == id => Some(boundaries),
        _ => None,
    });
    let Some(boundaries) = boundaries else {
        bug!("no feature reads the buckets of {id:?}");
    };
    let Some(first) = boundaries.first() else {
        bug!("the buckets of {id:?} have no boundary");
    };
    let below = format!("below {first}");
    let from = boundaries.iter().map(|boundary| format!("from {boundary}"));
    let names = std::iter::once(below).chain(from);
    names.map(|name| DimensionPart::new(name, 1)).collect()
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
    fields: Vec<DimensionPart>,
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
                .map(|field| DimensionPart::new(called(field), field.width))
                .collect(),
        }
    }

    fn axis(&self) -> &Axis {
        self.spec.axis(self.tower.tower)
    }

    fn tower(&self, held: &mut Held) {
        let tower = self.tower.tower;
        held.add(&key::shared(tower), self.shared());
        let mut experts = BTreeMap::new();
        for expert in &self.tower.experts {
            let list = held.lists.len();
            held.lists.push(self.expert(expert));
            experts.extend(expert.domains.iter().map(|domain| (domain, list)));
        }
        check!(
            experts.len() == self.axis().domains.len(),
            "some domain of tower `{}` has no Domain Expert",
            tower.name()
        );
        for (domain, list) in experts {
            let name = called(self.names.domains(tower), &self.axis().domain(*domain).name);
            held.holders.push((key::domain(tower, name), list));
        }
    }

    fn shared(&self) -> Vec<Weight> {
        let all: Rc<[DimensionPart]> = self.fields.clone().into();
        let missing = self.parts(&self.tower.missing);
        let weights = self.tower.shared.iter().flat_map(|node| {
            let inputs = match node.role {
                Role::Missing => &missing,
                _ => &all,
            };
            node_weights(
                &self.path(node.role),
                &node.kind,
                inputs,
                &DimensionPart::plain(0),
            )
        });
        weights.collect()
    }

    /// The weights of one domain.
    fn expert(&self, expert: &DomainExpert) -> Vec<Weight> {
        let mut weights = vec![];
        // What the nodes put out; a node reads only those before it.
        let mut outputs: Vec<Rc<[DimensionPart]>> = vec![];
        for (id, node) in expert.nodes.iter().enumerate() {
            let inputs = self.inputs(expert, &outputs, node);
            let experts = self.routed(expert, NodeId(id));
            let path = self.path(node.role);
            weights.extend(node_weights(&path, &node.kind, &inputs, &experts));
            outputs.push(match node.kind.output_entries() {
                Entries::Columns(_) => inputs,
                entries => [DimensionPart::new(path, entries.len())].into(),
            });
        }
        weights
    }

    /// The experts that a routing node weighs.
    fn routed(&self, expert: &DomainExpert, routing: NodeId) -> Rc<[DimensionPart]> {
        let mut nodes = expert.nodes.iter();
        let composed = nodes.find(|other| other.kind.scaled_by() == Some(routing));
        let inputs = composed.into_iter().flat_map(|node| &node.inputs);
        let experts = inputs.filter_map(|input| match input {
            NodeInput::Node(id) => Some(expert.node(*id)),
            NodeInput::Group(_) | NodeInput::Field(_) | NodeInput::SharedMissing => None,
        });
        experts
            .map(|node| DimensionPart::new(self.path(node.role), 1))
            .collect()
    }

    fn inputs(
        &self,
        expert: &DomainExpert,
        outputs: &[Rc<[DimensionPart]>],
        node: &Node,
    ) -> Rc<[DimensionPart]> {
        match &*node.inputs {
            // Shared: x_d may have thousands of parts, and each expert reads it.
            [input] => self.input(expert, outputs, *input),
            inputs => {
                let parts = inputs
                    .iter()
                    .map(|input| self.input(expert, outputs, *input));
                parts.flat_map(|parts| parts.to_vec()).collect()
            }
        }
    }

    #[expect(clippy::indexing_slicing, reason = "a node reads only nodes before it")]
    fn input(
        &self,
        expert: &DomainExpert,
        outputs: &[Rc<[DimensionPart]>],
        input: NodeInput,
    ) -> Rc<[DimensionPart]> {
        match input {
            NodeInput::Field(id) => self.parts(&[id]),
            NodeInput::Group(group) => {
                let fields = expert.fields.iter().copied();
                let own = fields.filter(|id| self.tower.field(*id).group == group);
                self.parts(&own.collect::<Vec<_>>())
            }
            NodeInput::Node(id) => outputs[id.0].clone(),
            NodeInput::SharedMissing => self.parts(&self.tower.missing),
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a tower's ids are those of its fields"
    )]
    fn parts(&self, ids: &[FeatureId]) -> Rc<[DimensionPart]> {
        ids.iter().map(|id| self.fields[id.0].clone()).collect()
    }

    /// The path of a node with its task as the other graph has it.
    fn path(&self, role: Role) -> String {
        role.path_with(|task| called(&self.names.tasks, task_name(self.spec, task)))
    }
}

fn called<'a>(names: &'a BTreeMap<String, String>, name: &'a str) -> &'a str {
    names.get(name).map_or(name, String::as_str)
}

/// The weights of a node that reads these inputs and weighs these experts.
fn node_weights(
    path: &str,
    kind: &NodeKind,
    inputs: &Rc<[DimensionPart]>,
    experts: &Rc<[DimensionPart]>,
) -> Vec<Weight> {
    let parts = |entries| parts(entries, inputs, experts);
    let weights = kind.tensors().into_iter().map(|tensor| Weight {
        key: Key::new(path, &tensor.name),
        dims: match tensor.shape {
            Shape::Vector(units) => [Dim::Units(parts(units))].into(),
            Shape::Matrix { units, inputs } => {
                [Dim::Units(parts(units)), Dim::Inputs(parts(inputs))].into()
            }
        },
        trained: tensor.trained,
    });
    weights.collect()
}

/// What the entries along a dimension are, one by one or part by part.
fn parts(
    entries: Entries,
    inputs: &Rc<[DimensionPart]>,
    experts: &Rc<[DimensionPart]>,
) -> Rc<[DimensionPart]> {
    let parts = match entries {
        Entries::Units(width) => DimensionPart::plain(width),
        Entries::Columns(_) => Rc::clone(inputs),
        Entries::Fields(_) => {
            let fields = inputs
                .iter()
                .map(|field| DimensionPart::new(Rc::clone(&field.name), 1));
            fields.collect()
        }
        Entries::Experts(_) => Rc::clone(experts),
    };
    let width: usize = parts.iter().map(|part| part.width).sum();
    check!(width == entries.len(), "{entries:?} are {width}");
    parts
}
