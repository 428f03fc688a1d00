//! The declarations of the spec as written in `graph.yaml`: everything but line numbers and the
//! place of the data. [`Graph::from_yaml`](crate::graph::Graph::from_yaml) reads them back.
//!
//! Values that are none, false, 0 or empty are left out, and so are domains if they are all of their
//! axis. The fields of a variant are next to its name. Ids are written as names.

use super::{Block, Flow, Writer, float, names, string};
use crate::graph::hash::sha256;
use crate::reflect::{Content, Fields, Reflected, Struct, fields_of, reflect};
use mtmd_schema::{
    Architecture, Axis, Budget, DomainId, DomainSet, Index, Override, Spec, Table, TableId, TaskId,
    Text, Tower, Value, list,
};
use mtmd_schema::{bug, check};
use serde::Serialize;
use std::fmt;

/// Longest doc comment that is written.
const LONGEST_DOC: usize = 160;

/// A struct with more fields than this is written on several lines, one per field.
const MOST_ON_A_LINE: usize = 6;

/// Keys that the reader asks for by itself.
pub(in crate::graph) const OVERRIDES: &str = "overrides";
pub(in crate::graph) const EXPERT: &str = "expert";
pub(in crate::graph) const TOWER: &str = "tower";

/// Everything but the features.
pub(super) fn write(out: &mut Writer, spec: &Spec) {
    let print = Printer::new(spec, Tower::Query);
    for tower in Tower::ALL {
        out.block(Block::axis(tower), "");
        Printer::new(spec, tower).block(out, spec.axis(tower));
    }
    out.block(
        Block::Tasks,
        "parents first; on all surfaces and products unless said",
    );
    print.items(out, 2, &spec.tasks);
    out.block(
        Block::Tables,
        "rows with row 0, which is zero and stays zero",
    );
    let tables: Vec<Table> = spec.tables.iter().map(digested).collect();
    print.items(out, 2, &tables);
    out.block(Block::Architecture, "the nodes below follow from it");
    print.architecture(out, &spec.architecture);
    out.block(Block::Rows, "");
    print.block(out, &spec.rows);
    out.block(Block::Evaluation, "");
    print.block(out, &spec.evaluation);
    out.block(Block::Training, "");
    print.block(out, &spec.training);
    if spec.budget != Budget::DEFAULT {
        out.block(Block::Budget, "");
        print.block(out, &spec.budget);
    }
}

/// The features of a tower, as the start of its block.
pub(super) fn features(out: &mut Writer, spec: &Spec, tower: Tower) {
    out.block(Block::Features(tower), "");
    out.line(
        2,
        "features:  # in the order of the fields; on all domains unless said",
    );
    Printer::new(spec, tower).items(out, 4, spec.features(tower));
}

/// A doc comment on one line, if it is short.
pub(super) fn doc(doc: &str) -> Option<String> {
    let words: Vec<&str> = doc.split_whitespace().collect();
    let line = words.join(" ");
    (!line.is_empty() && line.chars().count() <= LONGEST_DOC).then(|| string(&line))
}

/// A table whose vocabulary is a file, with the hash of the file for its lines.
fn digested(table: &Table) -> Table {
    let mut table = table.clone();
    if let Index::Lines { lines, .. } = &mut table.index {
        *lines = Text::Owned(digest(lines));
    }
    table
}

/// What stands for the lines of a file.
pub(in crate::graph) fn digest(lines: &str) -> String {
    format!("sha256:{}", sha256(lines))
}

/// A value as YAML.
enum Yaml {
    /// On one line.
    Plain(String),
    /// On one line where it fits.
    Flow(Flow),
}

impl fmt::Display for Yaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => text.fmt(f),
            Self::Flow(flow) => flow.fmt(f),
        }
    }
}

/// Keys and values.
type Entries = Vec<(&'static str, Yaml)>;

struct Printer<'s> {
    spec: &'s Spec,
    /// The axis of domains where nothing else specifies it.
    tower: Tower,
}

