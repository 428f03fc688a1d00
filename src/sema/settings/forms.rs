//! What a block may hold: settings and their forms, in tables.

use std::fmt::Debug;

/// A setting of any type: what messages, editors, the reference and tests need of its declaration.
pub trait AnySetting: Debug + Sync {
    /// Its word.
    fn name(&self) -> &'static str;

    /// How it is written.
    fn form(&self) -> Form;

    /// What it does, in Markdown.
    fn help(&self) -> &'static str;

    /// What holds for a block that does not give it, in Markdown: its default as a spec writes it, or words.
    fn default_text(&self) -> Option<String>;

    /// How it is written, for help: several ways are apart by backticks.
    fn written(&self) -> String {
        self.form().written(self.name())
    }
}

/// The settings that a kind of statement takes.
#[derive(Debug)]
pub struct SettingsTable {
    /// Who takes them, with an article: "a task". For messages alone.
    pub owner: &'static str,
    /// Whether an empty block is reported as idle. It is not where a required setting is reported as missing instead.
    pub empty_is_idle: bool,
    /// The settings.
    pub settings: &'static [&'static dyn AnySetting],
}

/// A table is equal only to itself.
impl PartialEq for SettingsTable {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for SettingsTable {}

impl SettingsTable {
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
    Block(&'static SettingsTable),
    /// A block of these settings, or nothing.
    OptionalBlock(&'static SettingsTable),
    /// A whole number, at least this, or `none`.
    WholeOrNone(u64),
    /// A block of these settings, `none`, or `mlp` and a list of sizes.
    Crossing(&'static SettingsTable),
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
    pub fn table(self) -> Option<&'static SettingsTable> {
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
        let values: &[&str] = match self {
            Self::Flag => &[""],
            Self::Whole(_) | Self::Large(_) => &["N"],
            Self::OptionalWhole(_) => &["", "N"],
            Self::WholeOrNone(_) => &["N", NONE],
            Self::Real(_) => &["X"],
            Self::RealOrNone(_) => &["X", NONE],
            Self::Interval => &["[LO, HI]"],
            Self::Sizes => &["[N, N]"],
            Self::Name(NameOf::Task) => &["TASK"],
            Self::Name(NameOf::Table) => &["TABLE"],
            Self::Name(NameOf::Domain) => &["NAME"],
            Self::Names(_) => &["NAME", "[NAME, NAME]"],
            Self::Columns => &["\"COLUMN\" & \"COLUMN\""],
            Self::Text => &["\"COLUMN\""],
            Self::Choice(words) => words,
            Self::Values => &["[VALUE, VALUE]", "\"FILE\""],
            Self::Value => &["VALUE"],
            Self::Boundaries => &["[X, X]"],
            Self::Ranges => &["VALUE", "FIRST .. LAST", "[VALUE, VALUE]"],
            Self::Block(_) => &["{ … }"],
            Self::OptionalBlock(_) => &["", "{ … }"],
            Self::Crossing(_) => &["{ … }", "mlp [N, N]", NONE],
        };
        let with = |value: &&str| format!("{name} {value}").trim_end().to_owned();
        let ways: Vec<String> = values.iter().map(with).collect();
        match ways.split_last() {
            Some((last, rest)) if !rest.is_empty() => {
                format!("{}` or `{last}", rest.join("`, `"))
            }
            _ => ways.concat(),
        }
    }
}
