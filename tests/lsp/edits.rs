//! The edits that the server answers with.

use super::client::{Client, edited};
use super::{URI, position, sound};
use serde_json::json;

#[test]
fn edits_name_the_version_that_they_are_of() {
    let edits = json!({ "workspace": { "workspaceEdit": { "documentChanges": true } } });
    let mut client = Client::start_with(edits);
    let text = sound();
    client.open(URI, "model m");
    client.change(URI, 7, json!([{ "text": text }]));
    let at = position(&text, "search }", 0);
    let renamed = client
        .ask("rename", URI, at, json!({ "newName": "look_up" }))
        .unwrap();
    assert!(renamed.get("changes").is_none(), "{renamed}");
    let changes = renamed["documentChanges"].as_array().unwrap();
    assert_eq!(changes.len(), 1);
    let document = json!({ "uri": URI, "version": 7 });
    assert_eq!(changes[0]["textDocument"], document);
    let plain = json!({ "changes": { URI: changes[0]["edits"] } });
    assert_eq!(
        edited(&text, &plain, URI),
        text.replace("search", "look_up")
    );

    // Code actions answer with edits as well.
    let broken = text.replace("given ctr", "given crt");
    client.change(URI, 8, json!([{ "text": broken }]));
    let at = position(&broken, "crt", 0);
    let asked = json!({
        "textDocument": { "uri": URI },
        "range": { "start": at, "end": at },
        "context": { "diagnostics": [] },
    });
    let actions = client.request("textDocument/codeAction", asked).unwrap();
    let document = &actions[0]["edit"]["documentChanges"][0]["textDocument"];
    assert_eq!(document["version"], 8);
    client.stop();
}

/// The head of a spec, with more in its query tower and behind it.
fn moody(query: &str, more: &str) -> String {
    format!(
        "model m\nsurfaces from \"s\" {{ feed = 1, search = 2 }}\nproducts from \"p\" {{ ads = 1 }}\n\
         tasks {{ ctr from \"c\" }}\nquery {{ number age, {query} }}\nitem {{ number price }}\n{more}\n"
    )
}

/// A server that has a text open, which has no errors: only then its meaning is compared.
fn sound_client(text: &str) -> Client {
    let mut client = Client::start();
    client.open(URI, "model m");
    assert!(!client.diagnostics(URI).is_empty());
    change(&mut client, 2, text);
    client
}

fn change(client: &mut Client, version: i64, text: &str) {
    client.change(URI, version, json!([{ "text": text }]));
    let errors = client.last_diagnostics(URI);
    assert!(
        errors.iter().all(|found| found["severity"] != 1),
        "{text}{errors:?}"
    );
}

#[test]
fn a_feature_that_a_variant_declares_too_keeps_its_column() {
    let mut client = sound_client(&moody("number one", ""));
    let cases = [
        (
            moody(
                "vector mood 64",
                "variant small { query { vector mood 32 } }",
            ),
            moody(
                "vector feel 64 from \"mood\"",
                "variant small { query { vector feel 32 from \"mood\" } }",
            ),
        ),
        // A block alone changes nothing else of a feature.
        (
            moody(
                "vector mood 64",
                "variant small { query { vector mood { on feed } } }",
            ),
            moody(
                "vector feel 64 from \"mood\"",
                "variant small { query { vector feel { on feed } } }",
            ),
        ),
        // Unless it is removed first, or the variant's own.
        (
            moody(
                "id mood { rows 9, dim 2 }",
                "variant small { query { without mood, id mood { rows 5, dim 2 } } }",
            ),
            moody(
                "id feel from \"mood\" { rows 9, dim 2 }",
                "variant small { query { without feel, id feel from \"mood\" { rows 5, dim 2 } } }",
            ),
        ),
        (
            moody(
                "number one",
                "variant small { query { id mood { rows 5, dim 2 } } }\nvariant tiny { query { id mood { rows 3, dim 2 } } }",
            ),
            moody(
                "number one",
                "variant small { query { id feel from \"mood\" { rows 5, dim 2 } } }\nvariant tiny { query { id feel from \"mood\" { rows 3, dim 2 } } }",
            ),
        ),
        (
            moody(
                "vector mood 64 from \"m\"",
                "variant small { query { vector mood 32 from \"n\" } }",
            ),
            moody(
                "vector feel 64 from \"m\"",
                "variant small { query { vector feel 32 from \"n\" } }",
            ),
        ),
    ];
    for (version, (text, expected)) in cases.into_iter().enumerate() {
        change(&mut client, version as i64 + 3, &text);
        let at = position(&text, "mood", 0);
        let renamed = client.ask("rename", URI, at, json!({ "newName": "feel" }));
        let renamed = renamed.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(edited(&text, &renamed, URI), expected);
    }
    client.stop();
}

