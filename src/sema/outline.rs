//! The outline of a file: which statement is which, what stands twice, what is missing.

use std::borrow::Cow;

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::sentence::enumerate;
use crate::sema::spelling::{Spelling, closest, did_you_mean, suggest};
use crate::source::Span;
use crate::syntax::ast::{File, Statement};

/// A statement of the file: how it is written, and how often.
#[derive(Debug)]
pub struct StatementForm {
    /// Its word.
    pub word: &'static str,
    /// How it is written: several ways are apart by backticks.
    pub form: &'static str,
    /// What it declares, in Markdown without links.
    pub help: &'static str,
    /// How often a spec has it.
    pub times: Times,
}

/// How often a spec has a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// In every spec, once.
    Once,
    /// Once or not.
    AtMostOnce,
    /// Any number of times.
    Any,
}

impl Times {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::AtMostOnce => "at most once",
            Self::Any => "any number of times",
        }
    }
}

const fn required(word: &'static str, form: &'static str, help: &'static str) -> StatementForm {
    let times = Times::Once;
    StatementForm {
        word,
        form,
        help,
        times,
    }
}

const fn optional(word: &'static str, form: &'static str, help: &'static str) -> StatementForm {
    let times = Times::AtMostOnce;
    StatementForm {
        word,
        form,
        help,
        times,
    }
}

const fn repeated(word: &'static str, form: &'static str, help: &'static str) -> StatementForm {
    let times = Times::Any;
    StatementForm {
        word,
        form,
        help,
        times,
    }
}

static FORMS: [StatementForm; 17] = [
    required(
        "model",
        "model NAME",
        "name of the model, of its crate and its folder",
    ),
    required(
        "surfaces",
        "surfaces from \"COLUMN\" { … }",
        "domains of the query tower",
    ),
    required(
        "products",
        "products from \"COLUMN\" { … }",
        "domains of the item tower",
    ),
    required("tasks", "tasks { … }", "prediction tasks"),
    required("query", "query { … }", "features of the query tower"),
    required("item", "item { … }", "features of the item tower"),
    optional(
        "data",
        "data \"PATH\"",
        "a Parquet file or a folder of them, relative to the spec, or a URL; `--data` overrides it",
    ),
    repeated(
        "table",
        "table NAME { … }",
        "an embedding table that features share",
    ),
    repeated(
        "architecture",
        "architecture { … }` or `architecture on NAME { … }",
        "what differs from the paper's architecture, for all domains (at most once) or for some",
    ),
    optional(
        "split",
        "split by \"COLUMN\" { … }",
        "which rows train, validate and test",
    ),
    optional(
        "rows",
        "rows { … }",
        "the fate of bad rows, weights and requests",
    ),
    optional(
        "training",
        "training { … }",
        "hyperparameters and the policy of the run",
    ),
    optional("evaluation", "evaluation { … }", "how the report is made"),
    optional("budget", "budget { … }", "limits on the cost of the model"),
    repeated("use", "use \"PATH\"", "another file's declarations"),
    repeated(
        "variant",
        "variant NAME { … }",
        "the same model with some changes",
    ),
    repeated("allow", "allow CODE", "warnings that are not shown"),
];

/// The statements of a file.
pub fn statements() -> &'static [StatementForm] {
    &FORMS
}

/// The statements of a file, by their word.
pub(super) struct Outline<'s> {
    once: Vec<(&'static str, Cow<'s, Statement>)>,
    repeated: Vec<(&'static str, Cow<'s, Statement>)>,
    /// Whether a statement may be missing only because it could not be read.
    pub damaged: bool,
}

