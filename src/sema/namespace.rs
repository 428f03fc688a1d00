//! Names: what each kind may be, and who has it.

use std::collections::BTreeMap;

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::name_kind::NameKind;
use crate::sema::spelling::{KEYWORDS, is_snake_case, latin, snake_case, with_foreign};
use crate::source::{Source, Span};
use crate::syntax::ast::Word;

/// Names that would collide in the generated crate, and with what.
fn collisions(kind: NameKind) -> &'static [(&'static str, &'static str)] {
    match kind {
        NameKind::Model => &MODEL_NAMES,
        NameKind::Surface | NameKind::Product => &DOMAIN_NAMES,
        NameKind::Task => &TASK_NAMES,
        NameKind::Table | NameKind::Feature(_) | NameKind::Variant => &[],
    }
}

const DOMAIN_NAMES: [(&str, &str); 1] =
    [("shared", "the path of the expert that all domains share")];

const TASK_NAMES: [(&str, &str); 3] = [
    ("adapt", "the path of a domain's adaptation"),
    (
        "domain_shared",
        "the path of the expert that a tower's domains share",
    ),
    (
        "task_shared",
        "the path of the expert that a domain's tasks share",
    ),
];

/// A model's name is a crate and a folder.
const MODEL_NAMES: [(&str, &str); 18] = [
    ("mtmd", "the runtime's crate"),
    ("mtmd_options", "a crate of the runtime"),
    ("mtmd_schema", "a crate of the runtime"),
    ("mtmdc", "the compiler's crate"),
    ("cubecl", "a crate of the runtime"),
    ("alloc", "a crate of Rust"),
    ("core", "a crate of Rust"),
    ("proc_macro", "a crate of Rust"),
    ("std", "a crate of Rust"),
    ("test", "a crate of Rust"),
    ("build", "a folder of Cargo"),
    ("deps", "a folder of Cargo"),
    ("examples", "a folder of Cargo"),
    ("incremental", "a folder of Cargo"),
    ("aux", "a name that Windows keeps for a device"),
    ("con", "a name that Windows keeps for a device"),
    ("nul", "a name that Windows keeps for a device"),
    ("prn", "a name that Windows keeps for a device"),
];

/// Why a text cannot be a name of a kind; `None` if it can.
pub fn objection(kind: NameKind, text: &str) -> Option<String> {
    let source = Source::new("", text);
    let mut context = Context::new(&source, &|_| Err(String::new()));
    let name = Word {
        text: text.to_owned(),
        span: Span::new(0, text.len()),
    };
    check(&mut context, &name, kind);
    let found = context.diagnostics.pop()?;
    Some(format!("{}: {}", found.message, found.primary.text))
}

/// Reports a name that cannot be one.
pub(super) fn check(context: &mut Context<'_>, name: &Word, kind: NameKind) {
    let noun = kind.noun();
    if !is_snake_case(&name.text) {
        let diagnostic = Diagnostic::new(
            Code::E0206,
            format!("`{}` is not a valid name of a {noun}", name.text),
            name.span,
            "not `snake_case`",
        )
        .note("a name starts with a lower-case letter; lower-case letters, digits and single `_` follow");
        let better = snake_case(&latin(&name.text));
        let diagnostic = with_foreign(diagnostic, &name.text);
        context.report(match is_snake_case(&better) {
            true => diagnostic.maybe("write it in `snake_case`", name.span, better),
            false => diagnostic,
        });
    } else if KEYWORDS.contains(&name.text.as_str()) {
        reserved(context, name, noun, "a keyword of Rust");
    } else if let Some((_, owner)) = collisions(kind)
        .iter()
        .find(|(reserved, _)| *reserved == name.text)
    {
        reserved(context, name, noun, owner);
    } else if kind == NameKind::Task && is_shared_expert(&name.text) {
        let owner = "the path of an expert that a domain's tasks share";
        reserved(context, name, noun, owner);
    }
}

/// Whether a name is that of a shared expert and a number: there may be several.
fn is_shared_expert(name: &str) -> bool {
    name.strip_prefix("task_shared")
        .or_else(|| name.strip_prefix("domain_shared"))
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
}

fn reserved(context: &mut Context<'_>, name: &Word, noun: &str, owner: &str) {
    context.report(
        Diagnostic::new(
            Code::E0207,
            format!("a {noun} cannot be named `{}`", name.text),
            name.span,
            format!("this is {owner}"),
        )
        .note("names of a spec become names of the generated crate")
        .maybe(
            "choose another name",
            name.span,
            format!("{}_{noun}", name.text),
        ),
    );
}

/// The form that a name has as a type or variant: `home_feed` as `HomeFeed`. What collides is found, and the code
/// is written, by the same rule.
pub fn pascal_case(name: &str) -> String {
    let capital = |part: &str| {
        let mut characters = part.chars();
        characters
            .next()
            .map(|first| first.to_ascii_uppercase())
            .into_iter()
            .chain(characters)
            .collect::<String>()
    };
    name.split('_').map(capital).collect()
}

/// The names of one kind that a file declares, each with its place.
#[derive(Debug)]
pub(super) struct Namespace {
    names: BTreeMap<String, Span>,
    /// Names by the form that they have as types.
    types: BTreeMap<String, (String, Span)>,
    /// Whether all names are known: not so where a declaration could not be read. An unknown name
    /// is then no news.
    pub complete: bool,
}

impl Namespace {
    pub fn new() -> Self {
        Self {
            names: BTreeMap::new(),
            types: BTreeMap::new(),
            complete: true,
        }
    }

    /// Adds a name. Reports one that is not allowed; `false` if it is taken.
    pub fn declare(&mut self, context: &mut Context<'_>, name: &Word, kind: NameKind) -> bool {
        check(context, name, kind);
        if let Some(first) = self.names.get(&name.text) {
            context.report(duplicate(name, kind.noun(), *first));
            return false;
        }
        context.index.define(kind, name);
        self.names.insert(name.text.clone(), name.span);
        true
    }

    /// Reports a name that reads as another one once it is a type, as `tab_1` and `tab1` do.
    pub fn declare_type(&mut self, context: &mut Context<'_>, name: &Word) {
        // What is no name has been reported, and gets another form.
        if !is_snake_case(&name.text) {
            return;
        }
        let form = pascal_case(&name.text);
        match self.types.get(&form) {
            Some((other, first)) if *other != name.text => context.report(
                Diagnostic::new(
                    Code::E0208,
                    format!(
                        "`{}` and `{other}` are the same name in the generated crate",
                        name.text
                    ),
                    name.span,
                    format!("becomes `{form}`"),
                )
                .label(*first, format!("becomes `{form}` too"))
                .help("rename one of them"),
            ),
            Some(_) => {}
            None => {
                self.types.insert(form, (name.text.clone(), name.span));
            }
        }
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }
}

/// A name that is declared twice.
pub(super) fn duplicate(name: &Word, noun: &str, first: Span) -> Diagnostic {
    Diagnostic::new(
        Code::E0204,
        format!("there are two {noun}s `{}`", name.text),
        name.span,
        "declared again here",
    )
    .label(first, "first declared here")
    .help("rename or remove one of them")
}

#[cfg(test)]
mod tests {
    use super::pascal_case;

    #[test]
    fn types_are_in_pascal_case() {
        assert_eq!(pascal_case("home_feed_2x"), "HomeFeed2x");
    }
}
