//! The lints that a spec allows.

use crate::diagnostics::{Code, Diagnostic, Level};
use crate::sema::context::Context;
use crate::sema::cursor::Cursor;
use crate::sema::literals::raw::repeated;
use crate::sema::outline::Outline;
use crate::sema::spelling::suggest;
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Word};

/// A lint that the spec allows, and where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// The lint.
    pub code: Code,
    /// The code in the spec.
    pub span: Span,
}

/// The lints that the spec allows.
pub(in crate::sema) fn read(context: &mut Context<'_>, outline: &Outline<'_>) -> Vec<Allowed> {
    let mut allowed: Vec<Allowed> = vec![];
    for statement in outline.all("allow") {
        let form = "allow CODE` or `allow [CODE, CODE]";
        context.refuse_doc(statement);
        context.refuse_block(statement, form);
        let mut cursor = Cursor::new(statement, form);
        let atoms: Vec<Atom> = match cursor.peek() {
            Some(AtomKind::List(items)) => {
                cursor.next();
                items.clone()
            }
            _ => match cursor.name(context, "the code of a warning, as `W0501`") {
                Some(Word { text, span }) => vec![Atom {
                    kind: AtomKind::Word(text),
                    span,
                }],
                None => continue,
            },
        };
        cursor.end(context);
        for atom in &atoms {
            if let Some(lint) = lint(context, atom) {
                match allowed.iter().find(|first| first.code == lint.code) {
                    Some(first) => {
                        context.report(repeated(&format!("`{}`", lint.code), lint.span, first.span))
                    }
                    None => allowed.push(lint),
                }
            }
        }
    }
    allowed
}

fn lint(context: &mut Context<'_>, atom: &Atom) -> Option<Allowed> {
    let span = atom.span;
    let AtomKind::Word(text) = &atom.kind else {
        let message = format!("expected a code in this list, not {}", atom.kind.describe());
        context.report(Diagnostic::new(
            Code::E0304,
            message,
            span,
            "expected a code",
        ));
        return None;
    };
    match Code::find(text) {
        Some(code) if code.level() != Level::Error => Some(Allowed { code, span }),
        Some(code) => {
            let message = format!("{code} is an error, and an error cannot be allowed");
            context.report(
                Diagnostic::new(Code::E0304, message, span, "not a warning")
                    .help("mend what it complains of"),
            );
            None
        }
        None => {
            let word = Word {
                text: text.to_uppercase(),
                span,
            };
            let message = format!("there is no warning `{text}`");
            let diagnostic = Diagnostic::new(Code::E0203, message, span, "unknown code");
            let lints = Code::all()
                .iter()
                .filter(|code| code.level() != Level::Error);
            context.report(suggest(
                diagnostic,
                &word,
                lints.map(|code| code.id()),
                "the warnings are",
            ));
            None
        }
    }
}
