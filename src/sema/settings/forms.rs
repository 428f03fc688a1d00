//! What a block may hold: settings and their forms, in tables.

use std::fmt::Debug;

/// A setting of any type: what messages, completion, the reference and tests need of its declaration.
pub trait AnySetting: Debug + Sync {
    /// Its word.
    fn name(&self) -> &'static str;

    /// How it is written.
    fn form(&self) -> Form;

    /// The value of a block that does not give it, as a spec writes it; `None` if it has no fixed one.
    fn default_text(&self) -> Option<String>;

    /// How it is written, for help.
    fn written(&self) -> String {
        self.form().written(self.name())
    }
}

/// The settings that a kind of statement takes.
#[derive(Debug)]
pub struct Table {
    /// Who takes them, with an article: "a task". For messages alone.
    pub owner: &'static str,
    /// Section of the language reference that lists them.
    pub section: Section,
    /// Whether an empty block is reported as idle. It is not where a required setting is reported as missing instead.
    pub empty_is_idle: bool,
    /// The settings.
    pub settings: &'static [&'static dyn AnySetting],
}

/// A table is equal only to itself.
impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Table {}

impl Table {
    /// The setting of a word.
    pub fn find(&self, word: &str) -> Option<&'static dyn AnySetting> {
        let mut settings = self.settings.iter().copied();
        settings.find(|setting| setting.name() == word)
    }

    /// The words of all settings, in the order of the table.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.settings.iter().map(|setting| setting.name())
    }

    /// Whether it contains this setting.
    pub fn holds(&self, setting: &dyn AnySetting) -> bool {
        let mut settings = self.settings.iter();
        settings.any(|held| is_same(*held, setting))
    }
}

/// Whether both are one declaration. Others may have the same word and form, and another default.
pub(in crate::sema) fn is_same(one: &dyn AnySetting, other: &dyn AnySetting) -> bool {
    std::ptr::addr_eq(one, other)
}

/// The word for no value.
pub(in crate::sema) const NONE: &str = "none";
/// The word before the sizes of an FFN that crosses features.
pub(in crate::sema) const MLP: &str = "mlp";

/// A section of the language reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// Tasks.
    Tasks,
    /// Shared tables.
    Tables,
    /// Features.
    Features,
    /// Architecture.
    Architecture,
    /// The split of the rows.
    Split,
    /// Rows.
    Rows,
    /// Evaluation.
    Evaluation,
    /// Training.
    Training,
    /// The budget.
    Budget,
}

/// The form of a setting: its syntax after the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Nothing after the word.
    Flag,
    /// A whole number, at least this.
    Whole(u64),
    /// A whole number, at least this, that counts what may exceed the bound of sizes.
    Large(u64),
    /// A whole number, at least this, or nothing.
    OptionalWhole(u64),
    /// A number.
    Real(Bound),
    /// A number or `none`.
    RealOrNone(Bound),
    /// `[LO, HI]`, LO below HI.
    Interval,
    /// A list of whole numbers above 0, at least one.
    Sizes,
    /// A name.
    Name(NameOf),
    /// A name or a list of names, at least one.
    Names(NameOf),
    /// Strings with `&` between them.
    Columns,
    /// A string.
    Text,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A list of strings or of whole numbers, at least one, or the path of a file of them.
    Values,
    /// A string or a whole number.
    Value,
    /// A list of finite numbers, each above the one before it, at least one.
    Boundaries,
    /// A value, a range or a list of values.
    Ranges,
    /// A block of these settings.
    Block(&'static Table),
    /// A block of these settings, or nothing.
    OptionalBlock(&'static Table),
    /// A whole number, at least this, or `none`.
    WholeOrNone(u64),
    /// A block of these settings, `none`, or `mlp` and a list of sizes.
    Crossing(&'static Table),
}

/// What the names of a setting refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameOf {
    /// Tasks.
    Task,
    /// Shared tables.
    Table,
    /// Surfaces and products; on a feature, those of its tower.
    Domain,
}

/// Which numbers a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Any that is finite.
    Finite,
    /// Above 0.
    Positive,
    /// 0 or above.
    NotNegative,
    /// From 0, below 1.
    Fraction,
}

impl Form {
    /// The words of the language that may follow the setting's own.
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Choice(words) => words,
            Self::RealOrNone(_) | Self::WholeOrNone(_) => &[NONE],
            Self::Crossing(_) => &[NONE, MLP],
            Self::Flag
            | Self::Whole(_)
            | Self::Large(_)
            | Self::OptionalWhole(_)
            | Self::Real(_)
            | Self::Interval
            | Self::Sizes
            | Self::Name(_)
            | Self::Names(_)
            | Self::Columns
            | Self::Text
            | Self::Values
            | Self::Value
            | Self::Boundaries
            | Self::Ranges
            | Self::Block(_)
            | Self::OptionalBlock(_) => &[],
        }
    }

    /// The settings of its block, if it has one.
    pub fn table(self) -> Option<&'static Table> {
        match self {
            Self::Block(table) | Self::OptionalBlock(table) | Self::Crossing(table) => Some(table),
            Self::Flag
            | Self::Whole(_)
            | Self::Large(_)
            | Self::OptionalWhole(_)
            | Self::Real(_)
            | Self::RealOrNone(_)
            | Self::Interval
            | Self::Sizes
            | Self::Name(_)
            | Self::Names(_)
            | Self::Columns
            | Self::Text
            | Self::Choice(_)
            | Self::Values
            | Self::Value
            | Self::Boundaries
            | Self::Ranges
            | Self::WholeOrNone(_) => None,
        }
    }

    /// How a setting of this form is written, for help.
    fn written(self, name: &str) -> String {
        let form = match self {
            Self::Flag => "WORD",
            Self::Whole(_) | Self::Large(_) | Self::OptionalWhole(_) => "WORD N",
            Self::Real(_) => "WORD X",
            Self::RealOrNone(_) => "WORD X` or `WORD none",
            Self::Interval => "WORD [LO, HI]",
            Self::Sizes => "WORD [N, N]",
            Self::Name(_) => "WORD NAME",
            Self::Names(_) => "WORD NAME` or `WORD [NAME, NAME]",
            Self::Columns => "WORD \"COLUMN\" & \"COLUMN\"",
            Self::Text => "WORD \"COLUMN\"",
            Self::Choice(_) => "WORD CHOICE",
            Self::Values => "WORD [VALUE, VALUE]` or `WORD \"FILE\"",
            Self::Value => "WORD VALUE",
            Self::Boundaries => "WORD [X, X]",
            Self::OptionalBlock(_) => "WORD` or `WORD { … }",
            Self::Ranges => "WORD VALUE`, `WORD FIRST .. LAST` or `WORD [VALUE, VALUE]",
            Self::Block(_) => "WORD { … }",
            Self::WholeOrNone(_) => "WORD N` or `WORD none",
            Self::Crossing(_) => "WORD { … }`, `WORD mlp [N, N]` or `WORD none",
        };
        form.replace("WORD", name)
    }
}
