//! Small models of architectures that no spec has: `tests/parity/graphs/small.mtmd` and its variants.

use std::fs;
use std::path::{Path, PathBuf};

use mtmd::schema::{Compiled, Schema};
use mtmdc::diagnostics::Levels;
use mtmdc::driver::compile::{Outcome, compile_files};
use mtmdc::source::Source;

/// The folder of their spec and graphs.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../parity/graphs")
}

fn outcome(variant: Option<&str>) -> Outcome {
    let text = fs::read_to_string(folder().join("small.mtmd")).expect("a spec");
    let read = |_: &str| Err("no files".to_owned());
    let source = Source::new("small.mtmd", text);
    compile_files(source, &read, &Levels::default(), variant)
}

/// All of them, compiled as for a generated crate.
pub fn models() -> impl Iterator<Item = &'static Compiled> {
    let variants = outcome(None).variants.into_iter().map(Some);
    [None].into_iter().chain(variants).map(|variant| {
        let outcome = outcome(variant.as_deref());
        assert!(outcome.diagnostics.is_empty(), "{:?}", outcome.diagnostics);
        let artefacts = outcome.artefacts.expect("a sound spec");
        let (plan, graph) = (artefacts.plan(), artefacts.graph);
        let schema = Schema {
            spec_hash: graph.spec_hash.clone().leak(),
            weights_hash: graph.weights_hash.clone().leak(),
            graph_hash: graph.hash().leak(),
            graph: graph.to_yaml().leak(),
            spec: graph.spec,
        };
        &*Box::leak(Box::new(Compiled { schema, plan }))
    })
}
