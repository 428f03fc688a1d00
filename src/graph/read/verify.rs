//! Verifies that a `graph.yaml` is the file that this version writes for the graph read from it.
//!
//! The file is compared as a whole, so an entry that nobody reads or another total is a difference like any
//! other.

use crate::graph::Graph;
use crate::graph::yaml::Block;
use mtmd_schema::Tower;
use mtmd_schema::bug;
use serde_yaml::{Mapping, Value};

/// Entries that follow from the declarations.
const DERIVED: [&str; 4] = [
    "spec_hash",
    "weights_hash",
    Block::Totals.key(),
    Block::Heads.key(),
];
/// Those of a tower.
const DERIVED_OF_TOWER: [&str; 2] = ["shared", "experts"];

/// Compares a file with the one of the graph that was built from its declarations.
///
/// # Errors
///
/// The first difference.
pub(super) fn verify(found: &Mapping, graph: &Graph) -> Result<(), String> {
    let written = serde_yaml::from_str::<Mapping>(&graph.to_yaml())
        .unwrap_or_else(|error| bug!("`graph.yaml` is not YAML: {error}"));
    let [found, written] = [found, &written].map(without_definitions);
    // A difference in a declaration may change the hashes too; it is reported at its own place.
    compare("", &declarations(&found), &declarations(&written))?;
    for key in ["spec_hash", "weights_hash"] {
        let stated = found
            .get(key)
            .ok_or_else(|| format!("`{key}` is missing"))?;
        let stated = stated
            .as_str()
            .ok_or_else(|| format!("`{key}` is not a string"))?;
        let hash = written.get(key).and_then(Value::as_str);
        if hash != Some(stated) {
            return Err(format!(
                "what it declares has the {key} {}, and it says {stated}: {CAUSE}",
                shown(written.get(key))
            ));
        }
    }
    compare("", &found, &written)
}

/// Why a file differs from the one written for its graph.
pub(super) const CAUSE: &str = "it was edited, or another version wrote it";

/// Definitions are prose for readers. Their meaning has a version, `blocks`; their wording may change, and weights
/// stay readable.
fn without_definitions(document: &Mapping) -> Mapping {
    let mut document = document.clone();
    document.remove("definitions");
    document
}

fn declarations(document: &Mapping) -> Mapping {
    let mut document = document.clone();
    for key in DERIVED {
        document.remove(key);
    }
    for tower in Tower::ALL {
        if let Some(Value::Mapping(tower)) = document.get_mut(Block::Features(tower).key()) {
            for key in DERIVED_OF_TOWER {
                tower.remove(key);
            }
        }
    }
    document
}

/// Compares two mappings at a path, entry by entry.
fn compare(path: &str, found: &Mapping, written: &Mapping) -> Result<(), String> {
    let added = found.keys().filter(|key| !written.contains_key(*key));
    for key in written.keys().chain(added) {
        let path = format!("{path}{}", shown(Some(key)));
        match (found.get(key), written.get(key)) {
            (Some(found), Some(written)) => compare_values(&path, found, written)?,
            (found, written) => return Err(difference(&path, found, written)),
        }
    }
    Ok(())
}

fn compare_values(path: &str, found: &Value, written: &Value) -> Result<(), String> {
    match (found, written) {
        (Value::Mapping(found), Value::Mapping(written)) => {
            compare(&format!("{path}."), found, written)
        }
        (Value::Sequence(found), Value::Sequence(written))
            if written.iter().any(Value::is_mapping) && found.len() == written.len() =>
        {
            let pairs = found.iter().zip(written).enumerate();
            let mut pairs = pairs.map(|(place, (found, written))| {
                let path = format!("{path}.{}", name(written, place));
                compare_values(&path, found, written)
            });
            pairs.try_for_each(|compared| compared)
        }
        (found, written) if found == written => Ok(()),
        (found, written) => Err(difference(path, Some(found), Some(written))),
    }
}

/// What an item of a list is called: its name, or that of its first domain, or its place.
fn name(item: &Value, place: usize) -> String {
    let domain = || item.get("domains")?.as_sequence()?.first();
    match item.get("name").or_else(domain) {
        Some(name) => shown(Some(name)),
        None => place.to_string(),
    }
}

fn difference(path: &str, found: Option<&Value>, written: Option<&Value>) -> String {
    let found = match found {
        Some(_) => format!("is {}", shown(found)),
        None => "is missing".to_owned(),
    };
    let written = match written {
        Some(_) => shown(written),
        None => "no such entry".to_owned(),
    };
    format!("`{path}` {found}, but this version writes {written}: {CAUSE}")
}

/// A value on one line.
pub(super) fn shown(value: Option<&Value>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(Value::Sequence(list)) if list.iter().any(Value::is_mapping) => {
            format!("a list of {}", list.len())
        }
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
