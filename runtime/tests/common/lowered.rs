//! Specs, compiled as for a generated crate.

use mtmd::schema::{Compiled, Schema};
use mtmdc::diagnostics::Levels;
use mtmdc::driver::check::check_files;
use mtmdc::source::Source;

/// The model of a spec's text, without hashes and graph.
pub fn compiled(text: &str) -> Compiled {
    let read = |_: &str| Err("it includes no file".to_owned());
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
