//! Every kind of diagnostic, on a spec that provokes it: `tests/diagnostics/CODE….mtmd`. A snapshot
//! shows the spec and what is said of it, together.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test says what is wrong by failing"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use mtmdc::diagnostics::{Code, Diagnostic, Level, Levels, render_json, render_text};
use mtmdc::driver::check::check_files;
use mtmdc::source::Source;
use mtmdc::syntax::parse;

struct Case {
    name: String,
    source: Source,
    diagnostics: Vec<Diagnostic>,
}

/// All cases, by name.
fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "mtmd")
    });
    files.sort();
    assert!(!files.is_empty());
    files.iter().map(case).collect()
}

fn case(path: &PathBuf) -> Case {
    let file = path.file_name().unwrap().to_str().unwrap();
    let source = Source::new(file, fs::read_to_string(path).unwrap());
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let shown = name.split('-').next().and_then(Code::find);
    let checked = check_files(source, &read, &showing(shown));
    Case {
        name,
        source: checked.source,
        diagnostics: checked.diagnostics,
    }
}

/// The files that cases and examples use.
fn read(path: &str) -> Result<String, String> {
    let text = match path {
        "common/users.mtmd" => "query { id visitor { rows 10_000, dim 16 } }\n",
        "common/a.mtmd" => "use \"b.mtmd\"\n",
        "common/b.mtmd" => "use \"a.mtmd\"\n",
        _ => return Err(format!("there is no file `{path}`")),
    };
    Ok(text.to_owned())
}

/// Levels at which a code is shown, also one that is hidden unless asked for.
fn showing(code: Option<Code>) -> Levels {
    let lint = code.filter(|code| code.level() != Level::Error);
    Levels {
        codes: lint
            .map(|code| (code, Level::Warning))
            .into_iter()
            .collect(),
        ..Levels::default()
    }
}

#[test]
fn messages() {
    insta::with_settings!({ snapshot_path => "diagnostics", prepend_module_to_snapshot => false, omit_expression => true }, {
        for Case { name, source, diagnostics } in cases() {
            let shown = format!("{}\n{}\n{}", source.text(), "─".repeat(80), render_text(&source, &diagnostics, false));
            insta::assert_snapshot!(name, shown);
        }
    });
}

/// A case provokes the code that it is named after, and nothing else: mistakes do not cascade.
#[test]
fn a_case_gives_its_own_code_alone() {
    for Case {
        name, diagnostics, ..
    } in cases()
    {
        let Some(code) = name.split('-').next().and_then(Code::find) else {
            continue;
        };
        let given: Vec<&str> = diagnostics
            .iter()
            .map(|diagnostic| diagnostic.code.id())
            .collect();
        assert!(
            !given.is_empty() && given.iter().all(|id| *id == code.id()),
            "{name}: {given:?}"
        );
    }
}

#[test]
fn every_code_has_a_page_and_a_case() {
    let emitted: BTreeSet<Code> = cases()
        .iter()
        .flat_map(|case| &case.diagnostics)
        .map(|diagnostic| diagnostic.code)
        .collect();
    for code in Code::all() {
        assert!(
            emitted.contains(code),
            "no case in tests/diagnostics emits {code}"
        );
        let title = format!("# {code}: {}\n", code.name());
        assert!(
            code.explanation().starts_with(&title),
            "the page of {code} does not start with `{title}`"
        );
        for part in ["```mtmd\n", "\n## The fix\n"] {
            assert!(
                code.explanation().contains(part),
                "the page of {code} lacks {part:?}"
            );
        }
    }
}

/// What an example of the book leaves out.
const REST: [(&str, &str); 6] = [
    ("model", "model small"),
    (
        "surfaces",
        "surfaces from \"surface\" { feed = 0, search = 1 }",
    ),
    (
        "products",
        "products from \"product\" { standard = \"std\", shopping = \"shop\" }",
    ),
    ("tasks", "tasks { ctr from action \"is_click\" }"),
    ("query", "query { id user_id { rows 10_000, dim 16 } }"),
    ("item", "item { id ad_id { rows 10_000, dim 16 } }"),
];