impl<'s> Printer<'s> {
    fn new(spec: &'s Spec, tower: Tower) -> Self {
        Self { spec, tower }
    }

    /// The fields of a struct, one per line.
    fn block(&self, out: &mut Writer, value: &impl Serialize) {
        self.lines(out, 2, &fields_of(value));
    }

    fn lines(&self, out: &mut Writer, indent: usize, fields: &Fields) {
        for (key, value) in fields {
            match value {
                Reflected::List(items) if matches!(items.first(), Some(Reflected::Struct(_))) => {
                    out.line(indent, &format!("{key}:"));
                    self.list(out, indent + 2, items);
                }
                Reflected::Struct(inner) if inner.fields.len() > MOST_ON_A_LINE => {
                    out.line(indent, &format!("{key}:"));
                    self.lines(out, indent + 2, &inner.fields);
                }
                value => {
                    for (key, value) in self.entries(key, value) {
                        match value {
                            Yaml::Plain(text) => out.entry(indent, key, text),
                            Yaml::Flow(flow) => out.flow(indent, key, &flow),
                        }
                    }
                }
            }
        }
    }

    /// Structs, each as a mapping on one line where it fits.
    fn items(&self, out: &mut Writer, indent: usize, items: &[impl Serialize]) {
        let items: Vec<Reflected> = items.iter().map(reflect).collect();
        self.list(out, indent, &items);
    }

    fn list(&self, out: &mut Writer, indent: usize, items: &[Reflected]) {
        for item in items {
            match item {
                Reflected::Struct(item) => {
                    out.item(indent, &mapping(self.all_entries(&item.fields)));
                }
                other => bug!("{other:?} is in a list of structs"),
            }
        }
    }

    /// The architecture; of some domains' own, what differs from the others'.
    fn architecture(&self, out: &mut Writer, architecture: &Architecture) {
        self.block(
            out,
            &Architecture {
                overrides: list(&[]),
                ..architecture.clone()
            },
        );
        if architecture.overrides.is_empty() {
            return;
        }
        out.line(2, &format!("{OVERRIDES}:"));
        let base = fields_of(&architecture.expert);
        for Override {
            domains,
            tower,
            expert,
        } in architecture.overrides.iter()
        {
            let own = fields_of(expert);
            check!(
                own.len() == base.len(),
                "two values of a struct have other fields"
            );
            let own = own.into_iter().zip(&base);
            let differing = own.filter(|(own, base)| own != *base);
            let differing = differing.flat_map(|((key, value), _)| self.given(key, &value));
            let axis = self.spec.axis(*tower);
            let map = Flow::map()
                .with("domains", Flow::names(names(axis, domains)))
                .text(TOWER, tower.name())
                .with(EXPERT, mapping(differing.collect()));
            out.item(4, &map);
        }
    }

    fn all_entries(&self, fields: &Fields) -> Entries {
        fields
            .iter()
            .flat_map(|(key, value)| self.entries(key, value))
            .collect()
    }

    /// The entries of a field, none if it is left out.
    fn entries(&self, key: &'static str, value: &Reflected) -> Entries {
        match (key, value) {
            ("place", Reflected::Text(_)) => vec![],
            ("doc", Reflected::Text(text)) => {
                let doc = doc(text).map(Yaml::Plain);
                doc.map(|doc| (key, doc)).into_iter().collect()
            }
            ("place" | "doc", other) => bug!("`{key}` is {other:?}"),
            (_, Reflected::None | Reflected::Bool(false) | Reflected::Whole(0)) => vec![],
            (_, Reflected::Text(text)) if text.is_empty() => vec![],
            (_, Reflected::List(items)) if items.is_empty() => vec![],
            (_, Reflected::Newtype(DomainSet::TYPE, ids)) if self.is_all(key, ids) => vec![],
            (_, Reflected::Some(value)) => self.given(key, value),
            (_, value) => self.given(key, value),
        }
    }

