//! The language server, driven over its standard streams as an editor drives it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

#[path = "lsp/client.rs"]
mod client;
#[path = "lsp/edits.rs"]
mod edits;
#[path = "lsp/files.rs"]
mod files;
#[path = "lsp/shown.rs"]
mod shown;
#[path = "lsp/speed.rs"]
mod speed;

use client::{Client, covered, edited, marked};
use serde_json::{Value, json};

const URI: &str = "file:///specs/shop%20ads.mtmd";

/// A sound spec. What stands before some names on their lines is not ASCII, so that a column in
/// bytes or characters would be wrong.
const SPEC: &str = r#"/// Ads of a shop.
model shop_ads

surfaces from "surface" {
  /// What people see first.
  feed = "𝄞é", search = 1 // 𝄞
}
products from "ad_type" { ads = "a" }

tasks {
  ctr from "hw_𝄞" { embedding 128 }
  /// A good click.
  gctr from "hw_gctr" { given ctr, on search }
}

/// Pins.
table pins { rows 1_000, dim 16 }

query {
  id     pin     { table pins }
  id     user_id { rows 2_000, dim 8 }
  number age     { log, clip [0, 100], on search }
  vector text 64
}
item {
  id ad_id { table pins }
}
"#;

/// [`SPEC`] with what is wrong in it mended: raw values of one kind.
fn sound() -> String {
    SPEC.replace("search = 1", "search = \"𝄞 1\"")
}

/// The position in a text of the `nth` occurrence of a word, moved by some characters.
fn position(text: &str, word: &str, nth: usize) -> Value {
    let at = text.match_indices(word).nth(nth).unwrap().0;
    marked(&format!("{}‸{}", &text[..at], &text[at..])).1
}

fn opened(text: &str) -> Client {
    let mut client = Client::start();
    client.open(URI, text);
    client
}

fn labels(items: &Value) -> Vec<&str> {
    let items = items.as_array().unwrap().iter();
    items.map(|item| item["label"].as_str().unwrap()).collect()
}

#[test]
fn diagnostics_follow_every_change() {
    let mut client = opened(SPEC);
    let found = client.diagnostics(URI);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["code"], "E0310");
    assert_eq!(found[0]["severity"], 1);
    assert_eq!(covered(SPEC, &found[0]["range"]), "1");
    let related = &found[0]["relatedInformation"][0];
    assert_eq!(covered(SPEC, &related["location"]["range"]), "\"𝄞é\"");

    let start = position(SPEC, "1 // 𝄞", 0);
    let end =
        json!({ "line": start["line"], "character": start["character"].as_u64().unwrap() + 1 });
    let change = json!([{ "range": { "start": start, "end": end }, "text": "\"𝄞 1\"" }]);
    client.change(URI, 2, change);
    assert!(client.diagnostics(URI).is_empty());

    let broken = sound().replace("given ctr", "given crt");
    client.change(URI, 3, json!([{ "text": broken }]));
    let found = client.diagnostics(URI);
    assert_eq!(found[0]["code"], "E0203");
    assert_eq!(covered(&broken, &found[0]["range"]), "crt");

    client.notify(
        "textDocument/didClose",
        json!({ "textDocument": { "uri": URI } }),
    );
    assert!(client.diagnostics(URI).is_empty());
    client.stop();
}

