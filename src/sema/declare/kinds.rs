//! Kinds of features, and the settings of each.

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::declare::tables::{DIM, EMBEDDINGS, HASH, OOV, ROWS, VALUES, VOCABULARY};
use crate::sema::literals::Text;
use crate::sema::literals::raw::Raw;
use crate::sema::sentence::enumerate;
use crate::sema::settings::declaration::{Defaulted, Flag, OneOf, Setting};
use crate::sema::settings::forms::{Bound, NameOf, SettingsTable};
use crate::sema::spec::{Pool, Transform, Unit};
use crate::sema::spelling::{Spelling, closest, suggest};
use crate::syntax::ast::{Atom, AtomKind, Block, Statement, Word};

pub(in crate::sema) static TABLE: Setting<Word> = Setting::name("table", NameOf::Table)
    .help("a shared table, instead of `rows`, `dim`, the vocabulary and `embeddings`")
    .without("its own");
pub(in crate::sema) static SHALLOW: Setting<Flag> = Setting::flag("shallow")
    .help("the shallow experts read it: for the high-level categories of the domain")
    .without("no");
pub(in crate::sema) static DEFAULT: Setting<Raw> = Setting::raw("default")
    .help("the raw value that replaces a missing one; with `values`, one of them")
    .without("row 0");
pub(in crate::sema) static UNIT: Defaulted<OneOf<Unit>> = Setting::choice("unit")
    .help("unit of a whole number that is a time, for `from PART of \"COLUMN\"`")
    .default(Unit::DEFAULT);
pub(in crate::sema) static POOL: Defaulted<OneOf<Pool>> = Setting::choice("pool")
    .help("the mean or the sum of the embeddings of the list's entries")
    .default(Pool::DEFAULT);
pub(in crate::sema) static WEIGHTS: Setting<Text> = Setting::column("weights")
    .help(
        "a list of numbers of 0 or above, as long as the list itself: the mean is then sum(w \
         · e) / sum(w) and the sum is sum(w · e), over the entries that are not row 0",
    )
    .without("1 each");
pub(in crate::sema) static LAST: Setting<usize> = Setting::size("last", 1)
    .help("only the last N entries of the list are read")
    .without("all");
pub(in crate::sema) static LOG: Setting<Flag> = Setting::flag("log")
    .help("sign(x) ln(1 + abs(x))")
    .without("no");
pub(in crate::sema) static CLIP: Setting<(f64, f64)> = Setting::interval("clip")
    .help("clamps the number, before `log`; LO below HI")
    .without("no");
/// The default of a number; those of other kinds are raw values.
pub(in crate::sema) static DEFAULT_NUMBER: Defaulted<f64> = Setting::real("default", Bound::Finite)
    .help(
        "value of a missing number, before all else; a missing bucketised one is row 0 \
         without it",
    )
    .default(Transform::DEFAULT.default);
pub(in crate::sema) static STANDARDISE: Setting<Option<Block>> =
    Setting::optional_block("standardise", &STANDARDISE_BLOCK)
        .help(
            "(x - mean) / std after `clip` and `log`. Alone it learns both from the training rows \
             that have the number; they are stored with the checkpoint",
        )
        .without("no");
pub(in crate::sema) static BUCKETISE: Setting<Vec<f64>> = Setting::boundaries("bucketise")
    .help(
        "cuts the number at boundaries, which ascend, into an embedded feature: below the \
         first, from the first to below the second, and so on. It takes `dim` and may take \
         `shallow`; its table has a row for each bucket and row 0. It excludes `log`, `clip` \
         and `standardise`",
    )
    .without("no");
pub(in crate::sema) static MEAN: Setting<f64> = Setting::real("mean", Bound::Finite)
    .help("the mean to subtract")
    .required();
pub(in crate::sema) static STD: Setting<f64> = Setting::real("std", Bound::Positive)
    .help("the standard deviation to divide by")
    .required();
/// The domains that have a feature.
pub(in crate::sema) static ON: Setting<Vec<Word>> = Setting::names("on", NameOf::Domain)
    .help("the domains that have the feature: surfaces in `query`, products in `item`")
    .without("every domain of the tower");

pub(in crate::sema) static ID: SettingsTable = SettingsTable {
    owner: "an `id`",
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
    empty_is_idle: false,
    settings: &[&MEAN, &STD],
};
pub(in crate::sema) static VECTOR: SettingsTable = SettingsTable {
    owner: "a `vector`",
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

    fn help(self) -> &'static str {
        match self {
            Self::Id => "one value, hashed by default",
            Self::Ids => "a list of values, pooled",
            Self::Category => "one value of a few, with a learned vocabulary by default",
            Self::Number => "a number",
            Self::Vector => "a list of `N` floats",
        }
    }
}

/// How a feature of a kind is declared.
#[derive(Debug)]
pub struct KindForm {
    /// The kind's word.
    pub word: &'static str,
    /// How a feature of the kind is written.
    pub form: &'static str,
    /// What such a feature is, in Markdown without links.
    pub help: &'static str,
}

/// The kinds of features.
pub fn kinds() -> impl Iterator<Item = KindForm> {
    KINDS.iter().map(|(word, kind)| KindForm {
        word,
        form: kind.form(),
        help: kind.help(),
    })
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
