//! What a spec is made of beside declarations: the files that it uses, its variants, its budget,
//! and the lints that it allows.

use super::context::Context;
use super::head::Head;
use super::names::{self, Kind, Namespace, suggest};
use super::outline::Outline;
use super::settings::{Settings, Table as SettingsTable, setting};
use super::spec::Budget;
use super::value::Form;
use crate::diagnostics::{Code, Diagnostic, Level};
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Statement, Word};
use crate::syntax::merge::Vain;

pub(super) static BUDGET: SettingsTable = SettingsTable {
    owner: "`budget`",
    settings: &[
        setting("parameters", Form::Large(1)),
        setting("flops_per_request", Form::Large(1)),
        setting("bytes_per_item", Form::Whole(1)),
        setting("candidates", Form::Whole(1)),
    ],
};

/// Checks the form of every `use`; the files have been read already.
pub(super) fn check_uses(context: &mut Context<'_>, outline: &Outline<'_>) {
    for statement in outline.all("use") {
        let form = "use \"PATH\"";
        context.refuse_doc(statement);
        context.refuse_block(statement, form);
        let mut head = Head::new(statement, form);
        if head.text(context, "a path in quotes").is_some() {
            head.end(context);
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

/// The variants, by place. What they say is checked once they are laid over the spec.
pub(super) fn variants(
    context: &mut Context<'_>,
    outline: &Outline<'_>,
    model: &str,
) -> Vec<Variant> {
    let mut namespace = Namespace::new();
    let mut variants = vec![];
    for statement in outline.all("variant") {
        let form = "variant NAME { … }";
        let mut head = Head::new(statement, form);
        let name = head.name(context, "the variant's name");
        if name.is_some() {
            head.end(context);
        }
        let block = context.require_block(statement, form);
        let (Some(name), Some(block)) = (name, block) else {
            continue;
        };
        if !namespace.declare(context, &name, Kind::Variant) {
            continue;
        }
        for inner in &block.statements {
            refuse_in_variant(context, inner);
        }
        let full = Word {
            text: format!("{model}_{}", name.text),
            span: name.span,
        };
        names::check(context, &full, Kind::Model);
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
pub(super) fn report_vain(context: &mut Context<'_>, vain: &Vain) {
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

/// Where the spec sets the limits of its budget.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Of `parameters`.
    pub parameters: Option<Span>,
    /// Of `flops_per_request`.
    pub flops_per_request: Option<Span>,
    /// Of `bytes_per_item`.
    pub bytes_per_item: Option<Span>,
}

/// What the model may cost, and where the spec says so.
pub(super) fn budget(context: &mut Context<'_>, statement: Option<&Statement>) -> (Budget, Limits) {
    let (mut budget, mut limits) = (Budget::DEFAULT, Limits::default());
    let Some(statement) = statement else {
        return (budget, limits);
    };
    let form = "budget { parameters N, flops_per_request N, bytes_per_item N }";
    context.refuse_doc(statement);
    Head::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &BUDGET);
    let span = |name: &str| settings.get(name).map(|given| given.span);
    budget.parameters = settings.whole("parameters");
    limits.parameters = span("parameters");
    budget.flops_per_request = settings.whole("flops_per_request");
    limits.flops_per_request = span("flops_per_request");
    budget.bytes_per_item = settings.whole("bytes_per_item");
    limits.bytes_per_item = span("bytes_per_item");
    if let Some(candidates) = settings.get("candidates") {
        budget.candidates = settings.whole("candidates").unwrap_or(budget.candidates);
        if budget.flops_per_request.is_none() && settings.lacks("flops_per_request") {
            context.report(
                Diagnostic::new(
                    Code::E0302,
                    "`candidates` has nothing to count for",
                    candidates.span,
                    "`flops_per_request` is not given",
                )
                .help("add `flops_per_request N`, or remove `candidates`"),
            );
        }
    }
    (budget, limits)
}

/// A lint that the spec allows, and where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// The lint.
    pub code: Code,
    /// The code in the spec.
    pub span: Span,
}

/// The lints that the spec allows.
pub(super) fn allowed(context: &mut Context<'_>, outline: &Outline<'_>) -> Vec<Allowed> {
    let mut allowed: Vec<Allowed> = vec![];
    for statement in outline.all("allow") {
        let form = "allow CODE` or `allow [CODE, CODE]";
        context.refuse_doc(statement);
        context.refuse_block(statement, form);
        let mut head = Head::new(statement, form);
        let atoms: Vec<Atom> = match head.peek() {
            Some(AtomKind::List(items)) => {
                head.next();
                items.clone()
            }
            _ => match head.name(context, "the code of a warning, as `W0501`") {
                Some(Word { text, span }) => vec![Atom {
                    kind: AtomKind::Word(text),
                    span,
                }],
                None => continue,
            },
        };
        head.end(context);
        for atom in &atoms {
            if let Some(lint) = lint(context, atom) {
                match allowed.iter().find(|first| first.code == lint.code) {
                    Some(first) => context.report(super::raw::repeated(
                        &format!("`{}`", lint.code),
                        lint.span,
                        first.span,
                    )),
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
