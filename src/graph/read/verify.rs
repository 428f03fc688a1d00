//! Whether the nodes of a `graph.yaml` are those that this version builds from its declarations.

use crate::graph::Graph;
use crate::graph::blocks::VERSION;
use serde_yaml::{Mapping, Value};

/// The part of a file that follows from its declarations.
pub(super) struct Nodes {
    document: Mapping,
}

impl Nodes {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The text is not YAML, or its blocks are of another version.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let document: Mapping = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        match document.get("blocks").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => Ok(Self { document }),
            Some(version) => Err(format!(
                "its blocks are of version {version}; this version of mtmdc has version {VERSION}"
            )),
            None => Err("`blocks`, the version of its blocks, is missing".to_owned()),
        }
    }

    /// Compares the nodes with those of the graph that was built from the declarations.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub(super) fn verify(&self, graph: &Graph) -> Result<(), String> {
        let expected = Self::read(&graph.to_yaml())?;
        for tower in [&graph.query, &graph.item] {
            let tower = tower.name();
            let [found, expected] = [self, &expected].map(|nodes| nodes.document.get(tower));
            nodes(
                &format!("{tower}.shared"),
                inside(found, "shared"),
                inside(expected, "shared"),
            )?;
            experts(tower, inside(found, "experts"), inside(expected, "experts"))?;
        }
        let [found, expected] = [self, &expected].map(|nodes| nodes.document.get("heads"));
        nodes("heads", found, expected)
    }
}

fn inside<'a>(value: Option<&'a Value>, key: &str) -> Option<&'a Value> {
    value?.get(key)
}

/// Compares the Domain Experts of a tower.
fn experts(tower: &str, found: Option<&Value>, expected: Option<&Value>) -> Result<(), String> {
    let [found, expected] = [found, expected].map(|list| list.and_then(Value::as_sequence));
    let [found, expected] = [found, expected].map(|list| list.map_or(&[][..], Vec::as_slice));
    for (found, expected) in found.iter().zip(expected) {
        let domains = expected.get("domains").and_then(Value::as_sequence);
        let first = domains.and_then(|domains| domains.first()?.as_str());
        let holder = format!("{tower}.{}", first.unwrap_or_default());
        nodes(&holder, found.get("nodes"), expected.get("nodes"))?;
        entries(&holder, Some(found), Some(expected))?;
    }
    match found.len() == expected.len() {
        true => Ok(()),
        false => Err(format!(
            "tower `{tower}` has {} Domain Experts, but this version builds {}",
            found.len(),
            expected.len()
        )),
    }
}

/// Compares the nodes of a holder.
fn nodes(holder: &str, found: Option<&Value>, expected: Option<&Value>) -> Result<(), String> {
    for path in keys(found, expected) {
        let name = path.as_str().unwrap_or_default();
        let [found, expected] = [found, expected].map(|nodes| nodes.and_then(|it| it.get(path)));
        match (found, expected) {
            (None, _) => return Err(format!("node `{holder}.{name}` is missing")),
            (_, None) => {
                return Err(format!(
                    "node `{holder}.{name}` is not one that this version builds"
                ));
            }
            _ => entries(&format!("{holder}.{name}"), found, expected)?,
        }
    }
    Ok(())
}

/// Compares the entries of a node.
fn entries(node: &str, found: Option<&Value>, expected: Option<&Value>) -> Result<(), String> {
    for key in keys(found, expected) {
        let name = key.as_str().unwrap_or_default();
        let [found, expected] = [found, expected].map(|node| node.and_then(|it| it.get(key)));
        if found != expected {
            return Err(format!(
                "`{name}` of node `{node}` is {}, but this version builds {}",
                shown(found),
                shown(expected)
            ));
        }
    }
    Ok(())
}

/// Keys of either mapping, each once.
fn keys<'a>(
    found: Option<&'a Value>,
    expected: Option<&'a Value>,
) -> impl Iterator<Item = &'a Value> {
    let [found, expected] = [found, expected].map(|value| value.and_then(Value::as_mapping));
    let own = found.into_iter().flat_map(Mapping::keys);
    let added = own.filter(move |key| expected.is_none_or(|other| !other.contains_key(*key)));
    let expected = expected.into_iter().flat_map(Mapping::keys);
    expected.chain(added)
}

/// A value on one line.
fn shown(value: Option<&Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::Sequence(list)) => {
            let list: Vec<String> = list.iter().map(|value| shown(Some(value))).collect();
            format!("[{}]", list.join(", "))
        }
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Mapping(_) | Value::Tagged(_)) => "a mapping".to_owned(),
    }
}