/// Codes of an example of the book, with the statements that it leaves out.
fn codes_of_example(code: Code, example: &str) -> BTreeSet<Code> {
    let file = parse(&Source::new("example.mtmd", example)).file;
    let lacks = |word: &str| {
        file.statements
            .iter()
            .all(|statement| statement.word.text != word)
    };
    let rest: Vec<&str> = REST
        .iter()
        .filter(|(word, _)| lacks(word))
        .map(|(_, text)| *text)
        .collect();
    let rest = if code == Code::E0301 {
        String::new()
    } else {
        rest.join("\n")
    };
    let source = Source::new("example.mtmd", format!("{rest}\n{example}"));
    let checked = check_files(source, &read, &showing(Some(code)));
    checked
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code)
        .collect()
}

/// A page shows a spec that provokes its code, and the same spec mended.
#[test]
fn examples_of_pages_do_what_the_pages_say() {
    for code in Code::all() {
        let parts: Vec<&str> = code.explanation().split("```mtmd\n").collect();
        let examples: Vec<&str> = parts[1..]
            .iter()
            .map(|part| part.split("```").next().unwrap())
            .collect();
        let [bad, good] = examples[..] else {
            panic!("the page of {code} has two examples")
        };
        assert_eq!(
            codes_of_example(*code, bad),
            BTreeSet::from([*code]),
            "{bad}"
        );
        assert_eq!(codes_of_example(*code, good), BTreeSet::new(), "{good}");
    }
}

#[test]
fn codes_are_found_by_id_and_by_name() {
    for code in Code::all() {
        assert_eq!(Code::find(code.id()), Some(*code));
        assert_eq!(Code::find(&code.id().to_lowercase()), Some(*code));
        assert_eq!(Code::find(code.name()), Some(*code));
    }
    assert_eq!(Code::find("E9999"), None);
}

#[test]
fn messages_are_written_in_one_manner() {
    for Case {
        name, diagnostics, ..
    } in cases()
    {
        for diagnostic in diagnostics {
            let texts = [&diagnostic.message, &diagnostic.primary.text];
            for text in texts
                .into_iter()
                .chain(&diagnostic.notes)
                .chain(&diagnostic.helps)
            {
                assert!(
                    !text.ends_with('.'),
                    "{name}: `{text}` ends with a full stop"
                );
                assert!(!text.starts_with(|c: char| c.is_uppercase() && text.chars().nth(1) != Some('(')), "{name}: `{text}` starts in upper case");
                assert_eq!(
                    text.matches('`').count() % 2,
                    0,
                    "{name}: `{text}` has an odd backtick"
                );
            }
            let helped = !diagnostic.helps.is_empty()
                || !diagnostic.notes.is_empty()
                || diagnostic.fix.is_some()
                || !diagnostic.primary.text.is_empty();
            assert!(helped, "{name}: `{}` says no way out", diagnostic.message);
        }
    }
}

#[test]
fn ten_mistakes_are_ten_errors() {
    let cases = cases();
    let ten = cases
        .iter()
        .find(|case| case.name == "ten-mistakes")
        .unwrap();
    let lines: Vec<u32> = ten
        .diagnostics
        .iter()
        .map(|diagnostic| ten.source.line(diagnostic.primary.span.start))
        .collect();
    assert_eq!(lines, [2, 6, 11, 12, 13, 17, 18, 19, 20, 25]);
    let codes: BTreeSet<Code> = ten
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.code)
        .collect();
    assert_eq!(codes.len(), 10, "ten different mistakes");
}

#[test]
fn json_has_a_line_for_each() {
    let cases = cases();
    let ten = cases
        .iter()
        .find(|case| case.name == "ten-mistakes")
        .unwrap();
    let json = render_json(&ten.source, &ten.diagnostics);
    assert_eq!(json.lines().count(), ten.diagnostics.len());
    insta::assert_snapshot!(json);
}
