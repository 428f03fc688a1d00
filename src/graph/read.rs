//! `graph.yaml` → graph: what weights are of, told by the folder that they are in.
//!
//! The declarations are read; the graph is built from them again. That nothing was lost on the way is
//! checked by the hashes that the file states, and that the nodes of the file are those of this
//! version one by one.

mod value;
mod verify;

use super::yaml::LAYOUT;
use super::yaml::declarations::digest;
use super::{Graph, build};
use mtmd_schema::{Architecture, Budget, Index, Spec, Table, Tower};
use serde_yaml::{Mapping, Value as Yaml};
use value::{Field, Names};

/// Texts of vocabularies that are files, by the name of their table; one value a line.
pub type VocabularyFiles<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Graph {
    /// The graph that [`Graph::to_yaml`] wrote, but for places and long docs.
    ///
    /// # Errors
    ///
    /// What keeps the text from being read, in words.
    pub fn from_yaml(text: &str, files: &VocabularyFiles<'_>) -> Result<Self, String> {
        let document: Mapping = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        match document.get("mtmd").and_then(Yaml::as_u64) {
            Some(LAYOUT) => {}
            Some(other) => {
                return Err(format!(
                    "it is of layout {other}; this version reads {LAYOUT}"
                ));
            }
            None => return Err("it does not say its layout, `mtmd`".to_owned()),
        }
        let nodes = verify::Nodes::read(text)?;
        let graph = build(&spec(&document, files)?);
        for (key, hash) in [
            ("spec_hash", &graph.spec_hash),
            ("weights_hash", &graph.weights_hash),
        ] {
            let stated = document.get(key).and_then(Yaml::as_str).unwrap_or_default();
            if stated != hash {
                return Err(format!(
                    "what it declares has the {key} {hash}, and it says {stated}: it was edited, or \
                     another version wrote it"
                ));
            }
        }
        nodes.verify(&graph).map(|()| graph)
    }
}

fn spec(document: &Mapping, files: &VocabularyFiles<'_>) -> Result<Spec, String> {
    let names = Names::of(document);
    let root = Field::root(document, &names);
    let features = |tower: Tower| root.inside(tower.name())?.on(tower).block("features");
    let mut tables: Vec<Table> = root.block("tables")?;
    for table in &mut tables {
        restore(table, files)?;
    }
    Ok(Spec {
        name: root.block("model")?,
        doc: root.read("doc")?,
        data: None,
        surfaces: root.block("surfaces")?,
        products: root.block("products")?,
        tasks: root.block("tasks")?,
        tables: tables.into(),
        query: features(Tower::Query)?,
        item: features(Tower::Item)?,
        architecture: architecture(document, &names)?,
        rows: root.block("rows")?,
        evaluation: root.block("evaluation")?,
        training: root.block("training")?,
        budget: match document.contains_key("budget") {
            true => root.read("budget")?,
            false => Budget::DEFAULT,
        },
    })
}

/// Puts the lines of a vocabulary in the place of their hash.
fn restore(table: &mut Table, files: &VocabularyFiles<'_>) -> Result<(), String> {
    let name = &table.name;
    if let Index::Lines { lines, .. } = &mut table.index {
        let found =
            files(name).ok_or_else(|| format!("the values of table `{name}` are not beside it"))?;
        if digest(&found) != **lines {
            return Err(format!(
                "the values of table `{name}` are not those of its weights"
            ));
        }
        *lines = found.into();
    }
    Ok(())
}

/// The architecture: an override says what differs from that of all domains.
fn architecture(document: &Mapping, names: &Names) -> Result<Architecture, String> {
    const BLOCK: &str = "architecture";
    const OVERRIDES: &str = "overrides";
    let mut document = document.clone();
    let block = document.get_mut(BLOCK).and_then(Yaml::as_mapping_mut);
    let block = block.ok_or_else(|| format!("`{BLOCK}` is missing"))?;
    let base = block.get("expert").and_then(Yaml::as_mapping).cloned();
    let base = base.unwrap_or_default();
    let overrides = block.get_mut(OVERRIDES).and_then(Yaml::as_sequence_mut);
    for one in overrides.into_iter().flatten() {
        if let Some(expert) = one.get_mut("expert").and_then(Yaml::as_mapping_mut) {
            let mut whole = base.clone();
            whole.extend(expert.clone());
            *expert = whole;
        }
    }
    Field::root(&document, names).block(BLOCK)
}
