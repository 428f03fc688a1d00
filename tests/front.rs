//! The front end on whole specs: what is sound checks, order and comments mean nothing.

use mtmdc::diagnostics::render_text;
use mtmdc::driver::check::check;
use mtmdc::sema::spec::Spec;
use mtmdc::source::Source;

const SPECS: [(&str, &str); 4] = [
    ("kuairand", include_str!("../specs/kuairand.mtmd")),
    ("marketplace", include_str!("../specs/marketplace.mtmd")),
    ("minimal", include_str!("../specs/minimal.mtmd")),
    ("pinterest", include_str!("../specs/pinterest.mtmd")),
];

/// Checks a text that must be without errors and warnings.
fn sound(name: &str, text: &str) -> Spec {
    let source = Source::new(name, text);
    let checked = check(&source);
    assert!(
        checked.diagnostics.is_empty(),
        "{}\n{text}",
        render_text(&source, &checked.diagnostics, false)
    );
    checked.spec.unwrap()
}

#[test]
fn the_specs_are_sound() {
    for (name, text) in SPECS {
        let spec = sound(name, text);
        assert_eq!(spec.name, name);
        insta::assert_debug_snapshot!(name, spec);
    }
}
