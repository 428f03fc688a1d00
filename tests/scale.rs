//! Large specs: the work and the output grow no faster than the spec.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a test says what is wrong by failing"
)]

use mtmdc::driver::check::check;
use mtmdc::driver::compile::compile;
use mtmdc::graph::build;
use mtmdc::graph::diff::diff;
use mtmdc::source::Source;
use std::time::Duration;
use support::specs::large;
use support::time::fastest;

/// Bytes of the graph and of the crate, and the fastest of some compilations.
fn built(surfaces: usize) -> (usize, usize, Duration) {
    let source = Source::new("large.mtmd", large(surfaces, 100, 10));
    let mut sizes = (0, 0);
    let time = fastest(5, || {
        let artefacts = compile(&source).artefacts.unwrap();
        let crate_files = artefacts.files().unwrap();
        let bytes = |graph: bool| {
            let files = crate_files.iter();
            let wanted = files.filter(|file| (file.path == "graph.yaml") == graph);
            wanted.map(|file| file.text.len()).sum()
        };
        sizes = (bytes(true), bytes(false));
    });
    (sizes.0, sizes.1, time)
}

#[test]
fn ten_times_the_surfaces_cost_no_more_than_ten_times() {
    let (graph, code, time) = built(100);
    let (larger_graph, larger_code, longer) = built(1_000);
    assert!(larger_graph < 10 * graph, "{larger_graph} {graph}");
    assert!(larger_code < 10 * code, "{larger_code} {code}");
    // Wide; a quadratic step would be a hundred times.
    let ratio = longer.as_secs_f64() / time.as_secs_f64();
    assert!(ratio < 30.0, "{longer:?} {time:?}");
}

#[test]
fn a_check_takes_no_longer_than_the_spec_is_long() {
    let time = |surfaces| {
        let source = Source::new("large.mtmd", large(surfaces, 10, 10));
        fastest(5, || assert!(check(&source).spec.is_some()))
    };
    let (short, long) = (time(500), time(5_000));
    assert!(long < 30 * short, "{long:?} {short:?}");
}

/// Domains of one Domain Expert are compared once, and features are found by name.
#[test]
fn a_diff_takes_no_longer_than_the_specs_are_long() {
    let time = |surfaces, features| {
        let [old, new] = ["", "  number comes {}\n"].map(|more| {
            let numbers = (0..features).map(|id| format!("  number n{id} {{}}\n"));
            let numbers: String = numbers.collect();
            let text = large(surfaces, 10, 10);
            let text = text.replace("query {\n", &format!("query {{\n{numbers}{more}"));
            build(&check(&Source::new("large.mtmd", text)).spec.unwrap())
        });
        fastest(5, || assert_eq!(diff(&old, &new).changes.len(), 1))
    };
    let short = time(50, 300);
    let (surfaces, features) = (time(500, 300), time(50, 3_000));
    assert!(surfaces < 30 * short, "{surfaces:?} {short:?}");
    assert!(features < 30 * short, "{features:?} {short:?}");
}

#[test]
#[ignore = "writes the largest spec, to try commands on it"]
fn write() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("large.mtmd");
    std::fs::write(path, large(1_000, 100, 10)).unwrap();
}
