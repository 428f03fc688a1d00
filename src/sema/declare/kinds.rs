//! Kinds of features, and the settings of each.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::declare::cells::ON;
use crate::sema::declare::embeddings::EMBEDDINGS;
use crate::sema::declare::tables::{DIM, HASH, OOV, ROWS, VALUES, VOCABULARY};
use crate::sema::literals::Text;
use crate::sema::literals::raw::Raw;
use crate::sema::sentence::enumerate;
use crate::sema::settings::declaration::{Defaulted, Flag, OneOf, Setting};
use crate::sema::settings::forms::{Bound, NameOf, Section, Table as SettingsTable};
use crate::sema::spec::{Pool, Transform, Unit};
use crate::sema::spelling::{Spelling, closest, suggest};
use crate::syntax::ast::{Atom, AtomKind, Block, Statement, Word};

pub(in crate::sema) static TABLE: Setting<Word> = Setting::name("table", NameOf::Table);
pub(in crate::sema) static SHALLOW: Setting<Flag> = Setting::flag("shallow");
pub(in crate::sema) static DEFAULT: Setting<Raw> = Setting::raw("default");
pub(in crate::sema) static UNIT: Defaulted<OneOf<Unit>> =
    Setting::choice("unit").default(Unit::DEFAULT);
pub(in crate::sema) static POOL: Defaulted<OneOf<Pool>> =
    Setting::choice("pool").default(Pool::DEFAULT);
pub(in crate::sema) static WEIGHTS: Setting<Text> = Setting::column("weights");
pub(in crate::sema) static LAST: Setting<usize> = Setting::size("last", 1);
pub(in crate::sema) static LOG: Setting<Flag> = Setting::flag("log");
pub(in crate::sema) static CLIP: Setting<(f64, f64)> = Setting::interval("clip");
/// The default of a number; those of other kinds are raw values.
pub(in crate::sema) static DEFAULT_NUMBER: Defaulted<f64> =
    Setting::real("default", Bound::Finite).default(Transform::DEFAULT.default);
pub(in crate::sema) static STANDARDISE: Setting<Option<Block>> =
    Setting::optional_block("standardise", &STANDARDISE_BLOCK);
pub(in crate::sema) static BUCKETISE: Setting<Vec<f64>> = Setting::boundaries("bucketise");
pub(in crate::sema) static MEAN: Setting<f64> = Setting::real("mean", Bound::Finite);
pub(in crate::sema) static STD: Setting<f64> = Setting::real("std", Bound::Positive);

pub(in crate::sema) static ID: SettingsTable = SettingsTable {
    owner: "an `id`",
    section: Section::Features,
    empty_is_idle: false,
    settings: &[
        &ROWS,
        &DIM,
        &TABLE,
        &VOCABULARY,
        &VALUES,
        &OOV,
        &EMBEDDINGS,
        &DEFAULT,
        &UNIT,
        &SHALLOW,
        &ON,
    ],
};
pub(in crate::sema) static IDS: SettingsTable = SettingsTable {
    owner: "an `ids`",
    section: Section::Features,
    empty_is_idle: false,
    settings: &[
        &ROWS,
        &DIM,
        &TABLE,
        &VOCABULARY,
        &VALUES,
        &OOV,
        &EMBEDDINGS,
        &POOL,
        &WEIGHTS,
        &LAST,
        &SHALLOW,
        &ON,
    ],
};
pub(in crate::sema) static CATEGORY: SettingsTable = SettingsTable {
    owner: "a `category`",
    section: Section::Features,
    empty_is_idle: false,
    settings: &[
        &ROWS,
        &DIM,
        &TABLE,
        &VOCABULARY,
        &HASH,
        &VALUES,
        &OOV,
        &EMBEDDINGS,
        &DEFAULT,
        &UNIT,
        &SHALLOW,
        &ON,
    ],
};
pub(in crate::sema) static NUMBER: SettingsTable = SettingsTable {
    owner: "a `number`",
    section: Section::Features,
    empty_is_idle: false,
    settings: &[
        &LOG,
        &CLIP,
        &DEFAULT_NUMBER,
        &STANDARDISE,
        &BUCKETISE,
        &DIM,
        &SHALLOW,
        &UNIT,
        &ON,
    ],
};
pub(in crate::sema) static STANDARDISE_BLOCK: SettingsTable = SettingsTable {
    owner: "`standardise`",
    section: Section::Features,
    empty_is_idle: false,
    settings: &[&MEAN, &STD],
};
pub(in crate::sema) static VECTOR: SettingsTable = SettingsTable {
    owner: "a `vector`",
    section: Section::Features,
    empty_is_idle: false,
    settings: &[&ON],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sema) enum Kind {
    Id,
    Ids,
    Category,
    Number,
    Vector,
}

