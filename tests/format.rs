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
use std::io::{Seek, Write as _};
use std::path::{Path, PathBuf};
use support::rng::Rng;
use support::run::{Outcome, Program, outcome};
use support::specs;

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
    let specs = specs::all().into_iter().chain(specs::parts());
    let cases = files("tests/diagnostics", ".mtmd").into_iter();
    let cases = cases.map(|path| fs::read_to_string(path).unwrap());
    let mut texts: Vec<String> = specs.map(|spec| spec.text).chain(cases).collect();
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
    // Which of them are joined is of no account: a comment behind a lone comma of a list gets a line.
    let lines = file.stray_docs.iter().flat_map(|doc| doc.text.lines());
    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
        writeln!(text, "stray {line:?}").unwrap();
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
    for file in specs::all().into_iter().chain(specs::parts()) {
        let formatted = format(&file.source()).unwrap();
        assert!(file.text == formatted, "run `mtmdc fmt {}`", file.path);
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

/// A text of statements, blocks, lists and comments in any layout.
fn made_up(random: &mut Rng, depth: usize) -> String {
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
    let mut random = Rng::new(7);
    let formatted = (0..4000)
        .filter(|_| holds(&made_up(&mut random, 3)))
        .count();
    assert!(formatted > 1500, "{formatted}");
}

/// Text made of the language's tokens, in any order, with comments and line ends anywhere.
#[test]
fn random_tokens() {
    let mut random = Rng::new(1);
    let mut good = 0;
    for _ in 0..4_000 {
        let text = random_text(&mut random);
        good += usize::from(holds(&text));
    }
    assert!(good > 1_000, "only {good} of the texts were specs");
}

fn random_text(random: &mut Rng) -> String {
    let mut text = String::new();
    for _ in 0..random.below(8) {
        any_statement(random, &mut text, 0);
        gap(random, &mut text, &["\n", ",", "\n\n", "\n\n\n", "\r\n"]);
    }
    text
}

fn any_statement(random: &mut Rng, text: &mut String, depth: usize) {
    text.push_str(random.pick(&["a", "long_word", "_b2", "été"]));
    for _ in 0..random.below(4) {
        text.push_str(random.pick(&[" ", "\t", "  ", "\u{FEFF} "]));
        if random.below(4) == 0 {
            any_list(random, text);
        } else {
            let long = "\"a rather long string that brings the line nearer to its limit\"";
            let atoms = [
                "x",
                "12_000",
                "-1e-3",
                "\"s \\\" t\"",
                "=",
                "&",
                "..",
                "\"語\"",
                long,
            ];
            text.push_str(random.pick(&atoms));
        }
    }
    if depth < 3 && random.below(3) == 0 {
        text.push_str(" {");
        gap(random, text, &["", " ", "\n", "\n\n", ","]);
        for _ in 0..random.below(4) {
            any_statement(random, text, depth + 1);
            gap(random, text, &["\n", ",", "\n\n", " ,\n", "\n,\n"]);
        }
        text.push('}');
    }
}

fn any_list(random: &mut Rng, text: &mut String) {
    text.push('[');
    gap(random, text, &["", "", " ", "\n", "\n\n"]);
    for _ in 0..random.below(6) {
        text.push_str(random.pick(&["x", "12", "\"s\"", "\"a longer string in a list\""]));
        gap(random, text, &["", "", " ", "\n"]);
        text.push(',');
        gap(random, text, &["", " ", "\n", "\n\n"]);
    }
    text.push(']');
}

/// One of the separators, now and then with a comment before it or after it.
fn gap(random: &mut Rng, text: &mut String, separators: &[&str]) {
    let comments = ["// c", "/// doc", "//", "////", "// \t{ [ \" ", "///  x  "];
    for _ in 0..=random.below(2) {
        if random.below(5) == 0 {
            text.push_str(random.pick(&[" ", "", "\n  ", "\n\n"]));
            text.push_str(random.pick(&comments));
            text.push('\n');
        }
        text.push_str(random.pick(separators));
    }
}

/// Specs with bytes lost, doubled and moved: mostly bad, and refused; else the promises hold.
#[test]
fn damaged_specs() {
    let mut random = Rng::new(2);
    let specs = texts();
    let (mut good, mut bad) = (0, 0);
    for _ in 0..2_000 {
        let text = &specs[random.below(specs.len())];
        // A piece of a spec is as good as all of it, and cheaper.
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let start = random.below(lines.len());
        let end = lines.len().min(start + 1 + random.below(12));
        let mut characters: Vec<char> = lines[start..end].concat().chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(characters.len().max(1)).min(characters.len());
            match random.below(3) {
                0 if at < characters.len() => drop(characters.remove(at)),
                1 => characters.insert(
                    at,
                    random
                        .pick(&["{", "}", ",", "\n", "/", "\"", "[", " "])
                        .chars()
                        .next()
                        .unwrap(),
                ),
                _ => {
                    let other = random.below(characters.len().max(1));
                    if at < characters.len() && other < characters.len() {
                        characters.swap(at, other);
                    }
                }
            }
        }
        let text: String = characters.into_iter().collect();
        match holds(&text) {
            true => good += 1,
            false => bad += 1,
        }
    }
    assert!(good > 300 && bad > 300, "{good} good, {bad} bad");
}

