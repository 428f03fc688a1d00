//! What the formatter writes, case by case.

use crate::diagnostics::Diagnostic;
use crate::source::Source;

fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    super::format(&Source::new("", text))
}

/// The text formatted; formatting it again changes nothing.
fn formatted(text: &str) -> String {
    let once = format(text).unwrap();
    assert_eq!(format(&once).unwrap(), once, "from {text:?}");
    once
}

#[test]
fn lines_that_stand_together_share_columns() {
    assert_eq!(
        formatted(
            "query{id a{rows 2,dim 1}\ncategory bcd from \"x\" {dim 1}\n\nnumber x {log}\nvector v 3\n}"
        ),
        "\
query {
  id       a            { rows 2, dim 1 }
  category bcd from \"x\" { dim 1 }

  number x { log }
  vector v 3
}
"
    );
    assert_eq!(
        formatted(
            "t {\n  epochs 2\n  dense { lr 1 }\n  // why\n  batch 512\n  deep [\n 1\n]\n  x 1\n}"
        ),
        "\
t {
  epochs 2
  dense  { lr 1 }
  // why
  batch  512
  deep [
    1,
  ]
  x 1
}
"
    );
}

#[test]
fn a_line_end_behind_the_brace_or_bracket_opens_it() {
    assert_eq!(
        formatted("a { b 1,\n c [2 ,\n3] }"),
        "a { b 1, c [2, 3] }\n"
    );
    assert_eq!(
        formatted("a {\n b 1, c [\n2 , 3,\n 4] }"),
        "a {\n  b 1\n  c [\n    2, 3,\n    4,\n  ]\n}\n"
    );
    assert_eq!(formatted("a {\n}, b [\n]\n"), "a { }\nb []\n");
    assert_eq!(formatted("a = [\n 1 ] { b }"), "a = [\n  1,\n] { b }\n");
}

#[test]
fn what_is_too_wide_is_broken() {
    let names: Vec<String> = (0..30).map(|index| format!("\"value{index}\"")).collect();
    let text = formatted(&format!("a {{ values [{}], dim 4 }}", names.join(",")));
    assert_eq!(text.lines().next(), Some("a {"));
    assert_eq!(text.lines().nth(1), Some("  values ["));
    assert_eq!(text.lines().last(), Some("}"));
    assert!(text.lines().all(|line| line.len() <= 120), "{text}");
    assert_eq!(text.lines().count(), 8, "{text}");
}

#[test]
fn comments_and_groups_stay() {
    let text = "\
// first

/// Doc.
a { // of a
  // own

  b      1   // of b
  longer 2   // of longer
  c      { } // of c
  // last
} // after

d [ // of the list
  1, // one
  // own
  2,

  3,
]
";
    assert_eq!(formatted(text), text);
    assert_eq!(formatted(&text.replace("  ", "\t ")), text);
    assert_eq!(formatted("\n\n\na\n\n\n\nb\n\n\n"), "a\n\nb\n");
    assert_eq!(formatted(""), "");
    assert_eq!(formatted("\n // only  \n"), "// only\n");
}

/// A doc comment documents what it did before, wherever it stands.
#[test]
fn a_comment_behind_a_lone_comma_stays_there() {
    assert_eq!(
        formatted("a // one\n, /// two\nb\n"),
        "a // one\n, /// two\nb\n"
    );
    assert_eq!(formatted(", /// x\nb"), ", /// x\nb\n");
    assert_eq!(
        formatted("a [1 // x\n, // y\n2]"),
        "a [\n  1, // x\n  // y\n  2,\n]\n"
    );
}

#[test]
fn marks_and_line_ends_of_other_systems_go() {
    assert_eq!(
        formatted("\u{FEFF}/// Doc.\r\na 1\r\n\r\nb 2"),
        "/// Doc.\na 1\n\nb 2\n"
    );
}

#[test]
fn a_text_with_syntax_errors_is_refused() {
    let diagnostics = format("a {\n}\n  }\n").unwrap_err();
    assert_eq!(diagnostics.len(), 1);
    assert_eq!(diagnostics[0].primary.span.start, 8);
}

/// One long head once cost its line all but its first word.
#[test]
fn long_heads_stay() {
    let long = "checkout from action \"listing_clicked\" & \"added_to_cart\" & \"checked_out\" { dim 3 }\n";
    assert_eq!(formatted(long), long);
    assert_eq!(
        formatted(&format!("{long}ctr from \"a\" {{ dim 3 }}")),
        format!("{long}ctr      from \"a\" {{ dim 3 }}\n")
    );
}
