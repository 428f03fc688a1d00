//! Settings: the statements of a block, read by a table of what the block may hold. Whatever the
//! table does not know, knows twice or knows in another form is reported, so nothing that a user
//! writes is without effect.

use super::context::{Context, enumerate, join};
use super::head::Text;
use super::index::Inside;
use super::names::{Spelling, closest, suggest};
use super::spec::Choice;
use super::value::{self, Form, SettingValue};
use crate::diagnostics::{Code, Diagnostic};
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Block, Statement};

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
    /// Who takes them, with an article: "a task".
    pub owner: &'static str,
    /// What they are.
    pub settings: &'static [Setting],
}

impl Table {
    /// Whether none of the settings is required, so that nothing else is said of an empty block.
    fn may_be_left_out(&self) -> bool {
        let statements = [
            "`architecture`",
            "`architecture on`",
            "`cross`",
            "`rows`",
            "`evaluation`",
            "`training`",
            "`dense`",
            "`embeddings`",
            "`select`",
            "`early_stop`",
            "`checkpoints`",
            "`budget`",
        ];
        statements.contains(&self.owner)
    }
}

/// A setting of some name and form.
pub(super) const fn setting(name: &'static str, form: Form) -> Setting {
    Setting { name, form }
}

/// A setting that stands in a block.
#[derive(Debug)]
pub(super) struct Given<'s> {
    /// Its word.
    pub name: &'static str,
    /// The whole statement.
    pub span: Span,
    /// `None` if it has been complained about.
    pub value: Option<SettingValue<'s>>,
}

/// The settings of one block.
#[derive(Debug)]
pub(super) struct Settings<'s> {
    given: Vec<Given<'s>>,
    /// Whether some setting may be missing only because it could not be read.
    damaged: bool,
}

impl<'s> Settings<'s> {
    /// Reads a block; without one, there are no settings.
    pub fn read(
        context: &mut Context<'_>,
        block: Option<&'s Block>,
        table: &'static Table,
    ) -> Self {
        if let Some(block) = block {
            context.index.block(block.span, Inside::Settings(table));
            if table.may_be_left_out() && block.statements.is_empty() && !block.damaged {
                context.report(
                    Diagnostic::new(
                        Code::W0530,
                        format!("this block of {} is empty", table.owner),
                        block.span,
                        "says nothing",
                    )
                    .help("give a setting, or remove it"),
                );
            }
        }
        let mut settings = Self {
            given: Vec::new(),
            damaged: block.is_some_and(|block| block.damaged),
        };
        for statement in block.map(|block| &block.statements).into_iter().flatten() {
            context.refuse_doc(statement);
            match find(context, statement, table) {
                Some((setting, Spelling::Right)) => settings.add(context, statement, setting),
                Some((setting, Spelling::Wrong)) => {
                    context.silently(|context| settings.add(context, statement, setting));
                }
                None => settings.damaged = true,
            }
        }
        settings
    }

    fn add(&mut self, context: &mut Context<'_>, statement: &'s Statement, setting: &Setting) {
        let span = statement.word.span;
        if let Some(first) = self.get(setting.name) {
            context.report(
                Diagnostic::new(
                    Code::E0205,
                    format!("`{}` is given twice", setting.name),
                    span,
                    "given again here",
                )
                .label(first.span, "first given here")
                .help("keep one of them"),
            );
            return;
        }
        let value = value::read(context, statement, setting);
        // Without the comma between them, the next setting is taken for this one's value.
        let holds_word = |atom: &Atom| matches!(atom.kind, AtomKind::Word(_));
        let swallows = statement.atoms.len() > 1 && statement.atoms.iter().any(holds_word);
        self.damaged |= value.is_none() && swallows;
        self.given.push(Given {
            name: setting.name,
            span: statement.span(),
            value,
        });
    }

    /// All that are given, in the order of the block.
    pub fn all(&self) -> &[Given<'s>] {
        &self.given
    }

