//! How long the compiler takes: `cargo bench -p mtmdc`. Specs of 10, 100 and 1,000 surfaces, each with 100 products
//! and 10 tasks, from text to the files of the crate; and `check` of the paper's spec.

use divan::Bencher;
use mtmdc::driver::check::check;
use mtmdc::driver::compile::compile;
use mtmdc::source::Source;
use support::specs::large;

const SURFACES: [usize; 3] = [10, 100, 1_000];

fn main() {
    divan::main();
}

fn source(surfaces: usize) -> Source {
    Source::new("large.mtmd", large(surfaces, 100, 10))
}

#[divan::bench(args = SURFACES)]
fn check_only(bencher: Bencher<'_, '_>, surfaces: usize) {
    let source = source(surfaces);
    bencher.bench(|| check(&source).spec.is_some());
}

#[divan::bench(args = SURFACES)]
fn whole_build(bencher: Bencher<'_, '_>, surfaces: usize) {
    let source = source(surfaces);
    bencher.bench(|| {
        compile(&source)
            .artefacts
            .is_some_and(|artefacts| artefacts.files().is_ok())
    });
}

#[divan::bench]
fn check_pinterest(bencher: Bencher<'_, '_>) {
    let source = Source::new("pinterest.mtmd", include_str!("../specs/pinterest.mtmd"));
    bencher.bench(|| check(&source).spec.is_some());
}