impl<'s> Outline<'s> {
    pub fn read(context: &mut Context<'_>, file: &'s File) -> Self {
        let mut outline = Self {
            once: Vec::new(),
            repeated: Vec::new(),
            damaged: file.damaged,
        };
        for statement in &file.statements {
            let Some((form, spelling)) = find(context, statement) else {
                outline.damaged = true;
                continue;
            };
            let statement = match spelling {
                Spelling::Right => Cow::Borrowed(statement),
                Spelling::Wrong => Cow::Owned(Statement {
                    damaged: true,
                    ..statement.clone()
                }),
            };
            match form.times {
                Times::Any => outline.repeated.push((form.word, statement)),
                Times::Once | Times::AtMostOnce => outline.add(context, form.word, statement),
            }
        }
        outline.report_missing(context);
        outline
    }

    /// The statement of a word, if there is one.
    pub fn get(&self, word: &str) -> Option<&Statement> {
        self.once
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, statement)| &**statement)
    }

    /// The statements of a word that may stand any number of times.
    pub fn all(&self, word: &str) -> impl Iterator<Item = &Statement> {
        let of_word = self.repeated.iter().filter(move |(name, _)| *name == word);
        of_word.map(|(_, statement)| &**statement)
    }

    /// Whether this is a part: a file for others to use, with none of what says where its
    /// features and tasks belong.
    pub fn is_part(&self) -> bool {
        let lacks = |word: &str| self.get(word).is_none();
        let holds = |word: &str| !lacks(word) || self.all(word).next().is_some();
        !self.damaged
            && ["model", "surfaces", "products"].into_iter().all(lacks)
            && ["tasks", "query", "item", "table"].into_iter().any(holds)
    }

    fn add(
        &mut self,
        context: &mut Context<'_>,
        word: &'static str,
        statement: Cow<'s, Statement>,
    ) {
        if let Some(first) = self.get(word) {
            context.report(
                Diagnostic::new(
                    Code::E0205,
                    format!("`{word}` is given twice"),
                    statement.head,
                    "given again here",
                )
                .label(first.head, "first given here")
                .help("a spec has one of it, over all its files: keep one of them, or join their blocks"),
            );
            return;
        }
        self.once.push((word, statement));
    }

    fn report_missing(&self, context: &mut Context<'_>) {
        if self.damaged || self.is_part() {
            return;
        }
        let missing: Vec<&StatementForm> = FORMS
            .iter()
            .filter(|form| form.times == Times::Once && self.get(form.word).is_none())
            .collect();
        if missing.is_empty() {
            return;
        }
        let words = enumerate(missing.iter().map(|form| form.word), FORMS.len());
        let mut diagnostic = Diagnostic::new(
            Code::E0301,
            format!("this spec has no {words}"),
            Span::at(0),
            "",
        );
        diagnostic
            .helps
            .extend(missing.iter().map(|form| format!("add `{}`", form.form)));
        context.report(diagnostic);
    }
}

/// The word of a statement that is meant by another one that looks little like it.
fn other_word(word: &str) -> Option<&'static str> {
    match word {
        "queries" => Some("query"),
        "dataset" | "datasets" => Some("data"),
        _ => None,
    }
}

/// The form of a statement. A misspelt one counts as what it was meant to be.
fn find(
    context: &mut Context<'_>,
    statement: &Statement,
) -> Option<(&'static StatementForm, Spelling)> {
    let named = |text: &str| FORMS.iter().find(|form| form.word == text);
    let word = &statement.word;
    if let Some(found) = named(&word.text) {
        return Some((found, Spelling::Right));
    }
    let words = FORMS.iter().map(|form| form.word);
    let diagnostic = Diagnostic::new(
        Code::E0201,
        format!("a spec has no statement `{}`", word.text),
        word.span,
        "unknown statement",
    );
    let meant = other_word(&word.text).or_else(|| closest(&word.text, words.clone()));
    let lacks_name = meant == Some("table") && statement.atoms.is_empty();
    if lacks_name {
        let help = "each table is a statement of its own: `table NAME { rows N, dim D }`";
        context.report(diagnostic.help(help));
        return None;
    }
    context.report(match meant {
        Some(meant) => did_you_mean(diagnostic, word, meant),
        None => suggest(diagnostic, word, words, "the statements are"),
    });
    Some((meant.and_then(named)?, Spelling::Wrong))
}
