//! Settings: the statements of a block, read by a table of what the block may hold. Whatever the
//! table does not know, knows twice or knows in another form is reported, so nothing that a user
//! writes is without effect.

pub(super) mod declaration;
pub(super) mod forms;
pub(super) mod value;

use crate::diagnostics::{Code, Diagnostic};
use crate::sema::context::Context;
use crate::sema::sentence::{enumerate, join};
use crate::sema::settings::declaration::{
    Declaration, Defaultable, Defaulted, Flag, Setting, SettingType,
};
use crate::sema::settings::forms::{AnySetting, SettingsTable, is_same};
use crate::sema::settings::value::SettingValue;
use crate::sema::spelling::{Spelling, closest, suggest};
use crate::sema::symbols::Inside;
use crate::source::Span;
use crate::syntax::ast::{Atom, AtomKind, Block, Statement};
use mtmd_schema::check;

/// A setting that is in a block.
#[derive(Debug)]
pub(super) struct GivenSetting<'s> {
    /// Its declaration, from the block's table.
    setting: &'static dyn AnySetting,
    /// The whole statement.
    pub span: Span,
    /// `None` if an error has been reported for it.
    value: Option<SettingValue<'s>>,
}

impl GivenSetting<'_> {
    /// Its word.
    pub fn name(&self) -> &'static str {
        self.setting.name()
    }

    /// Whether it is this setting.
    pub fn is(&self, setting: &dyn AnySetting) -> bool {
        is_same(self.setting, setting)
    }

    /// Whether its value has been read without an error.
    pub fn is_sound(&self) -> bool {
        self.value.is_some()
    }
}

/// The settings of one block.
#[derive(Debug)]
pub(super) struct Settings<'s> {
    table: &'static SettingsTable,
    given: Vec<GivenSetting<'s>>,
    /// Whether some setting may be missing only because it could not be read.
    damaged: bool,
}

