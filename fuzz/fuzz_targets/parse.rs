//! Any text parses, in linear time; what is said of it lies within it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mtmdc::diagnostics::{render_json, render_text};
use mtmdc::source::Source;
use mtmdc::syntax::parse;

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.mtmd", text);
    let parsed = parse(&source);
    for statement in &parsed.file.statements {
        assert!(
            text.get(statement.span().start..statement.span().end)
                .is_some()
        );
    }
    for comment in &parsed.file.comments {
        assert!(text[comment.span.start..].starts_with("//"));
    }
    for found in &parsed.diagnostics {
        assert!(
            text.get(found.primary.span.start..found.primary.span.end)
                .is_some()
        );
    }
    render_text(&source, &parsed.diagnostics, true);
    render_json(&source, &parsed.diagnostics);
});
