//! The outline of a file: which statement is which, what stands twice, what is missing.

use std::borrow::Cow;

use super::context::{Context, enumerate};
use super::names::{Spelling, closest, suggest};
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{File, Statement};

/// How a statement of the file is written, and how often.
struct Form {
    word: &'static str,
    form: &'static str,
    required: bool,
}

const fn required(word: &'static str, form: &'static str) -> Form {
    Form {
        word,
        form,
        required: true,
    }
}

const fn optional(word: &'static str, form: &'static str) -> Form {
    Form {
        word,
        form,
        required: false,
    }
}

const FORMS: [Form; 12] = [
    required("model", "model NAME"),
    required("surfaces", "surfaces from \"COLUMN\" { … }"),
    required("products", "products from \"COLUMN\" { … }"),
    required("tasks", "tasks { … }"),
    required("query", "query { … }"),
    required("item", "item { … }"),
    optional("data", "data \"PATH\""),
    optional("table", "table NAME { … }"),
    optional("architecture", "architecture { … }"),
    optional("split", "split by \"COLUMN\" { … }"),
    optional("rows", "rows { … }"),
    optional("training", "training { … }"),
];

/// The statements of a file, by their word.
pub(super) struct Outline<'s> {
    once: Vec<(&'static str, Cow<'s, Statement>)>,
    pub tables: Vec<Cow<'s, Statement>>,
    /// Whether a statement may be missing only because it could not be read.
    pub damaged: bool,
}

impl<'s> Outline<'s> {
    pub fn read(context: &mut Context<'_>, file: &'s File) -> Self {
        let mut outline = Self {
            once: Vec::new(),
            tables: Vec::new(),
            damaged: file.damaged,
        };
        for statement in &file.statements {
            let Some((word, spelling)) = find(context, statement) else {
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
            match word {
                "table" => outline.tables.push(statement),
                _ => outline.add(context, word, statement),
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
                .help("a file has one of it: keep one of them, or join their blocks"),
            );
            return;
        }
        self.once.push((word, statement));
    }

    fn report_missing(&self, context: &mut Context<'_>) {
        if self.damaged {
            return;
        }
        let missing: Vec<&Form> = FORMS
            .iter()
            .filter(|form| form.required && self.get(form.word).is_none())
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

/// The word that a statement starts with. A misspelt one counts as what it was meant to be.
fn find(context: &mut Context<'_>, statement: &Statement) -> Option<(&'static str, Spelling)> {
    let named = |text: &str| {
        FORMS
            .iter()
            .map(|form| form.word)
            .find(|word| *word == text)
    };
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
    context.report(suggest(
        diagnostic,
        word,
        words.clone(),
        "the statements are",
    ));
    let meant = closest(&word.text, words).and_then(named)?;
    Some((meant, Spelling::Wrong))
}