    /// The entries of a field that is not left out.
    fn given(&self, key: &'static str, value: &Reflected) -> Entries {
        let Reflected::Variant { of, name, content } = value else {
            return vec![(key, self.value(key, value))];
        };
        if *of == Value::TYPE {
            return vec![(key, self.value(key, value))];
        }
        let mut entries = vec![(key, Yaml::Plain(string(name)))];
        entries.extend(match &**content {
            Content::Unit => vec![],
            Content::Struct(fields) => self.all_entries(fields),
            Content::Tuple(items) => match items.as_slice() {
                [Reflected::Struct(inner)] => self.all_entries(&inner.fields),
                [item] => self.given(name, item),
                items => vec![(*name, self.sequence(name, items))],
            },
        });
        entries
    }

    fn value(&self, key: &str, value: &Reflected) -> Yaml {
        Yaml::Plain(match value {
            Reflected::List(items) | Reflected::Tuple(items) => return self.sequence(key, items),
            Reflected::Struct(Struct { fields, .. }) => {
                return Yaml::Flow(mapping(self.all_entries(fields)));
            }
            Reflected::Newtype(DomainSet::TYPE, inner) | Reflected::Some(inner) => {
                return self.value(key, inner);
            }
            Reflected::Newtype(of, id) => string(self.name(key, of, id)),
            Reflected::Variant { of, name, content } => match &**content {
                Content::Unit => string(name),
                // It shows its kind by itself.
                Content::Tuple(items) if *of == Value::TYPE => match items.as_slice() {
                    [item] => return self.value(key, item),
                    items => bug!("a raw value holds {items:?}"),
                },
                content => bug!("`{key}` is {name} with {content:?}"),
            },
            Reflected::None => "null".to_owned(),
            Reflected::Bool(value) => value.to_string(),
            Reflected::Whole(number) => number.to_string(),
            Reflected::Real(number) => float(*number),
            Reflected::Text(text) | Reflected::Constant(text) => string(text),
        })
    }

    fn sequence(&self, key: &str, items: &[Reflected]) -> Yaml {
        Yaml::Flow(Flow::list(items.iter().map(|item| self.value(key, item))))
    }

    /// What an id is the id of.
    fn name(&self, key: &str, of: &str, id: &Reflected) -> &'s str {
        let place = match id {
            Reflected::Whole(place) => usize::try_from(*place).ok(),
            _ => None,
        };
        let name = place.and_then(|place| match of {
            TaskId::TYPE => self.spec.tasks.get(place).map(|task| &*task.name),
            TableId::TYPE => self.spec.tables.get(place).map(|table| &*table.name),
            DomainId::TYPE => {
                let domain = self.axis(key).domains.get(place);
                domain.map(|domain| &*domain.name)
            }
            _ => None,
        });
        name.unwrap_or_else(|| bug!("`{key}` holds an id of nothing: {of} {id:?}"))
    }

    /// Whether some domains are all of their axis.
    fn is_all(&self, key: &str, ids: &Reflected) -> bool {
        match ids {
            Reflected::List(ids) => ids.len() == self.axis(key).domains.len(),
            other => bug!("`{key}` is a set of domains: {other:?}"),
        }
    }

    /// The axis whose domains a field holds.
    fn axis(&self, key: &str) -> &'s Axis {
        self.spec.axis(tower_of(key, self.tower))
    }
}

/// The tower whose domains a field holds; some fields hold those of the tower that they are in.
pub(in crate::graph) fn tower_of(key: &str, around: Tower) -> Tower {
    match key {
        "surfaces" => Tower::Query,
        "products" => Tower::Item,
        "domains" | "like" => around,
        other => bug!("`{other}` holds domains of no known tower"),
    }
}

fn mapping(entries: Entries) -> Flow {
    entries
        .into_iter()
        .fold(Flow::map(), |map, (key, value)| map.with(key, value))
}