#[test]
fn hover_tells_documentation_shape_and_parameters() {
    let text = sound();
    let mut client = opened(&text);
    let cases = [
        (
            "feed",
            0,
            "feed",
            &["What people see first", "Domain Expert:", "parameters"][..],
        ),
        (
            "gctr",
            0,
            "gctr",
            &[
                "A good click.",
                "sigmoid(z) · P(ctr)",
                "served embedding: 128 floats",
            ],
        ),
        (
            "ctr, on",
            0,
            "ctr",
            &["**task** `ctr`", "served embedding: 192 floats"],
        ),
        (
            "pins {",
            0,
            "pins",
            &["Pins.", "1000 × 16", "64.0 kB", "`pin`, `ad_id`"],
        ),
        (
            "user_id",
            0,
            "user_id",
            &["field of width 8", "64.0 kB", "hashed"],
        ),
        ("age", 0, "age", &["on `search`", "field of width 1"]),
        (
            "shop_ads",
            0,
            "shop_ads",
            &["Ads of a shop.", "cells", "FLOPs"],
        ),
        ("clip", 0, "clip", &["[LO, HI]", "before"]),
        (
            "embedding",
            0,
            "embedding",
            &["`embedding N`", "*default:* 64"],
        ),
        ("tasks", 0, "tasks", &["prediction tasks"]),
        ("vector", 0, "vector", &["vector NAME N"]),
    ];
    for (word, nth, shown, texts) in cases {
        let hover = client
            .ask("hover", URI, position(&text, word, nth), json!({}))
            .unwrap();
        let value = hover["contents"]["value"]
            .as_str()
            .unwrap_or_else(|| panic!("{word}"));
        for part in texts {
            assert!(value.contains(part), "`{word}` lacks {part}:\n{value}");
        }
        assert_eq!(covered(&text, &hover["range"]), shown);
    }
    let allowing = format!("{text}allow [W0505]\n");
    client.change(URI, 2, json!([{ "text": allowing }]));
    let at = position(&allowing, "W0505", 0);
    let hover = client.ask("hover", URI, at, json!({})).unwrap();
    assert!(
        hover["contents"]["value"]
            .as_str()
            .unwrap()
            .contains("W0505")
    );
    let nothing = client
        .ask("hover", URI, position(&text, "1_000", 0), json!({}))
        .unwrap();
    assert!(nothing.is_null());
    client.stop();
}

#[test]
fn completion_knows_words_names_and_values() {
    let mut client = opened("model m");
    let cases = [
        ("\n‸", "table", "user_id"),
        ("\nsurfaces ‸", "from", "by"),
        ("\ntasks { ctr ‸ }", "from", "given"),
        ("\ntasks { ctr from ‸ }", "action", "from"),
        ("\ntasks { ctr from \"c\" { ‸ } }", "embedding", "rows"),
        (
            "\ntasks { a from \"a\", b from \"b\" { given ‸ } }",
            "a",
            "b",
        ),
        ("\ntasks { a from \"a\" { on ‸ } }", "feed", "pins"),
        ("\ntasks { a from \"a\" { on [feed, ‸] } }", "ads", "feed"),
        ("\nquery { ‸ }", "category", "dim"),
        ("\nquery { i‸ }", "ids", "rows"),
        ("\nquery { id x { rows 3, ‸ } }", "dim", "rows"),
        ("\nquery { id x {\n rows 3\n d‸\n} }", "dim", "rows"),
        ("\nquery { id x { table ‸ } }", "pins", "feed"),
        ("\nquery { ids x { pool ‸ } }", "mean", "pins"),
        ("\nquery { id x { on ‸ } }", "feed", "ads"),
        ("\nitem { id x { on [‸ } }", "ads", "feed"),
        ("\narchitecture { cross ‸ }", "none", "deep"),
        ("\ntraining { decay ‸ }", "linear", "none"),
        ("\nsplit by \"d\" { ‸ }", "train", "rows"),
        ("\ntasks { ctr from \"c\" { ‸", "embedding", "table"),
        (
            "\ntasks {\n  a from \"a\"\n  b from \"b\" { given ‸\n}",
            "a",
            "b",
        ),
        ("\nquery {\n  ‸", "category", "dim"),
        (
            "\nsurfaces from \"s\" { a = 1, b = [2, 3] like ‸ }",
            "feed",
            "ads",
        ),
        ("\narchitecture on ‸", "feed", "pins"),
        ("\narchitecture { cross ‸ }", "mlp", "deep"),
        ("\nallow [W0505, ‸]", "W0506", "W0505"),
        ("\nvariant v { ‸ }", "without", "from"),
        (
            "\ntasks { a from \"a\" }\nvariant v { tasks { without ‸ } }",
            "a",
            "pins",
        ),
        ("\nvariant v { architecture { cross ‸ } }", "none", "deep"),
    ];
    let names = "model m\nsurfaces from \"s\" { feed = 1 }\nproducts from \"p\" { ads = 1 }\ntable pins { rows 9, dim 2 }";
    for (version, (text, offered, not)) in cases.into_iter().enumerate() {
        let (text, at) = marked(&format!("{names}{text}"));
        client.change(URI, version as i64, json!([{ "text": text }]));
        let items = client.ask("completion", URI, at, json!({})).unwrap();
        let labels = labels(&items);
        assert!(
            labels.contains(&offered),
            "{text}\nlacks {offered}: {labels:?}"
        );
        assert!(!labels.contains(&not), "{text}\nhas {not}: {labels:?}");
    }
    for text in ["\n// ‸", "\nquery { id x from \"‸\" }"] {
        let (text, at) = marked(&format!("{names}{text}"));
        client.change(URI, 99, json!([{ "text": text }]));
        let items = client.ask("completion", URI, at, json!({})).unwrap();
        assert!(labels(&items).is_empty(), "{text}");
    }
    client.stop();
}