const UGLY: &str = "model minimal\n\n\n\nquery { id a{dim 1}\n}\n";
const PRETTY: &str = "model minimal\n\nquery { id a { dim 1 } }\n";

const MTMDC: Program = Program {
    exe: env!("CARGO_BIN_EXE_mtmdc"),
};

/// Runs `mtmdc fmt` with text on its standard input.
fn fmt(folder: &Path, arguments: &[&str], input: &str) -> Outcome {
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    stdin.rewind().unwrap();
    outcome(MTMDC.command(folder, &["fmt"]).args(arguments).stdin(stdin))
}

#[test]
fn the_command_writes_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("ugly.mtmd", UGLY);
    write("pretty.mtmd", PRETTY);
    write("bad.mtmd", "model minimal }\n");

    let (exit, stdout, stderr) = fmt(folder, &["--check", "ugly.mtmd", "pretty.mtmd"], "");
    assert_eq!((exit, &*stdout), (1, ""));
    assert_eq!(
        stderr,
        "error: `ugly.mtmd` is not formatted, from line 3\n  = help: run `mtmdc fmt ugly.mtmd`\n"
    );
    let (exit, _, stderr) = fmt(folder, &["bad.mtmd", "ugly.mtmd", "pretty.mtmd"], "");
    assert_eq!(exit, 1);
    assert!(
        stderr.contains("E0103") && stderr.contains("formatted: ugly.mtmd"),
        "{stderr}"
    );
    assert!(!stderr.contains("pretty.mtmd"), "{stderr}");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(read("ugly.mtmd"), PRETTY);
    assert_eq!(read("bad.mtmd"), "model minimal }\n");
    assert_eq!(fmt(folder, &["--check", "ugly.mtmd"], "").0, 0);
    assert_eq!(fmt(folder, &["absent.mtmd"], "").0, 2);
}

#[test]
fn the_command_formats_standard_input() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    assert_eq!(
        fmt(folder, &["-"], UGLY),
        (0, PRETTY.to_owned(), String::new())
    );
    assert_eq!(fmt(folder, &["--check", "-"], PRETTY).0, 0);
    let (exit, stdout, stderr) = fmt(folder, &["--check", "-"], UGLY);
    assert_eq!((exit, &*stdout), (1, ""));
    assert!(
        stderr.contains("`<stdin>` is not formatted, from line 3"),
        "{stderr}"
    );
    let (exit, stdout, stderr) = fmt(folder, &["-"], "a }");
    assert_eq!((exit, &*stdout), (1, ""));
    assert!(stderr.contains("<stdin>:1:3"), "{stderr}");
    let (exit, stdout, stderr) = fmt(folder, &["-", "--message-format", "json"], "a }");
    assert_eq!(
        (exit, &*stdout),
        (1, ""),
        "the text's place stays free of messages"
    );
    assert!(stderr.contains("E0103"), "{stderr}");
}
