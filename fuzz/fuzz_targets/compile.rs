//! What passes the checks has a graph, drawings and a crate: the compiler has no internal error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mtmdc::driver::compile::compile;
use mtmdc::source::Source;

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.mtmd", text);
    let outcome = compile(&source);
    if let Some(artefacts) = outcome.artefacts {
        let yaml = artefacts.graph.to_yaml();
        artefacts.graph.to_svg();
        let again = compile(&source).artefacts;
        let again = again.expect("the same spec passes again");
        assert_eq!(again.graph.to_yaml(), yaml);
        let files = [&artefacts, &again].map(|built| built.files().expect("an internal error"));
        let [files, again] = files;
        assert!(files.iter().zip(&again).all(|(one, other)| one.text == other.text));
    }
});