#[test]
fn names_lead_to_their_declarations_and_uses() {
    let text = sound();
    let mut client = opened(&text);
    let cases = [
        ("search }", "search", 3),
        ("pins }", "pins", 3),
        ("ctr, on", "ctr", 2),
        ("feed =", "feed", 1),
    ];
    for (word, name, uses) in cases {
        let at = position(&text, word, 0);
        let found = client
            .ask("definition", URI, at.clone(), json!({}))
            .unwrap();
        assert_eq!(found["uri"], URI);
        assert_eq!(found["range"]["start"], position(&text, name, 0), "{word}");
        for (declared, count) in [(true, uses), (false, uses - 1)] {
            let context = json!({ "context": { "includeDeclaration": declared } });
            let found = client.ask("references", URI, at.clone(), context).unwrap();
            let found = found.as_array().unwrap();
            assert_eq!(found.len(), count, "{word}: {found:?}");
            assert!(
                found
                    .iter()
                    .all(|place| covered(&text, &place["range"]) == name)
            );
        }
        let marks = client.ask("documentHighlight", URI, at, json!({})).unwrap();
        assert_eq!(marks.as_array().unwrap().len(), uses);
    }
    let nothing = client
        .ask("definition", URI, position(&text, "given", 0), json!({}))
        .unwrap();
    assert!(nothing.is_null());
    client.stop();
}

#[test]
fn renaming_keeps_the_meaning() {
    let text = sound();
    let mut client = opened(&text);
    let mut rename = |word: &str, new: &str| {
        let at = position(&text, word, 0);
        client.ask("rename", URI, at, json!({ "newName": new }))
    };
    let renamed = edited(&text, &rename("search }", "look_up").unwrap(), URI);
    assert_eq!(renamed, text.replace("search", "look_up"));
    // The column of a feature stays what it was.
    let renamed = edited(&text, &rename("user_id", "person").unwrap(), URI);
    let expected = text.replace("user_id {", "person from \"user_id\" {");
    assert_eq!(renamed, expected);
    let renamed = edited(&text, &rename("text 64", "words").unwrap(), URI);
    assert_eq!(renamed, text.replace("text 64", "words 64 from \"text\""));

    for (word, new, reason) in [
        ("ctr, on", "Click", "not a valid name"),
        ("ctr, on", "fn", "a keyword of Rust"),
        ("ctr, on", "two words", "not a valid name"),
        ("ctr, on", "gctr", "there are two tasks"),
        ("feed =", "ads", "both a surface and a product"),
        ("pins {", "user_id", "two tables"),
        ("given", "x", "no name of the spec"),
    ] {
        let error = rename(word, new).unwrap_err();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(reason), "{word} as {new}: {message}");
    }
    let at = position(&text, "search }", 0);
    let prepared = client.ask("prepareRename", URI, at, json!({})).unwrap();
    assert_eq!(prepared["placeholder"], "search");
    let at = position(&text, "given", 0);
    assert!(
        client
            .ask("prepareRename", URI, at, json!({}))
            .unwrap()
            .is_null()
    );
    client.stop();
}

