//! What a block may hold: settings and their forms, in tables.

/// One setting that a block may hold.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its word.
    pub name: &'static str,
    /// How it is written.
    pub form: Form,
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
    /// What they are.
    pub settings: &'static [Setting],
}

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

/// A setting of some name and form.
pub(super) const fn setting(name: &'static str, form: Form) -> Setting {
    Setting { name, form }
}

/// How a setting is written.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// Nothing after the word.
    Flag,
    /// A whole number, at least this.
    Whole(u64),
    /// A whole number, at least this, that counts what may be more than [`MAX_SIZE`](super::spec::MAX_SIZE).
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
    Name,
    /// A name or a list of names, at least one.
    Names,
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
    /// A block.
    Block,
    /// A block or nothing.
    OptionalBlock,
    /// A whole number, at least this, or `none`.
    WholeOrNone(u64),
    /// A block, `none`, or `mlp` and a list of sizes.
    Crossing,
}

/// Which numbers a setting takes.
#[derive(Debug, Clone, Copy)]
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

impl Setting {
    /// How it is written, for help.
    pub fn written(&self) -> String {
        let form = match self.form {
            Form::Flag => "WORD",
            Form::Whole(_) | Form::Large(_) | Form::OptionalWhole(_) => "WORD N",
            Form::Real(_) => "WORD X",
            Form::RealOrNone(_) => "WORD X` or `WORD none",
            Form::Interval => "WORD [LO, HI]",
            Form::Sizes => "WORD [N, N]",
            Form::Name => "WORD NAME",
            Form::Names => "WORD NAME` or `WORD [NAME, NAME]",
            Form::Columns => "WORD \"COLUMN\" & \"COLUMN\"",
            Form::Text => "WORD \"COLUMN\"",
            Form::Choice(_) => "WORD CHOICE",
            Form::Values => "WORD [VALUE, VALUE]` or `WORD \"FILE\"",
            Form::Value => "WORD VALUE",
            Form::Boundaries => "WORD [X, X]",
            Form::OptionalBlock => "WORD` or `WORD { … }",
            Form::Ranges => "WORD VALUE`, `WORD FIRST .. LAST` or `WORD [VALUE, VALUE]",
            Form::Block => "WORD { … }",
            Form::WholeOrNone(_) => "WORD N` or `WORD none",
            Form::Crossing => "WORD { … }`, `WORD mlp [N, N]` or `WORD none",
        };
        form.replace("WORD", self.name)
    }
}