#[test]
fn a_name_that_would_change_a_variant_is_refused() {
    let text = moody(
        "number mood",
        "variant small { query { number feel { log } } }",
    );
    let mut client = sound_client(&text);
    let at = position(&text, "mood", 0);
    let refused = client.ask("rename", URI, at.clone(), json!({ "newName": "feel" }));
    let error = refused.unwrap_err();
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("variant `small` would not mean"),
        "{message}"
    );
    // Any other name moves places among the names, and that is no change.
    for new in ["a", "zoo"] {
        let renamed = client.ask("rename", URI, at.clone(), json!({ "newName": new }));
        assert!(renamed.is_ok(), "{renamed:?}");
    }
    client.stop();
}

/// Names of every kind, moved to the front and the back of their order.
#[test]
fn other_names_may_take_any_place() {
    let text = moody(
        "id user { table users, on search }, id seen { rows 9, dim 2 }",
        "table users { rows 9, dim 2 }\narchitecture on search { deep [8, 4] }\n\
         variant small { architecture { deep [16, 8] } }",
    )
    .replace(
        "ctr from \"c\"",
        "ctr from \"c\", buy from \"b\" { given ctr, on search }",
    );
    let mut client = sound_client(&text);
    for word in [
        "search", "feed", "ads", "ctr", "buy", "users", "user ", "seen", "small", "m\n",
    ] {
        for new in ["aaa", "zzz"] {
            let at = position(&text, word, 0);
            let renamed = client.ask("rename", URI, at, json!({ "newName": new }));
            assert!(renamed.is_ok(), "{word} as {new}: {renamed:?}");
        }
    }
    client.stop();
}

#[test]
fn a_lone_return_ends_a_line_of_the_editor() {
    let text = sound()
        .replace("tasks {\n", "tasks {\r")
        .replace("item {\n", "item {\r\n");
    let mut client = Client::start();
    client.open(URI, &text);
    let place = |line: u64, from: u64, to: u64| json!({ "start": { "line": line, "character": from }, "end": { "line": line, "character": to } });
    // The line of `ctr from`, the one behind the lone return.
    let line = sound()
        .lines()
        .position(|line| line.starts_with("  ctr"))
        .unwrap() as u64;
    let at = json!({ "line": line, "character": 3 });
    let marks = client
        .ask("documentHighlight", URI, at.clone(), json!({}))
        .unwrap();
    assert_eq!(marks[0]["range"], place(line, 2, 5));
    assert_eq!(marks[1]["range"]["start"]["line"], line + 2);
    // A comment goes on behind the return; its token does not.
    let comment = "model m // a\rbc\n";
    client.open("file:///specs/other.mtmd", comment);
    let asked = json!({ "textDocument": { "uri": "file:///specs/other.mtmd" } });
    let tokens = client
        .request("textDocument/semanticTokens/full", asked)
        .unwrap();
    let data = tokens["data"].as_array().unwrap();
    let lengths: Vec<&serde_json::Value> = data.iter().skip(2).step_by(5).collect();
    assert_eq!(lengths, [5, 1, 4, 2], "{tokens}");
    // What the editor changes there is changed there.
    client.change(
        URI,
        2,
        json!([{ "range": place(line, 2, 5), "text": "tap" }]),
    );
    let renamed = client.ask("hover", URI, at, json!({})).unwrap();
    assert_eq!(renamed["range"], place(line, 2, 5));
    let error = client.last_diagnostics(URI);
    assert_eq!(error[0]["code"], "E0203", "{error:?}");
    assert_eq!(error[0]["range"]["start"]["line"], line + 2);
    client.stop();
}

/// Whichever column the variant's declaration reads without `from`, it goes on reading it.
#[test]
fn a_variant_of_a_feature_with_a_column_keeps_what_it_reads() {
    let text = moody(
        "vector mood 64 from \"m\"",
        "variant small { query { vector mood 32 } }",
    );
    let mut client = sound_client(&text);
    let at = position(&text, "mood", 0);
    let renamed = client.ask("rename", URI, at, json!({ "newName": "feel" }));
    let renamed = edited(&text, &renamed.unwrap(), URI);
    assert!(renamed.contains("vector feel 64 from \"m\" }"), "{renamed}");
    client.stop();
}