#[test]
fn fixes_are_actions() {
    let text = sound().replace("given ctr", "given crt");
    let mut client = opened(&text);
    let at = position(&text, "crt", 0);
    let asked = json!({
        "textDocument": { "uri": URI },
        "range": { "start": at, "end": at },
        "context": { "diagnostics": [] },
    });
    let actions = client.request("textDocument/codeAction", asked).unwrap();
    let actions = actions.as_array().unwrap();
    assert_eq!(actions.len(), 1);
    assert_eq!(actions[0]["kind"], "quickfix");
    assert_eq!(actions[0]["isPreferred"], true);
    assert_eq!(edited(&text, &actions[0]["edit"], URI), sound());
    let start = json!({ "line": 0, "character": 0 });
    let elsewhere = json!({
        "textDocument": { "uri": URI },
        "range": { "start": start, "end": start },
        "context": { "diagnostics": [] },
    });
    let actions = client
        .request("textDocument/codeAction", elsewhere)
        .unwrap();
    assert_eq!(actions, json!([]));
    client.stop();
}

#[test]
fn formatting_lays_out_what_can_be_read() {
    let text = "model   m\ntasks {\n a from \"𝄞\" {   weight 2 }\n}\n";
    let mut client = opened(text);
    let asked = json!({ "textDocument": { "uri": URI }, "options": { "tabSize": 2, "insertSpaces": true } });
    let edits = client
        .request("textDocument/formatting", asked.clone())
        .unwrap();
    let edit = json!({ "changes": { URI: edits } });
    let formatted = edited(text, &edit, URI);
    assert_eq!(
        formatted,
        "model m\ntasks {\n  a from \"𝄞\" { weight 2 }\n}\n"
    );
    client.change(URI, 2, json!([{ "text": formatted }]));
    let edits = client
        .request("textDocument/formatting", asked.clone())
        .unwrap();
    assert_eq!(edits, json!([]));
    client.change(URI, 3, json!([{ "text": "tasks { a from \"" }]));
    assert!(
        client
            .request("textDocument/formatting", asked)
            .unwrap()
            .is_null()
    );
    client.stop();
}

#[test]
fn the_server_survives_what_it_does_not_understand() {
    let mut client = opened(SPEC);
    let error = client
        .request("textDocument/unknown", json!({}))
        .unwrap_err();
    assert_eq!(error["code"], -32601);
    let error = client
        .request("textDocument/hover", json!({ "position": 3 }))
        .unwrap_err();
    assert_eq!(error["code"], -32602);
    let nowhere = json!({ "line": 0, "character": 0 });
    let error = client
        .ask("hover", "file:///other.mtmd", nowhere, json!({}))
        .unwrap_err();
    assert!(error["message"].as_str().unwrap().contains("not open"));
    client.notify("textDocument/didChange", json!({ "nonsense": true }));
    client.notify("$/setTrace", json!({ "value": "off" }));
    let beyond = json!({ "line": 9_999, "character": 9_999 });
    assert!(
        client
            .ask("hover", URI, beyond, json!({}))
            .unwrap()
            .is_null()
    );
    client.stop();
}

/// A spec is typed from its start, so every beginning of one is a text that the server meets.
#[test]
fn every_beginning_of_a_spec_is_answered() {
    let text = include_str!("../specs/pinterest.mtmd");
    let mut client = opened("");
    let ends = text.char_indices().map(|(at, _)| at).step_by(61);
    for (version, end) in ends.enumerate() {
        let text = &text[..end];
        client.change(URI, version as i64 + 2, json!([{ "text": text }]));
        let at = marked(&format!("{text}‸")).1;
        for method in [
            "hover",
            "completion",
            "definition",
            "documentHighlight",
            "prepareRename",
        ] {
            client.ask(method, URI, at.clone(), json!({})).unwrap();
        }
        for method in [
            "documentSymbol",
            "semanticTokens/full",
            "inlayHint",
            "codeAction",
            "formatting",
        ] {
            let asked = json!({
                "textDocument": { "uri": URI },
                "range": { "start": at, "end": at },
                "context": { "diagnostics": [] },
                "options": { "tabSize": 2, "insertSpaces": true },
            });
            client
                .request(&format!("textDocument/{method}"), asked)
                .unwrap();
        }
    }
    client.stop();
}
