//! Names: what may be one, who has it, and what a misspelt one may have meant.

use std::collections::BTreeMap;

use super::context::Context;
use super::spec::Tower;
use crate::diagnostics::{Code, Diagnostic};
use crate::source::{Source, Span};
use crate::syntax::ast::Word;

/// Keywords of Rust, also the reserved and the coming ones: names become fields and modules.
const KEYWORDS: [&str; 53] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "raw",
];

/// What a name is of; each has names of its own that it must not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The model.
    Model,
    /// A surface.
    Surface,
    /// A product.
    Product,
    /// A task.
    Task,
    /// A table that features share.
    Table,
    /// A feature of a tower; features of two towers may have one name.
    Feature(Tower),
    /// A variant.
    Variant,
}

impl Kind {
    /// The domains of a tower.
    pub(super) fn domain(tower: Tower) -> Self {
        match tower {
            Tower::Query => Self::Surface,
            Tower::Item => Self::Product,
        }
    }

    /// The word for it: `surface`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Surface => "surface",
            Self::Product => "product",
            Self::Task => "task",
            Self::Table => "table",
            Self::Feature(_) => "feature",
            Self::Variant => "variant",
        }
    }

    /// Names that would collide in the generated crate, and with what.
    fn reserved(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Model => &MODEL_NAMES,
            Self::Surface | Self::Product => &DOMAIN_NAMES,
            Self::Task => &TASK_NAMES,
            Self::Table | Self::Feature(_) | Self::Variant => &[],
        }
    }
}

const DOMAIN_NAMES: [(&str, &str); 4] = [
    ("shared", "the path of the expert that all domains share"),
    ("task", "the generated name `TaskExpert`"),
    ("surface", "the generated name `SurfaceExpert`"),
    ("product", "the generated name `ProductExpert`"),
];

const TASK_NAMES: [(&str, &str); 5] = [
    ("adapt", "the path of a domain's adaptation"),
    (
        "domain_shared",
        "the path of the expert that a tower's domains share",
    ),
    (
        "task_shared",
        "the path of the expert that a domain's tasks share",
    ),
    ("device", "a variable of generated code"),
    ("mapper", "a variable of generated code"),
];

/// A model's name is a crate, a folder and a struct.
const MODEL_NAMES: [(&str, &str); 46] = [
    ("mtmd", "the runtime's crate"),
    ("mtmdc", "the compiler's crate"),
    ("burn", "a crate of the runtime"),
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
    ("adaptation", "a type of the runtime"),
    ("cross", "a type of the runtime"),
    ("device", "a type of the runtime"),
    ("domains", "a type of the runtime"),
    ("domain_input", "a type of the runtime"),
    ("domain_shared", "a type of the runtime"),
    ("ffn", "a type of the runtime"),
    ("head", "a type of the runtime"),
    ("layout", "a type of the runtime"),
    ("model", "a trait of the runtime"),
    ("module", "a trait of the runtime"),
    ("routing", "a type of the runtime"),
    ("schema", "a type of the runtime"),
    ("shallow", "a type of the runtime"),
    ("shared_experts", "a type of the runtime"),
    ("task_embeddings", "a type of the runtime"),
    ("task_expert", "a type of the runtime"),
    ("tensor", "a type of the runtime"),
    ("tower", "a type of the runtime"),
    ("tower_input", "a type of the runtime"),
    ("tower_output", "a type of the runtime"),
    ("heads", "a generated type"),
    ("item_tower", "a generated type"),
    ("product", "a generated type"),
    ("query_tower", "a generated type"),
    ("surface", "a generated type"),
    ("task", "a generated type"),
    ("option", "a type of Rust"),
    ("result", "a type of Rust"),
    ("vec", "a type of Rust"),
];

