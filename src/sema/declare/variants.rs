//! The files that a spec uses, and its variants.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::cursor::Cursor;
use crate::sema::name_kind::NameKind;
use crate::sema::namespace::{self, Namespace};
use crate::sema::outline::Outline;
use crate::sema::spelling::suggest;
use crate::syntax::ast::{AtomKind, Statement, Word};
use crate::syntax::merge::Vain;

/// Checks the form of every `use`; the files have been read already.
pub(in crate::sema) fn check_uses(context: &mut Context<'_>, outline: &Outline<'_>) {
    for statement in outline.all("use") {
        let form = "use \"PATH\"";
        context.refuse_doc(statement);
        context.refuse_block(statement, form);
        let mut cursor = Cursor::new(statement, form);
        if cursor.text(context, "a path in quotes").is_some() {
            cursor.end(context);
        }
    }
}

/// A variant that a spec declares.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its name.
    pub name: Word,
    /// The whole statement.
    pub statement: Statement,
}

/// The variants, by place. Their contents are checked once they are laid over the spec.
pub(in crate::sema) fn read(
    context: &mut Context<'_>,
    outline: &Outline<'_>,
    model: &str,
) -> Vec<Variant> {
    let mut namespace = Namespace::new();
    let mut variants = vec![];
    for statement in outline.all("variant") {
        let form = "variant NAME { … }";
        let mut cursor = Cursor::new(statement, form);
        let name = cursor.name(context, "the variant's name");
        if name.is_some() {
            cursor.end(context);
        }
        let block = context.require_block(statement, form);
        let (Some(name), Some(block)) = (name, block) else {
            continue;
        };
        if !namespace.declare(context, &name, NameKind::Variant) {
            continue;
        }
        for inner in &block.statements {
            refuse_in_variant(context, inner);
        }
        let full = Word {
            text: format!("{model}_{}", name.text),
            span: name.span,
        };
        namespace::check(context, &full, NameKind::Model);
        variants.push(Variant {
            name,
            statement: statement.clone(),
        });
    }
    variants
}

fn refuse_in_variant(context: &mut Context<'_>, statement: &Statement) {
    let word = &statement.word;
    if ["model", "use", "variant", "allow"].contains(&&*word.text) {
        let message = format!("a variant has no `{}`", word.text);
        context.report(
            Diagnostic::new(Code::E0307, message, word.span, "does not belong here")
                .note(
                    "a variant changes what its spec declares; its model is called `MODEL_VARIANT`",
                )
                .help("move it out of the variant"),
        );
    }
}

/// Reports a `without` that removes nothing.
pub(in crate::sema) fn report_vain(context: &mut Context<'_>, vain: &Vain) {
    let AtomKind::Word(name) = &vain.atom.kind else {
        return;
    };
    let word = Word {
        text: name.clone(),
        span: vain.atom.span,
    };
    let message = format!("there is no `{name}` to remove here");
    let diagnostic = Diagnostic::new(Code::E0203, message, word.span, "unknown name");
    let names = vain.names.iter().map(String::as_str);
    context.report(suggest(diagnostic, &word, names, "there are"));
}
