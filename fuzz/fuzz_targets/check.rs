//! Any spec is checked, and mended, without a panic. What follows a NUL is the file `part.mtmd`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mtmdc::diagnostics::{Levels, has_errors, render_github, render_json, render_text};
use mtmdc::driver::check::check_files;
use mtmdc::driver::fix::fix;
use mtmdc::source::Source;

fuzz_target!(|text: &str| {
    let (root, part) = text.split_once('\0').unwrap_or((text, ""));
    let read = |path: &str| match path {
        "part.mtmd" => Ok(part.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let root = Source::new("fuzz.mtmd", root);
    let checked = check_files(root.clone(), &read, &Levels::default());
    let refused = has_errors(&checked.diagnostics);
    assert!(checked.spec.is_none() || !refused, "a spec with errors");
    assert!(
        checked.spec.is_some() || checked.part || refused,
        "refused without a reason"
    );
    for found in &checked.diagnostics {
        let edits = found.fix.iter().flat_map(|fix| &fix.edits);
        let labels = found.secondary.iter().chain([&found.primary]);
        for span in edits
            .map(|edit| edit.span)
            .chain(labels.map(|label| label.span))
        {
            let (_, file) = checked.source.file(span.start);
            assert!(span.end <= file.end, "{found:?} leaves its file");
            let whole = span.start == span.end || !checked.source.slice(span).is_empty();
            assert!(whole, "{found:?} cuts a character");
        }
    }
    render_text(&checked.source, &checked.diagnostics, false);
    render_json(&checked.source, &checked.diagnostics);
    render_github(&checked.source, &checked.diagnostics);
    fix(&root, &read, &Levels::default(), false);
    fix(&root, &read, &Levels::default(), true);
});
