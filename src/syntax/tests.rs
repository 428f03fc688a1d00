//! What the parser makes of good and bad text.

use super::ast::AtomKind;
use super::{Parsed, parse};
use crate::source::Source;

fn parsed(text: &str) -> Parsed {
    parse(&Source::new("test.mtmd", text))
}

/// Code, place and message of each error.
fn errors(text: &str) -> Vec<String> {
    let source = Source::new("test.mtmd", text);
    let show = |diagnostic: &crate::diagnostics::Diagnostic| {
        let (line, column) = source.line_column(diagnostic.primary.span.start);
        format!("{} {line}:{column} {}", diagnostic.code, diagnostic.message)
    };
    parse(&source).diagnostics.iter().map(show).collect()
}

#[test]
fn statements_have_words_atoms_and_blocks() {
    let parsed = parsed("octr from \"hw\" { given ctr, on [a, b] }, model x");
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let [octr, model] = &parsed.file.statements[..] else {
        panic!("{parsed:?}")
    };
    assert_eq!((octr.word.text.as_str(), octr.atoms.len()), ("octr", 2));
    let block = octr.block.as_ref().unwrap();
    let AtomKind::List(names) = &block.statements[1].atoms[0].kind else {
        panic!("{block:?}")
    };
    assert_eq!(names.len(), 2);
    assert_eq!(model.head, crate::source::Span::new(41, 48));
}

#[test]
fn numbers_keep_their_text() {
    let parsed = parsed("x 2_000 -1 0.05 3e-2 99999999999999999999 1..2");
    let numbers: Vec<_> = parsed.file.statements[0]
        .atoms
        .iter()
        .filter_map(|atom| match &atom.kind {
            AtomKind::Number(number) => Some((number.whole, number.real)),
            _ => None,
        })
        .collect();
    assert_eq!(
        numbers,
        [
            (Some(2000), 2000.0),
            (Some(-1), -1.0),
            (None, 0.05),
            (None, 0.03),
            (None, 1e20),
            (Some(1), 1.0),
            (Some(2), 2.0)
        ]
    );
}

#[test]
fn doc_comments_go_to_the_next_statement() {
    let parsed = parsed(
        "/// one\n/// two\na {\n  // no\n  /// three\n  b\n  c /// stray\n  /// last\n}\n//// no doc\nd",
    );
    let a = &parsed.file.statements[0];
    assert_eq!(a.doc.as_ref().unwrap().text, "one\ntwo");
    let inner = &a.block.as_ref().unwrap().statements;
    assert_eq!(inner[0].doc.as_ref().unwrap().text, "three");
    assert!(inner[1].doc.is_none());
    assert!(parsed.file.statements[1].doc.is_none());
    assert_eq!(parsed.file.stray_docs.len(), 2);
    assert_eq!(parsed.file.comments.len(), 7);
}

/// Some editors save a mark of UTF-8 before the first character.
#[test]
fn a_byte_order_mark_is_white_space() {
    let parsed = parsed("\u{FEFF}/// Doc.\na 1\n");
    assert_eq!(parsed.file.statements[0].doc.as_ref().unwrap().text, "Doc.");
    assert!(parsed.file.stray_docs.is_empty());
    assert!(parsed.file.comments[0].own_line);
}

#[test]
fn an_unclosed_block_is_one_error_where_it_should_end() {
    let text = "query {\n  id a { rows 2 }\n\nitem {\n  id b { rows 2 }\n}\n";
    assert_eq!(errors(text), ["E0102 2:18 this block is never closed"]);
    assert_eq!(parsed(text).file.statements.len(), 2);
    let inner = "query {\n  id a { rows 2\n  id b { rows 2 }\n}\nitem { }\n";
    assert_eq!(errors(inner), ["E0102 2:16 this block is never closed"]);
    assert_eq!(
        errors("query {\n  id a {\n"),
        [
            "E0102 2:9 this block is never closed",
            "E0102 2:9 this block is never closed"
        ]
    );
}

#[test]
fn an_unclosed_list_is_one_error_at_its_bracket() {
    for text in [
        "a = [1, 2\nb = 3\n",
        "t { a = [1, 2 }\nb = 3\n",
        "a = [\n 1,\n 2\nothers skip\n",
        "a = [1,\nb = 2\n",
        "a = [[1, 2\n",
    ] {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(
            errors[0].contains("E0102") && errors[0].contains("this list is never closed"),
            "{text}: {errors:?}"
        );
    }
}

#[test]
fn an_unclosed_string_is_one_error_at_its_quote() {
    for text in [
        "data \"x\nmodel y",
        "surfaces from \"s { a = 0 }\n",
        "a = [\"b\", \"c]\n",
        "t from \"x {\n a 1\n}\n",
        "data \"",
    ] {
        let errors = errors(text);
        assert_eq!(errors.len(), 1, "{text}: {errors:?}");
        assert!(errors[0].contains("E0104"), "{text}: {errors:?}");
    }
}

#[test]
fn a_closing_delimiter_without_an_opening_one() {
    assert_eq!(
        errors("a { b } }\nc"),
        ["E0103 1:9 this `}` closes nothing"]
    );
    assert_eq!(errors("a 1]\n"), ["E0103 1:4 this `]` closes nothing"]);
    let missing = "tasks\n  a 1\n  b 2\n}\nmodel x\n";
    assert_eq!(errors(missing), ["E0103 1:6 this block is never opened"]);
    assert_eq!(parsed(missing).file.statements.len(), 2);
}

#[test]
fn a_bad_statement_costs_itself() {
    let text = "a {\n  rows: 10\n  = 5\n  dim 3 }\nb 10k\n{ }\nc { } d\n";
    assert_eq!(
        errors(text),
        [
            "E0101 2:7 unexpected `:`",
            "E0101 3:3 unexpected `=`",
            "E0101 5:3 unexpected `10k`",
            "E0101 6:1 this block belongs to no statement",
            "E0107 7:7 two statements stand side by side",
        ]
    );
    let file = parsed(text).file;
    assert_eq!(file.statements.len(), 4);
    assert!(file.statements[0].block.as_ref().unwrap().damaged);
}

#[test]
fn lists_need_commas() {
    assert_eq!(errors("a [1 2]"), ["E0101 1:6 unexpected `2`"]);
    assert_eq!(errors("a [,]"), ["E0101 1:4 unexpected `,`"]);
    assert_eq!(errors("a [1, [2]]"), ["E0101 1:7 unexpected `[2]`"]);
    assert_eq!(errors("a [1, = 2]"), ["E0101 1:7 unexpected `=`"]);
    assert!(errors("a [\n  1, // one\n  2,\n]").is_empty());
    assert!(errors("a []").is_empty());
}

#[test]
fn nesting_is_bounded() {
    let deep = format!("{}{}", "a { ".repeat(50_000), "} ".repeat(50_000));
    assert_eq!(errors(&deep), ["E0106 1:67 this nests too deep"]);
    assert_eq!(
        errors(&format!("a {}{}", "[".repeat(50_000), "]".repeat(50_000))).len(),
        1
    );
    assert_eq!(errors(&"[".repeat(50_000)).len(), 2);
    assert!(errors(&"{".repeat(50_000)).len() <= 18);
}

#[test]
fn escapes() {
    let parsed = parsed(r#"data "a\"b\\c\n\t""#);
    assert_eq!(
        parsed.file.statements[0].atoms[0].kind,
        AtomKind::Text("a\"b\\c\n\t".to_owned())
    );
    assert_eq!(
        errors(r#"data "C:\new\über""#),
        [r"E0105 1:13 unknown escape `\ü`"]
    );
}
