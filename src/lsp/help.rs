//! The help of the words of the language, as Markdown: how each is written, what it does, and what holds without it.

use crate::sema::{AnySetting, KindForm, StatementForm};

/// The help of a setting.
pub(super) fn of_setting(setting: &dyn AnySetting) -> String {
    let text = format!("`{}`: {}", setting.written(), setting.help());
    match setting.default_text() {
        Some(default) => format!("{text}\n\n*default:* {default}"),
        None => text,
    }
}

/// The help of a statement of the file.
pub(super) fn of_statement(statement: &StatementForm) -> String {
    let StatementForm {
        form, help, times, ..
    } = statement;
    format!("`{form}`: {help}\n\n*how often:* {}", times.words())
}

/// The help of a kind of feature.
pub(super) fn of_kind(kind: &KindForm) -> String {
    format!("`{}`: {}", kind.form, kind.help)
}
