//! `graph.yaml` → graph: reads the model that weights belong to from the folder that they are in.
//!
//! The declarations are read, and the graph is built from them again. The file is then compared with the one
//! that this graph would write, so that nothing in it is misread or ignored.

mod value;
mod verify;

use super::blocks::VERSION;
use super::yaml::declarations::{EXPERT, OVERRIDES, digest};
use super::yaml::{Block, LAYOUT};
use super::{Graph, build};
use mtmd_schema::{Architecture, Budget, Index, Spec, Table, Tower};
use serde_yaml::{Mapping, Value as Yaml};
use value::{Field, Names};

/// Texts of vocabularies that are files, by the name of their table; one value a line.
pub type VocabularyFiles<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Graph {
    /// The graph that [`Graph::to_yaml`] wrote, except for places and long docs.
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
        match document.get("blocks").and_then(Yaml::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => {
                return Err(format!(
                    "its blocks are of version {version}; this version of mtmdc has version {VERSION}"
                ));
            }
            None => return Err("`blocks`, the version of its blocks, is missing".to_owned()),
        }
        let graph = build(&spec(&document, files)?);
        verify::verify(&document, &graph)?;
        Ok(graph)
    }
}

fn spec(document: &Mapping, files: &VocabularyFiles<'_>) -> Result<Spec, String> {
    let names = Names::of(document)?;
    let root = Field::root(document, &names);
    let features = |tower: Tower| {
        let block = root.inside(Block::Features(tower).key())?;
        block.on(tower).block("features")
    };
    let mut tables: Vec<Table> = root.block(Block::Tables.key())?;
    for table in &mut tables {
        restore(table, files)?;
    }
    Ok(Spec {
        name: root.block(Block::Model.key())?,
        doc: root.read("doc")?,
        data: None,
        surfaces: root.on(Tower::Query).block(Block::Surfaces.key())?,
        products: root.on(Tower::Item).block(Block::Products.key())?,
        tasks: root.block(Block::Tasks.key())?,
        tables: tables.into(),
        query: features(Tower::Query)?,
        item: features(Tower::Item)?,
        architecture: architecture(document, &names)?,
        rows: root.block(Block::Rows.key())?,
        evaluation: root.block(Block::Evaluation.key())?,
        training: root.block(Block::Training.key())?,
        budget: match document.contains_key(Block::Budget.key()) {
            true => root.read(Block::Budget.key())?,
            false => Budget::DEFAULT,
        },
    })
}

/// Replaces the hash of a vocabulary by its lines.
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

/// The architecture: an override contains what differs from that of all domains.
fn architecture(document: &Mapping, names: &Names) -> Result<Architecture, String> {
    const ARCHITECTURE: &str = Block::Architecture.key();
    let mut document = document.clone();
    let block = document
        .get_mut(ARCHITECTURE)
        .ok_or_else(|| format!("`{ARCHITECTURE}` is missing"))?;
    let base = expert(block, ARCHITECTURE)?.clone();
    if let Some(overrides) = block.get_mut(OVERRIDES) {
        let place = format!("{ARCHITECTURE}.{OVERRIDES}");
        let overrides = overrides.as_sequence_mut();
        for one in overrides.ok_or_else(|| format!("`{place}` is not a list"))? {
            let own = expert(one, &place)?;
            let mut whole = base.clone();
            whole.extend(std::mem::take(own));
            *own = whole;
        }
    }
    Field::root(&document, names).block(ARCHITECTURE)
}

/// The architecture of Domain Experts, which a block or an override has.
fn expert<'a>(holder: &'a mut Yaml, place: &str) -> Result<&'a mut Mapping, String> {
    let expert = holder.get_mut(EXPERT).and_then(Yaml::as_mapping_mut);
    expert.ok_or_else(|| format!("`{EXPERT}` of `{place}` is not a mapping"))
}
