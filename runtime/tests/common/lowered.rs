//! Specs, compiled as for a generated crate.

use std::path::Path;

use mtmd::schema::{Compiled, Schema};
use mtmdc::diagnostics::Levels;
use mtmdc::driver::check::check_files;
use mtmdc::source::Source;

/// The model of a spec's text, without hashes and graph. Files that it uses are in `specs/`.
pub fn compiled(text: &str) -> Compiled {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs");
    let read =
        |path: &str| std::fs::read_to_string(specs.join(path)).map_err(|error| error.to_string());
    let checked = check_files(Source::new("test.mtmd", text), &read, &Levels::default());
    let spec = checked.spec;
    let spec = spec.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let graph = mtmdc::graph::build(&spec);
    let plan = mtmdc::plan::lower(&graph);
    let schema = Schema {
        spec: graph.spec,
        spec_hash: "",
        weights_hash: "",
        graph_hash: "",
        graph: "",
    };
    Compiled { schema, plan }
}