    /// A setting, if it is given.
    pub fn get(&self, name: &str) -> Option<&Given<'s>> {
        self.given.iter().find(|given| given.name == name)
    }

    /// The value of a setting that is given and sound.
    pub fn value(&self, name: &str) -> Option<&SettingValue<'s>> {
        self.get(name).and_then(|given| given.value.as_ref())
    }

    /// A whole number.
    pub fn whole(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Some(SettingValue::Whole(number)) => Some(*number),
            _ => None,
        }
    }

    /// A size.
    pub fn size(&self, name: &str) -> Option<usize> {
        self.whole(name).and_then(|size| usize::try_from(size).ok())
    }

    /// A number.
    pub fn real(&self, name: &str) -> Option<f64> {
        match self.value(name) {
            Some(SettingValue::Real(value)) => Some(*value),
            _ => None,
        }
    }

    /// A word out of some.
    pub fn choice<C: Choice>(&self, name: &str) -> Option<C> {
        match self.value(name) {
            Some(SettingValue::Choice(word)) => C::from_word(word),
            _ => None,
        }
    }

    /// A string.
    pub fn text(&self, name: &str) -> Option<&Text> {
        match self.value(name) {
            Some(SettingValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A list of sizes.
    pub fn sizes(&self, name: &str) -> Option<Vec<usize>> {
        match self.value(name) {
            Some(SettingValue::Sizes(sizes)) => Some(sizes.clone()),
            _ => None,
        }
    }

    /// A block.
    pub fn block(&self, name: &str) -> Option<&'s Block> {
        match self.value(name) {
            Some(SettingValue::Block(block)) => Some(block),
            _ => None,
        }
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether the setting is not given and nothing that was given may have been it.
    pub fn lacks(&self, name: &str) -> bool {
        !self.damaged && self.get(name).is_none()
    }

    /// Reports settings that may not stand beside another one, once for all of them.
    pub fn exclude(
        &self,
        context: &mut Context<'_>,
        name: &str,
        excluded: &[&'static str],
        reason: &str,
    ) {
        let Some(given) = self.get(name) else { return };
        let mut others: Vec<&Given<'_>> = excluded
            .iter()
            .filter_map(|other| self.get(other))
            .collect();
        others.sort_by_key(|other| other.span);
        let Some((first, rest)) = others.split_first() else {
            return;
        };
        let names = enumerate(others.iter().map(|other| other.name), excluded.len());
        let verb = if rest.is_empty() {
            "contradicts"
        } else {
            "contradict"
        };
        let message = format!("{names} {verb} `{name}`");
        let mut diagnostic = Diagnostic::new(Code::E0306, message, first.span, "either this");
        for other in rest {
            diagnostic = diagnostic.label(other.span, "and this");
        }
        context.report(
            diagnostic
                .label(given.span, "or this")
                .note(reason)
                .help(format!("remove {names}, or remove `{name}`")),
        );
    }
}

/// The setting that a statement gives. A misspelt one counts as what it was meant to be.
fn find<'t>(
    context: &mut Context<'_>,
    statement: &Statement,
    table: &'t Table,
) -> Option<(&'t Setting, Spelling)> {
    let word = &statement.word;
    let named = |name: &str| table.settings.iter().find(|setting| setting.name == name);
    if let Some(setting) = named(&word.text) {
        return Some((setting, Spelling::Right));
    }
    let names = table.settings.iter().map(|setting| setting.name);
    let message = format!("{} has no setting `{}`", table.owner, word.text);
    let owners = super::tables_of_settings().filter(|other| {
        other
            .settings
            .iter()
            .any(|setting| setting.name == word.text)
    });
    let owners: Vec<String> = owners.map(|other| other.owner.to_owned()).collect();
    if !owners.is_empty() {
        context.report(
            Diagnostic::new(Code::E0307, message, word.span, "does not belong here")
                .note(format!("`{}` is a setting of {}", word.text, join(owners)))
                .help(format!(
                    "remove it; {} takes {}",
                    table.owner,
                    enumerate(names, 12)
                )),
        );
        return None;
    }
    let diagnostic = Diagnostic::new(Code::E0202, message, word.span, "unknown setting");
    context.report(suggest(diagnostic, word, names.clone(), "the settings are"));
    let meant = closest(&word.text, names).and_then(named)?;
    Some((meant, Spelling::Wrong))
}
