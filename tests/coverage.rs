//! The language is used whole: every statement, every kind of feature, every setting and every word that a setting
//! chooses from stands in some spec of `specs/`, whose graph stands in `generated/`, and every one has its place in the
//! reference.

#![allow(clippy::unwrap_used, reason = "a test says what is wrong by failing")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use mtmdc::diagnostics::Levels;
use mtmdc::driver::check::{Checked, check_files};
use mtmdc::sema::{Form, Inside, Setting, kinds, statements, tables_of_settings};
use mtmdc::source::Source;
use mtmdc::syntax::ast::{AtomKind, Statement};

/// What is used: `training: decay cosine`.
type Used = BTreeSet<String>;

fn checked(path: &Path) -> Checked {
    let source = Source::new(path.to_string_lossy(), fs::read_to_string(path).unwrap());
    let read = |path: &str| fs::read_to_string(path).map_err(|error| error.to_string());
    let checked = check_files(source, &read, &Levels::default());
    assert!(checked.spec.is_some(), "{:?}", checked.diagnostics);
    checked
}

/// The words that a setting takes besides what is the user's own.
fn choices(setting: &Setting) -> Vec<&'static str> {
    match setting.form {
        Form::Choice(words) => words.to_vec(),
        Form::RealOrNone(_) | Form::WholeOrNone(_) => vec!["none"],
        Form::Crossing => vec!["none", "mlp"],
        _ => vec![],
    }
}

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
    for entry in fs::read_dir("specs").unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "mtmd")
        {
            let checked = checked(&path);
            for tree in checked.trees.values() {
                collect(&checked, &tree.statements, &mut used);
            }
        }
    }
    let mut wanted = Used::new();
    wanted.extend(statements().map(|(word, _)| word.to_owned()));
    wanted.extend(kinds().map(|(word, _)| word.to_owned()));
    for table in tables_of_settings() {
        for setting in table.settings {
            wanted.insert(format!("{}: {}", table.owner, setting.name));
            let choices = choices(setting);
            wanted.extend(
                choices
                    .iter()
                    .map(|word| format!("{} {word}", setting.name)),
            );
        }
    }
    let unused: Vec<&String> = wanted.difference(&used).collect();
    assert!(unused.is_empty(), "no spec uses {unused:#?}");
}
