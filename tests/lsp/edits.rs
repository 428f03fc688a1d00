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
