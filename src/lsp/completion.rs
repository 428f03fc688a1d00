//! What may be typed at the cursor: words of the language, names of the spec, values of settings.

use super::analysis::View;
use super::cursor::{self, Ground, Spot};
use super::help;
use crate::diagnostics::{Code, Level};
use crate::sema::spec::Tower;
use crate::sema::{
    self, AnySetting, Form, Inside, KindForm, NameKind, NameOf, SettingsTable, StatementForm,
};
use gen_lsp_types::{CompletionItem, CompletionItemKind, Documentation, MarkupContent, MarkupKind};

/// The items at an offset. The editor filters them by what is typed already.
pub(super) fn complete(view: &View, offset: usize) -> Vec<CompletionItem> {
    let Some(spot) = cursor::spot(view, offset) else {
        return Vec::new();
    };
    let mut items = language(view, &spot);
    if spot.in_variant && spot.before.is_empty() {
        items.push(keyword("without", "without NAME"));
    }
    items
}

fn language(view: &View, spot: &Spot<'_>) -> Vec<CompletionItem> {
    match (spot.ground, spot.before.as_slice()) {
        (ground, ["without", given @ ..]) if spot.in_variant => declared(view, ground, given),
        (Ground::File, []) => statements(),
        (Ground::File, ["allow", given @ ..]) => lints(given),
        (Ground::File, ["architecture"]) => vec![keyword("on", "on NAME` or `on [NAME, NAME]")],
        (Ground::File, ["architecture", "on", given @ ..]) => {
            let of = |tower| declared(view, Ground::Block(Inside::Domains(tower)), given);
            [of(Tower::Query), of(Tower::Item)].concat()
        }
        (Ground::File, ["surfaces" | "products"]) => vec![keyword("from", "from \"COLUMN\"")],
        (Ground::File, ["split"]) => vec![keyword("by", "by \"COLUMN\"")],
        (Ground::Block(Inside::Domains(_)), []) => {
            vec![keyword("others", "others skip` or `others error")]
        }
        (Ground::Block(Inside::Domains(tower)), [own, .., "like"]) => {
            declared(view, Ground::Block(Inside::Domains(tower)), &[own])
        }
        (Ground::Block(Inside::Domains(_)), ["others"]) => values(&["skip", "error"]),
        (Ground::Block(Inside::Tasks), [_]) => vec![keyword("from", "from \"COLUMN\"")],
        (Ground::Block(Inside::Tasks), [_, "from"]) => {
            vec![keyword("action", "action \"COLUMN\" & \"COLUMN\"")]
        }
        (Ground::Block(Inside::Features(_)), []) => kinds(),
        (Ground::Block(Inside::Features(_)), [_, _] | ["vector", _, _]) => {
            vec![keyword("from", "from \"COLUMN\"")]
        }
        (Ground::Block(Inside::Settings(table)), []) => settings(spot, table),
        (Ground::Block(Inside::Settings(table)), [word, given @ ..]) => {
            let setting = table.find(word);
            setting
                .map(|setting| setting_values(view, spot, setting, given))
                .unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// The names that a block declares, without those of `given`.
fn declared(view: &View, ground: Ground, given: &[&str]) -> Vec<CompletionItem> {
    let kind = match ground {
        Ground::File => NameKind::Table,
        Ground::Block(Inside::Domains(Tower::Query)) => NameKind::Surface,
        Ground::Block(Inside::Domains(Tower::Item)) => NameKind::Product,
        Ground::Block(Inside::Tasks) => NameKind::Task,
        Ground::Block(Inside::Features(tower)) => NameKind::Feature(tower),
        Ground::Block(Inside::Settings(_)) | Ground::Unknown => return Vec::new(),
    };
    let fresh = |name: &&str| !given.contains(name);
    view.spec
        .index
        .names(kind)
        .filter(fresh)
        .map(|name| named(name, kind))
        .collect()
}

/// The codes that a spec may allow.
fn lints(given: &[&str]) -> Vec<CompletionItem> {
    let codes = Code::all()
        .iter()
        .filter(|code| code.level() != Level::Error);
    let fresh = codes.filter(|code| !given.contains(&code.id()));
    let item = |code: &Code| CompletionItem {
        kind: Some(CompletionItemKind::Constant),
        ..documented(keyword(code.id(), code.name()), code.explanation())
    };
    fresh.map(item).collect()
}

fn named(name: &str, kind: NameKind) -> CompletionItem {
    CompletionItem {
        label: name.to_owned(),
        kind: Some(match kind {
            NameKind::Task => CompletionItemKind::Function,
            NameKind::Table => CompletionItemKind::Struct,
            NameKind::Feature(_) => CompletionItemKind::Field,
            NameKind::Surface | NameKind::Product => CompletionItemKind::EnumMember,
            NameKind::Model | NameKind::Variant => CompletionItemKind::Module,
        }),
        detail: Some(kind.noun().to_owned()),
        ..CompletionItem::default()
    }
}

fn statements() -> Vec<CompletionItem> {
    let item = |statement: &StatementForm| {
        let text = help::of_statement(statement);
        documented(keyword(statement.word, statement.form), &text)
    };
    sema::statements().iter().map(item).collect()
}

fn kinds() -> Vec<CompletionItem> {
    let item = |kind: KindForm| documented(keyword(kind.word, kind.form), &help::of_kind(&kind));
    sema::kinds().map(item).collect()
}

/// The settings that the block does not have yet.
fn settings(spot: &Spot<'_>, table: &SettingsTable) -> Vec<CompletionItem> {
    let given = |name: &str| {
        spot.siblings
            .iter()
            .any(|sibling| sibling.word.text == name)
    };
    let missing = table
        .settings
        .iter()
        .filter(|setting| !given(setting.name()));
    let item = |setting: &&dyn AnySetting| CompletionItem {
        kind: Some(CompletionItemKind::Property),
        ..documented(
            keyword(setting.name(), &setting.written()),
            &help::of_setting(*setting),
        )
    };
    missing.map(item).collect()
}

fn setting_values(
    view: &View,
    spot: &Spot<'_>,
    setting: &dyn AnySetting,
    given: &[&str],
) -> Vec<CompletionItem> {
    match setting.form() {
        Form::Name(of) if given.is_empty() => names(view, spot, of, given),
        Form::Names(of) => names(view, spot, of, given),
        form if given.is_empty() => {
            let text = help::of_setting(setting);
            let items = values(form.words()).into_iter();
            items.map(|item| documented(item, &text)).collect()
        }
        _ => Vec::new(),
    }
}

/// The names that a setting takes, without those that it has and the one that it is a setting of.
fn names(view: &View, spot: &Spot<'_>, of: NameOf, given: &[&str]) -> Vec<CompletionItem> {
    let owner = spot.owner.map(|step| step.statement.word.text.as_str());
    let ground = spot.owner.map(|step| step.ground);
    let kinds: &[NameKind] = match (of, ground) {
        (NameOf::Task, _) => &[NameKind::Task],
        (NameOf::Table, _) => &[NameKind::Table],
        (NameOf::Domain, Some(Ground::Block(Inside::Features(Tower::Query)))) => {
            &[NameKind::Surface]
        }
        (NameOf::Domain, Some(Ground::Block(Inside::Features(Tower::Item)))) => {
            &[NameKind::Product]
        }
        (NameOf::Domain, _) => &[NameKind::Surface, NameKind::Product],
    };
    let mut items = Vec::new();
    for kind in kinds {
        let fresh = |name: &&str| !given.contains(name) && Some(*name) != owner;
        let names = view.spec.index.names(*kind).filter(fresh);
        items.extend(names.map(|name| named(name, *kind)));
    }
    items
}

fn values(words: &[&str]) -> Vec<CompletionItem> {
    let item = |word: &&str| CompletionItem {
        label: (*word).to_owned(),
        kind: Some(CompletionItemKind::Value),
        ..CompletionItem::default()
    };
    words.iter().map(item).collect()
}

/// A word, with how it is written.
fn keyword(word: &str, form: &str) -> CompletionItem {
    CompletionItem {
        label: word.to_owned(),
        kind: Some(CompletionItemKind::Keyword),
        detail: Some(form.replace('`', "")),
        ..CompletionItem::default()
    }
}

fn documented(item: CompletionItem, text: &str) -> CompletionItem {
    CompletionItem {
        documentation: Some(Documentation::MarkupContent(MarkupContent {
            kind: MarkupKind::Markdown,
            value: text.to_owned(),
        })),
        ..item
    }
}
