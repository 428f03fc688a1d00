//! The language is used whole: every statement, every kind of feature, every setting and every word that a setting
//! chooses from is in some spec of `specs/`, whose graph is in `generated/`. The editor's grammar and the fuzzer's
//! dictionary have these words, and no others.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by failing"
)]

use std::collections::BTreeSet;
use std::fs;

use mtmdc::driver::check::Checked;
use mtmdc::sema::spec::{Choice, Others, TimePart};
use mtmdc::sema::{Inside, kinds, statements, tables_of_settings};
use mtmdc::syntax::ast::{AtomKind, Statement};
use serde_json::Value;
use support::specs;

/// Words within a statement.
const JOINTS: [&str; 6] = ["from", "by", "on", "of", "action", "like"];

/// What is used: `training: decay cosine`.
type Used = BTreeSet<String>;

fn collect(checked: &Checked, statements: &[Statement], used: &mut Used) {
    for statement in statements {
        used.insert(statement.word.text.clone());
        let Some(block) = &statement.block else {
            continue;
        };
        if let Some(Inside::Settings(table)) = checked.index.inside(block.span) {
            for setting in &block.statements {
                let word = &setting.word.text;
                used.insert(format!("{}: {word}", table.owner));
                for atom in &setting.atoms {
                    if let AtomKind::Word(value) = &atom.kind {
                        used.insert(format!("{word} {value}"));
                    }
                }
            }
        }
        collect(checked, &block.statements, used);
    }
}

#[test]
fn every_word_of_the_language_is_used_by_a_spec() {
    let mut used = Used::new();
    for file in specs::all() {
        let checked = specs::checked(file.source());
        assert!(checked.spec.is_some(), "{:?}", checked.diagnostics);
        for tree in checked.trees.values() {
            collect(&checked, &tree.statements, &mut used);
        }
    }
    let mut wanted = Used::new();
    wanted.extend(statements().iter().map(|form| form.word.to_owned()));
    wanted.extend(kinds().map(|form| form.word.to_owned()));
    for table in tables_of_settings() {
        for setting in table.settings {
            let name = setting.name();
            wanted.insert(format!("{}: {name}", table.owner));
            let words = setting.form().words().iter();
            wanted.extend(words.map(|word| format!("{name} {word}")));
        }
    }
    let unused: Vec<&String> = wanted.difference(&used).collect();
    assert!(unused.is_empty(), "no spec uses {unused:#?}");
}

#[test]
fn every_table_of_settings_is_listed_and_has_each_word_once() {
    for table in tables_of_settings() {
        let names: BTreeSet<&str> = table.names().collect();
        assert_eq!(names.len(), table.settings.len(), "{}", table.owner);
        for inner in table
            .settings
            .iter()
            .filter_map(|setting| setting.form().table())
        {
            let listed = tables_of_settings().any(|table| table == inner);
            assert!(listed, "{} is not in `tables_of_settings`", inner.owner);
        }
    }
}

/// The book shows it on one page and an editor on none, so a link would lead nowhere in one of them.
#[test]
fn the_help_of_a_word_is_a_text_without_links() {
    let settings = tables_of_settings().flat_map(|table| table.settings);
    let settings = settings.map(|setting| (setting.name(), setting.help()));
    let statements = statements().iter().map(|form| (form.word, form.help));
    let kinds = kinds().map(|form| (form.word, form.help));
    for (word, help) in settings.chain(statements).chain(kinds) {
        let serves = !help.is_empty() && !help.contains("](");
        assert!(serves, "the help of `{word}` is {help:?}");
    }
}

/// The words of a group of alternatives, `(a|b)`, in a pattern that starts with `before`.
fn alternatives(pattern: &str, before: &str) -> BTreeSet<String> {
    let group = pattern.strip_prefix(before).unwrap();
    let group = group.strip_prefix('(').unwrap().split(')').next().unwrap();
    group.split('|').map(str::to_owned).collect()
}

#[test]
fn the_grammar_of_the_extension_has_the_words_of_the_language() {
    let path = "editors/vscode/syntaxes/mtmd.tmLanguage.json";
    let grammar: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let patterns = |room: &str| {
        let patterns = grammar["repository"][room]["patterns"].as_array().unwrap();
        patterns.clone()
    };
    let matches = |pattern: &Value| pattern["match"].as_str().unwrap_or_default().to_owned();
    let words = |words: &mut dyn Iterator<Item = &'static str>| -> BTreeSet<String> {
        words.map(str::to_owned).collect()
    };

    let declarations = patterns("declarations");
    let declarations = declarations.iter().map(matches);
    let declared: BTreeSet<String> = declarations
        .flat_map(|pattern| alternatives(&pattern, r"^\s*"))
        .collect();
    assert_eq!(
        declared,
        words(&mut statements().iter().map(|form| form.word))
    );

    let features = matches(&patterns("statements")[0]);
    let features = alternatives(&features, r"(?:^|(?<=[{,]))\s*");
    assert_eq!(features, words(&mut kinds().map(|form| form.word)));

    let atoms = patterns("atoms");
    let keywords = atoms
        .iter()
        .find(|atom| atom["name"] == "keyword.other.mtmd");
    let keywords = alternatives(&matches(keywords.unwrap()), r"\b");
    let expected = words(&mut JOINTS.into_iter().chain(["none"]));
    assert_eq!(keywords, expected);
}

#[test]
fn the_dictionary_of_the_fuzzer_has_the_words_of_the_language() {
    let text = fs::read_to_string("fuzz/mtmd.dict").unwrap();
    let entries = text.lines().filter_map(|line| line.strip_prefix('"'));
    let entries = entries.map(|entry| entry.trim_end_matches('"'));
    let is_word = |entry: &&str| entry.starts_with(|first: char| first.is_ascii_lowercase());
    let words: Vec<&str> = entries.filter(is_word).collect();

    let settings = tables_of_settings().flat_map(|table| table.settings);
    let settings =
        settings.flat_map(|setting| [&[setting.name()], setting.form().words()].concat());
    let mut language: BTreeSet<&str> = settings.collect();
    language.extend(statements().iter().map(|form| form.word));
    language.extend(kinds().map(|form| form.word));
    language.extend(JOINTS);
    language.extend(["others", "without", "length"]);
    language.extend(Others::WORDS);
    language.extend(TimePart::WORDS);
    let language: Vec<&str> = language.into_iter().collect();
    assert_eq!(words, language, "fuzz/mtmd.dict, sorted");
}
