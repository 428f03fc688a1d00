//! Specs, compiled as for a generated crate.

use mtmd::schema::{Compiled, Schema};
use support::specs::lowered;

/// The model of a spec's text, without hashes and graph. Files that it uses are in `specs/`.
pub fn compiled(text: &str) -> Compiled {
    let (graph, plan) = lowered(text);
    let schema = Schema {
        spec: graph.spec,
        spec_hash: "",
        weights_hash: "",
        graph_hash: "",
        graph: "",
    };
    Compiled { schema, plan }
}
