//! The formatter: formatting twice changes nothing, the tree stays the same, and so do the
//! comments; on every spec, every case, every example of the book, and made-up texts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test says what is wrong by failing"
)]

use mtmdc::source::Source;
use mtmdc::syntax::ast::{Atom, AtomKind, File, Statement};
use mtmdc::syntax::{format, parse};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Files below a folder of the repository that end so.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = vec![];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// All texts of the language in the repository.
fn texts() -> Vec<String> {
    let specs = files("specs", ".mtmd").into_iter();
    let cases = specs.chain(files("tests/diagnostics", ".mtmd"));
    let mut texts: Vec<String> = cases
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    for page in files("book/src", ".md") {
        let text = fs::read_to_string(page).unwrap();
        let examples = text.split("```mtmd\n").skip(1);
        texts.extend(examples.map(|rest| rest.split("```").next().unwrap().to_owned()));
    }
    texts
}

/// The tree without places.
fn tree(file: &File) -> String {
    let mut text = String::new();
    statements(&mut text, &file.statements);
    for doc in &file.stray_docs {
        writeln!(text, "stray {:?}", doc.text).unwrap();
    }
    text
}

fn statements(text: &mut String, list: &[Statement]) {
    for statement in list {
        let doc = statement.doc.as_ref().map(|doc| &doc.text);
        write!(text, "{doc:?} {}", statement.word.text).unwrap();
        atoms(text, &statement.atoms);
        if let Some(block) = &statement.block {
            text.push_str(" {\n");
            statements(text, &block.statements);
            text.push('}');
        }
        text.push('\n');
    }
}

fn atoms(text: &mut String, list: &[Atom]) {
    for atom in list {
        match &atom.kind {
            AtomKind::List(items) => {
                text.push_str(" [");
                atoms(text, items);
                text.push(']');
            }
            AtomKind::Number(number) => write!(text, " {}", number.text).unwrap(),
            other => write!(text, " {other:?}").unwrap(),
        }
    }
}

fn comments(source: &Source, file: &File) -> Vec<String> {
    let texts = file
        .comments
        .iter()
        .map(|comment| source.slice(comment.span));
    texts.map(|text| text.trim_end().to_owned()).collect()
}

/// Holds what is true of every text; whether it could be formatted.
fn holds(text: &str) -> bool {
    let source = Source::new("a.mtmd", text);
    let before = parse(&source);
    let Ok(once) = format(&source) else {
        assert!(
            !before.diagnostics.is_empty(),
            "refused without a reason:\n{text}"
        );
        return false;
    };
    let formatted = Source::new("a.mtmd", once.as_str());
    let after = parse(&formatted);
    assert!(after.diagnostics.is_empty(), "{text}\n---\n{once}");
    assert_eq!(tree(&before.file), tree(&after.file), "{text}\n---\n{once}");
    assert_eq!(
        comments(&source, &before.file),
        comments(&formatted, &after.file),
        "{text}\n---\n{once}"
    );
    assert_eq!(format(&formatted).unwrap(), once, "{text}");
    assert!(
        once.lines().all(|line| line.trim_end() == line) && !once.contains("\n\n\n"),
        "{once}"
    );
    true
}

#[test]
fn every_text_of_the_repository_keeps_its_meaning() {
    let formatted = texts().iter().filter(|text| holds(text)).count();
    assert!(formatted > 100, "{formatted}");
}

#[test]
fn the_specs_are_formatted() {
    for path in files("specs", ".mtmd") {
        let text = fs::read_to_string(&path).unwrap();
        let formatted = format(&Source::new("a", text.as_str())).unwrap();
        assert_eq!(text, formatted, "{}", path.display());
    }
}

#[test]
fn the_way_it_is_laid_out() {
    let text = r#"
// First.


/// Doc.
model   x   // why

surfaces from "s" {a=0,b=[1,   2],
  // Between.
  long_name = "c" // because
  others skip }
tasks {   // all of them
  ctr from action "x"&"y"{embedding 3,weight 2}

  gctr from "z" { given ctr } }
query {
  category c { values [ // two lists
      "a", "b",
      // the rest
      "c"  // last
    ], dim 3 }
  vector v 3
  number n { clip [0,1] }
  id an_id_with_a_name_that_is_longer_than_most_names_of_ids from "column" { rows 10_000, dim 16, vocabulary 3, on a }
  // End.
}
item { }
split by "d" { train 1..3, test 4 }
"#;
    insta::assert_snapshot!(format(&Source::new("a", text)).unwrap());
}

#[test]
fn a_file_with_syntax_errors_is_refused() {
    for text in ["tasks {", "a = [1", "\"x", "query { id a { rows: 10 } }"] {
        assert!(format(&Source::new("a", text)).is_err(), "{text}");
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// A text of statements, blocks, lists and comments in any layout.
fn made_up(random: &mut Random, depth: usize) -> String {
    let mut text = String::new();
    for _ in 0..random.below(6) {
        text += random.pick(&[
            "",
            "\n",
            "\n\n\n",
            "  // c\n",
            "\n/// doc\n",
            "\t",
            "\n//// no\n",
        ]);
        text += random.pick(&["a", "long_word", "others", "x9", "é"]);
        for _ in 0..random.below(3) {
            text += random.pick(&[" ", "  ", "\t"]);
            text += random.pick(&[
                "1",
                "-2.5e3",
                "\"s // t\"",
                "\"\\\"\"",
                "word",
                "=",
                "&",
                "..",
                "[]",
                "[1,2]",
                "[ 1,\n 2, 3 ]",
                "[ // c\n 1 // d\n, 2,\n // e\n]",
                "[[1], \"x\"]",
            ]);
        }
        if depth > 0 && random.below(3) == 0 {
            text += " {";
            text += random.pick(&["", " ", "\n", " // in\n"]);
            text += &made_up(random, depth - 1);
            text += random.pick(&["}", " }", "\n}", "\n\n  }"]);
        }
        text += random.pick(&[
            "\n", ",", ", ", "\n\n", " // t\n", ", // u\n", "\r\n", " /// v\n",
        ]);
    }
    text
}

#[test]
fn made_up_texts_keep_their_meaning() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let formatted = (0..4000)
        .filter(|_| holds(&made_up(&mut random, 3)))
        .count();
    assert!(formatted > 1500, "{formatted}");
}