impl<'s> Settings<'s> {
    /// Reads a block; without one, there are no settings.
    pub fn read(
        context: &mut Context<'_>,
        block: Option<&'s Block>,
        table: &'static SettingsTable,
    ) -> Self {
        if let Some(block) = block {
            context.index.block(block.span, Inside::Settings(table));
            if table.empty_is_idle && block.statements.is_empty() && !block.damaged {
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
            table,
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

    fn add(
        &mut self,
        context: &mut Context<'_>,
        statement: &'s Statement,
        setting: &'static dyn AnySetting,
    ) {
        let span = statement.word.span;
        if let Some(first) = self.get(setting) {
            context.report(
                Diagnostic::new(
                    Code::E0205,
                    format!("`{}` is given twice", setting.name()),
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
        self.given.push(GivenSetting {
            setting,
            span: statement.span(),
            value,
        });
    }

    /// All that are given, in the order of the block.
    pub fn all(&self) -> &[GivenSetting<'s>] {
        &self.given
    }

    /// Whether the block's table holds a setting. Several tables share a reader, and some settings are of one alone.
    pub fn takes(&self, setting: &dyn AnySetting) -> bool {
        self.table.holds(setting)
    }

    /// A setting, if it is given.
    pub fn get(&self, setting: &dyn AnySetting) -> Option<&GivenSetting<'s>> {
        check!(
            self.table.holds(setting),
            "{} has no setting {setting:?}",
            self.table.owner
        );
        self.given.iter().find(|given| given.is(setting))
    }

    /// The value of a setting that is given and sound.
    pub fn of<D: Declaration>(
        &self,
        setting: &D,
    ) -> Option<<D::Type as SettingType>::Value<'_, 's>> {
        let value = self.get(setting)?.value.as_ref()?;
        let typed = D::Type::of(value);
        check!(typed.is_some(), "{setting:?} was read as {value:?}");
        typed
    }

    /// The same for a setting that the table may not hold, as another one that shares its reader does.
    pub fn if_taken<D: Declaration>(
        &self,
        setting: &D,
    ) -> Option<<D::Type as SettingType>::Value<'_, 's>> {
        self.takes(setting).then(|| self.of(setting)).flatten()
    }

    /// The value of a setting, or its default.
    pub fn value<T: Defaultable + std::fmt::Debug>(
        &self,
        setting: &Defaulted<T>,
    ) -> T::Value<'_, 's> {
        self.of(setting).unwrap_or_else(|| setting.or())
    }

    /// The settings of the block that a setting has, if it has one.
    pub fn inner(
        &self,
        context: &mut Context<'_>,
        setting: &dyn AnySetting,
    ) -> Option<Settings<'s>> {
        let given = self.get(setting)?;
        let table = given.setting.form().table()?;
        match given.value {
            Some(SettingValue::Block(block)) => Some(Self::read(context, Some(block), table)),
            _ => None,
        }
    }

    /// Whether a flag is set.
    pub fn flag(&self, setting: &Setting<Flag>) -> bool {
        self.get(setting).is_some()
    }

    /// Whether the setting is not given and nothing that was given may have been it.
    pub fn lacks(&self, setting: &dyn AnySetting) -> bool {
        !self.damaged && self.get(setting).is_none()
    }

    /// Reports settings that another one excludes, once for all of them. The table may lack some of the
    /// `excluded`.
    pub fn exclude(
        &self,
        context: &mut Context<'_>,
        setting: &dyn AnySetting,
        excluded: &[&dyn AnySetting],
        reason: &str,
    ) {
        let Some(given) = self.get(setting) else {
            return;
        };
        let name = setting.name();
        let mut others: Vec<&GivenSetting<'_>> = excluded
            .iter()
            .filter(|other| self.takes(**other))
            .filter_map(|other| self.get(*other))
            .collect();
        others.sort_by_key(|other| other.span);
        let Some((first, rest)) = others.split_first() else {
            return;
        };
        let names = enumerate(others.iter().map(|other| other.name()), excluded.len());
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

/// The setting that a statement gives. A misspelt one counts as the setting that was meant.
fn find(
    context: &mut Context<'_>,
    statement: &Statement,
    table: &'static SettingsTable,
) -> Option<(&'static dyn AnySetting, Spelling)> {
    let word = &statement.word;
    if let Some(setting) = table.find(&word.text) {
        return Some((setting, Spelling::Right));
    }
    let names = table.names();
    let message = format!("{} has no setting `{}`", table.owner, word.text);
    let owners = crate::sema::tables_of_settings().filter(|other| other.find(&word.text).is_some());
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
    let meant = closest(&word.text, names).and_then(|name| table.find(name))?;
    Some((meant, Spelling::Wrong))
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::sema::context::Context;
    use crate::sema::settings::declaration::{Defaulted, Setting};
    use crate::sema::settings::forms::{Bound, SettingsTable};
    use crate::source::Source;

    static LR: Defaulted<f64> = Setting::real("lr", Bound::Positive).help("").default(0.5);
    static OTHER_LR: Defaulted<f64> = Setting::real("lr", Bound::Positive).help("").default(0.25);
    static WHOLE_LR: Setting<u64> = Setting::whole("lr", 1).help("");
    static ROWS: Setting<usize> = Setting::size("rows", 2).help("");
    static TABLE: SettingsTable = SettingsTable {
        owner: "a test",
        empty_is_idle: false,
        settings: &[&LR],
    };

    fn empty() -> Settings<'static> {
        let source = Source::new("test.mtmd", "");
        let read = |_: &str| Err(String::new());
        Settings::read(&mut Context::new(&source, &read), None, &TABLE)
    }

    #[test]
    fn a_setting_that_is_not_given_has_its_default() {
        let settings = empty();
        assert_eq!(settings.of(&LR), None);
        assert!(settings.value(&LR).to_bits() == 0.5_f64.to_bits());
        assert!(settings.lacks(&LR) && !settings.takes(&ROWS));
    }

    #[test]
    #[should_panic(expected = "this is a bug of mtmdc: a test has no setting")]
    fn a_look_up_outside_the_table_is_a_bug() {
        empty().of(&ROWS);
    }

    #[test]
    #[should_panic(expected = "this is a bug of mtmdc: a test has no setting")]
    fn a_look_up_in_another_form_is_a_bug() {
        empty().of(&WHOLE_LR);
    }

    #[test]
    #[should_panic(expected = "this is a bug of mtmdc: a test has no setting")]
    fn a_look_up_of_another_default_is_a_bug() {
        empty().value(&OTHER_LR);
    }
}