const KINDS: [(&str, Kind); 5] = [
    ("id", Kind::Id),
    ("ids", Kind::Ids),
    ("category", Kind::Category),
    ("number", Kind::Number),
    ("vector", Kind::Vector),
];

impl Kind {
    pub fn settings(self) -> &'static SettingsTable {
        match self {
            Self::Id => &ID,
            Self::Ids => &IDS,
            Self::Category => &CATEGORY,
            Self::Number => &NUMBER,
            Self::Vector => &VECTOR,
        }
    }

    pub fn form(self) -> &'static str {
        match self {
            Self::Id => "id NAME from \"COLUMN\" { … }",
            Self::Ids => "ids NAME from \"COLUMN\" { … }",
            Self::Category => "category NAME from \"COLUMN\" { … }",
            Self::Number => "number NAME from \"COLUMN\" { … }",
            Self::Vector => "vector NAME N from \"COLUMN\" { … }",
        }
    }
}

/// The words of all kinds, and how a feature of each is written.
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS.iter().map(|(word, kind)| (*word, kind.form()))
}

/// A name that stands before its kind: `clicks_7d number`.
fn swapped(name: &Word, kind: &Word) -> Diagnostic {
    let message = format!("`{}` is no kind of feature", name.text);
    Diagnostic::new(Code::E0201, message, name.span, "unknown kind")
        .label(kind.span, "this is one")
        .fix(
            "the kind stands before the name",
            name.span.to(kind.span),
            format!("{} {}", kind.text, name.text),
        )
}

/// The kind that a statement starts with. A misspelt one counts as what it was meant to be.
pub(in crate::sema) fn find_kind(
    context: &mut Context<'_>,
    statement: &Statement,
) -> Option<(Kind, Spelling)> {
    let word = &statement.word;
    let named = |text: &str| {
        KINDS
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, kind)| *kind)
    };
    if let Some(kind) = named(&word.text) {
        return Some((kind, Spelling::Right));
    }
    let words = KINDS.iter().map(|(name, _)| *name);
    // A name where the kind belongs is the likelier mistake when no name follows it.
    let lacks_kind = !matches!(statement.atoms.first().map(|atom| &atom.kind), Some(AtomKind::Word(name)) if name != "from");
    let kind_after = statement.atoms.first().and_then(Atom::as_word);
    if let Some(kind) = kind_after.filter(|kind| named(&kind.text).is_some()) {
        context.report(swapped(word, &kind));
        return None;
    }
    let message = format!("`{}` is no kind of feature", word.text);
    let diagnostic = Diagnostic::new(Code::E0201, message, word.span, "unknown kind");
    if lacks_kind && statement.damaged {
        return None;
    }
    if lacks_kind {
        let kinds = enumerate(words, 12);
        context.report(
            diagnostic
                .help("the kind stands before the name: `id user_id { … }`")
                .note(format!("the kinds are {kinds}")),
        );
        return None;
    }
    context.report(suggest(diagnostic, word, words.clone(), "the kinds are"));
    let meant = closest(&word.text, words).and_then(named)?;
    Some((meant, Spelling::Wrong))
}
