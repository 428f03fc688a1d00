//! How long the compiler takes, on one thread. It runs only in release tests: without optimisation
//! the figures mean nothing.

#![cfg_attr(debug_assertions, allow(unused, reason = "nothing is measured"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use mtmdc::driver::check::check;
use mtmdc::driver::compile::compile;
use mtmdc::graph::build;
use mtmdc::source::Source;
use support::specs::{self, large};
use support::time::fastest;

/// Runs, of which the fastest counts.
const RUNS: usize = 10;

#[cfg(not(debug_assertions))]
#[test]
fn a_spec_is_checked_in_five_milliseconds() {
    for spec in specs::all() {
        let time = fastest(RUNS, || {
            assert!(specs::checked(spec.source()).spec.is_some());
        });
        println!("{}: {time:?}", spec.name);
        assert!(time < Duration::from_millis(5), "{}: {time:?}", spec.name);
    }
}

/// 1,000 surfaces, 100 products and 10 tasks: a million cells.
#[cfg(not(debug_assertions))]
#[test]
fn a_spec_of_a_million_cells_is_a_graph_in_a_second_and_a_crate_in_ten() {
    let source = Source::new("large.mtmd", large(1_000, 100, 10));
    let graph = fastest(RUNS, || {
        let graph = build(&check(&source).spec.unwrap());
        assert_eq!(graph.spec.surfaces.domains.len(), 1_000);
    });
    let whole = fastest(RUNS, || {
        let artefacts = compile(&source).artefacts.unwrap();
        assert!(!artefacts.files().unwrap().is_empty());
    });
    println!("graph {graph:?}, crate {whole:?}");
    assert!(graph < Duration::from_secs(1), "{graph:?}");
    assert!(whole < Duration::from_secs(10), "{whole:?}");
}
