//! What the formatter takes keeps its tree and its comments, and is formatted after one time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mtmdc::source::Source;
use mtmdc::syntax::ast::{Atom, AtomKind, Statement};
use mtmdc::syntax::{format, parse};
use std::fmt::Write;

fuzz_target!(|text: &str| {
    let source = Source::new("fuzz.mtmd", text);
    let Ok(once) = format(&source) else {
        assert!(
            !parse(&source).diagnostics.is_empty(),
            "refused without a reason"
        );
        return;
    };
    let formatted = Source::new("fuzz.mtmd", once.as_str());
    assert_eq!(meaning(&source), meaning(&formatted));
    assert_eq!(format(&formatted).as_deref(), Ok(once.as_str()));
});

/// The tree without its places, and the comments.
fn meaning(source: &Source) -> String {
    let file = parse(source).file;
    let mut text = String::new();
    show(&mut text, &file.statements);
    for comment in &file.comments {
        text.push('\n');
        text.push_str(source.slice(comment.span));
    }
    text
}

fn show(text: &mut String, statements: &[Statement]) {
    for statement in statements {
        let doc = statement.doc.as_ref().map(|doc| &doc.text);
        let _ = write!(text, "\n{doc:?} {}", statement.word.text);
        atoms(text, &statement.atoms);
        if let Some(block) = &statement.block {
            text.push('{');
            show(text, &block.statements);
            text.push('}');
        }
    }
}

fn atoms(text: &mut String, list: &[Atom]) {
    for atom in list {
        match &atom.kind {
            AtomKind::List(values) => {
                text.push('[');
                atoms(text, values);
                text.push(']');
            }
            AtomKind::Number(number) => text.push_str(&number.text),
            other => {
                let _ = write!(text, " {other:?}");
            }
        }
    }
}