/// Why a text cannot be a name of a kind; `None` if it can.
pub fn objection(kind: Kind, text: &str) -> Option<String> {
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

/// Letters of other scripts that look like Latin ones, each with the one that it looks like.
const LOOK_ALIKES: [(char, char); 22] = [
    ('а', 'a'),
    ('е', 'e'),
    ('о', 'o'),
    ('р', 'p'),
    ('с', 'c'),
    ('у', 'y'),
    ('х', 'x'),
    ('і', 'i'),
    ('ј', 'j'),
    ('ѕ', 's'),
    ('һ', 'h'),
    ('ԁ', 'd'),
    ('к', 'k'),
    ('м', 'm'),
    ('т', 't'),
    ('в', 'b'),
    ('н', 'h'),
    ('ο', 'o'),
    ('α', 'a'),
    ('ν', 'v'),
    ('ι', 'i'),
    ('ρ', 'p'),
];

/// A text with Latin letters for those that look like them.
fn latin(text: &str) -> String {
    let like = |c: char| {
        let found = LOOK_ALIKES.iter().find(|(foreign, _)| *foreign == c);
        found.map_or(c, |(_, latin)| *latin)
    };
    text.chars().map(like).collect()
}

/// Names the first character of a word that is not ASCII: it may look as if it were.
fn with_foreign(diagnostic: Diagnostic, word: &str) -> Diagnostic {
    match word.chars().find(|c| !c.is_ascii()) {
        Some(found) => {
            let code_point = u32::from(found);
            diagnostic.note(format!(
                "the `{found}` in it is U+{code_point:04X}, no letter from `a` to `z`"
            ))
        }
        None => diagnostic,
    }
}

/// Reports a name that cannot be one.
pub(super) fn check(context: &mut Context<'_>, name: &Word, kind: Kind) {
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
    } else if let Some((_, owner)) = kind
        .reserved()
        .iter()
        .find(|(reserved, _)| *reserved == name.text)
    {
        reserved(context, name, noun, owner);
    } else if kind == Kind::Task && is_shared_expert(&name.text) {
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

/// Whether a text may stand as a name, of whatever it is.
pub(super) fn is_name(text: &str) -> bool {
    is_snake_case(text) && !KEYWORDS.contains(&text)
}

/// The name that is nearest to a text: `my_shop` to `my-shop`.
pub(super) fn nearest_name(text: &str) -> Option<String> {
    let joined: String = text
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    Some(snake_case(&joined)).filter(|name| is_name(name))
}

fn is_snake_case(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('_').all(part)
}

fn snake_case(name: &str) -> String {
    let mut output = String::new();
    let mut after_lower = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && after_lower {
            output.push('_');
        }
        after_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        output.push(character.to_ascii_lowercase());
    }
    let parts: Vec<&str> = output.split('_').filter(|part| !part.is_empty()).collect();
    parts.join("_")
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
    pub fn declare(&mut self, context: &mut Context<'_>, name: &Word, kind: Kind) -> bool {
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

/// Whether a word is what it was meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Right,
    /// It has been complained about.
    Wrong,
}

/// The candidate that a misspelt word most likely means. Ties go to the first candidate.
pub(super) fn closest<'n>(
    word: &str,
    candidates: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    /// Longer words are no misspelling of anything, and comparing them takes long.
    const LONGEST: usize = 64;
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    let allowed = (length / 3).max(1);
    let lower = latin(&word.to_lowercase());
    candidates
        .into_iter()
        .filter(|candidate| {
            candidate.len() <= LONGEST && candidate.len().abs_diff(length) <= allowed
        })
        .map(|candidate| (strsim::osa_distance(&lower, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Adds the word that a misspelt one means.
pub(super) fn did_you_mean(diagnostic: Diagnostic, word: &Word, meant: &str) -> Diagnostic {
    with_foreign(diagnostic, &word.text).fix(format!("did you mean `{meant}`?"), word.span, meant)
}

/// Adds "did you mean" to a diagnostic, or else the words that there are.
pub(super) fn suggest<'n>(
    diagnostic: Diagnostic,
    word: &Word,
    candidates: impl IntoIterator<Item = &'n str> + Clone,
    what: &str,
) -> Diagnostic {
    const MOST: usize = 20;
    if let Some(candidate) = closest(&word.text, candidates.clone()) {
        return did_you_mean(diagnostic, word, candidate);
    }
    let all = super::context::enumerate(candidates, MOST);
    if all.is_empty() {
        diagnostic
    } else {
        with_foreign(diagnostic, &word.text).note(format!("{what}: {all}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{closest, is_snake_case, pascal_case, snake_case};

    #[test]
    fn names() {
        for good in ["a", "tab0", "home_feed", "a_1"] {
            assert!(is_snake_case(good), "{good}");
        }
        for bad in ["", "_", "A", "homeFeed", "a__b", "a_", "_a", "é", "1a"] {
            assert!(!is_snake_case(bad), "{bad}");
        }
        assert_eq!(snake_case("HomeFeed_2X"), "home_feed_2_x");
        assert_eq!(pascal_case("home_feed_2x"), "HomeFeed2x");
    }

    #[test]
    fn misspellings() {
        assert_eq!(closest("crt", ["ctr", "gctr"]), Some("ctr"));
        assert_eq!(closest("Embeding", ["embedding"]), Some("embedding"));
        assert_eq!(closest("x", ["y", "zzz"]), None);
        assert_eq!(closest("colour", ["rows", "dim"]), None);
    }
}
