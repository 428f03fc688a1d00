//! Kinds of features, and the settings of each.

use super::context::{Context, enumerate};
use super::names::{Spelling, closest, suggest};
use super::settings::{Setting, Table as SettingsTable, setting};
use super::spec::{Choice, Pool, Unit};
use super::value::{Bound, Form};
use crate::diagnostics::{Code, Diagnostic};
use crate::syntax::ast::{Atom, AtomKind, Statement, Word};

const ON: Setting = setting("on", Form::Names);
const ROWS: Setting = setting("rows", Form::Whole(2));
const DIM: Setting = setting("dim", Form::Whole(1));
const TABLE: Setting = setting("table", Form::Name);
const VOCABULARY: Setting = setting("vocabulary", Form::OptionalWhole(1));
const VALUES: Setting = setting("values", Form::Values);
const SHALLOW: Setting = setting("shallow", Form::Flag);
const OOV: Setting = setting("oov", Form::Whole(0));
const DEFAULT: Setting = setting("default", Form::Value);
const EMBEDDINGS: Setting = setting("embeddings", Form::Block);
const UNIT: Setting = setting("unit", Form::Choice(Unit::WORDS));

pub(super) static ID: SettingsTable = SettingsTable {
    owner: "an `id`",
    settings: &[
        ROWS, DIM, TABLE, VOCABULARY, VALUES, OOV, EMBEDDINGS, DEFAULT, UNIT, SHALLOW, ON,
    ],
};
pub(super) static IDS: SettingsTable = SettingsTable {
    owner: "an `ids`",
    settings: &[
        ROWS,
        DIM,
        TABLE,
        VOCABULARY,
        VALUES,
        OOV,
        EMBEDDINGS,
        setting("pool", Form::Choice(Pool::WORDS)),
        setting("weights", Form::Text),
        setting("last", Form::Whole(1)),
        SHALLOW,
        ON,
    ],
};
pub(super) static CATEGORY: SettingsTable = SettingsTable {
    owner: "a `category`",
    settings: &[
        ROWS,
        DIM,
        TABLE,
        VOCABULARY,
        setting("hash", Form::Flag),
        VALUES,
        OOV,
        EMBEDDINGS,
        DEFAULT,
        UNIT,
        SHALLOW,
        ON,
    ],
};
pub(super) static NUMBER: SettingsTable = SettingsTable {
    owner: "a `number`",
    settings: &[
        setting("log", Form::Flag),
        setting("clip", Form::Interval),
        setting("default", Form::Real(Bound::Finite)),
        setting("standardise", Form::OptionalBlock),
        setting("bucketise", Form::Boundaries),
        DIM,
        SHALLOW,
        UNIT,
        ON,
    ],
};
pub(super) static STANDARDISE: SettingsTable = SettingsTable {
    owner: "`standardise`",
    settings: &[
        setting("mean", Form::Real(Bound::Finite)),
        setting("std", Form::Real(Bound::Positive)),
    ],
};
pub(super) static VECTOR: SettingsTable = SettingsTable {
    owner: "a `vector`",
    settings: &[ON],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
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
pub(super) fn find_kind(
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
