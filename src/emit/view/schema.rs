//! `schema.rs`: the static data of the spec.

use crate::emit::literal::{Files, literal};
use crate::emit::vocabularies;
use crate::graph::Graph;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct SchemaView {
    spec: String,
    spec_hash: String,
    weights_hash: String,
    graph_hash: String,
}

impl SchemaView {
    pub(super) fn new(graph: &Graph) -> Self {
        let files = vocabularies(&graph.spec).map(|(table, lines)| {
            let path = format!("vocabularies/{table}.txt");
            (lines, path)
        });
        Self {
            spec: literal(&graph.spec, &files.collect::<Files<'_>>()),
            spec_hash: graph.spec_hash.clone(),
            weights_hash: graph.weights_hash.clone(),
            graph_hash: graph.hash(),
        }
    }
}
