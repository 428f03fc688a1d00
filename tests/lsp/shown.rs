//! What an editor shows beside and in the text: outline, colours, sizes.

use super::client::{Client, covered};
use super::{URI, opened, sound};
use serde_json::{Value, json};

#[test]
fn the_outline_has_what_is_declared() {
    let text = sound();
    let mut client = opened(&text);
    let asked = json!({ "textDocument": { "uri": URI } });
    let symbols = client
        .request("textDocument/documentSymbol", asked)
        .unwrap();
    let outline = |symbols: &Value| -> Vec<String> {
        let symbols = symbols.as_array().unwrap().iter();
        symbols
            .map(|symbol| symbol["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        outline(&symbols),
        [
            "shop_ads", "surfaces", "products", "tasks", "pins", "query", "item"
        ]
    );
    assert_eq!(outline(&symbols[1]["children"]), ["feed", "search"]);
    assert_eq!(
        outline(&symbols[5]["children"]),
        ["pin", "user_id", "age", "text"]
    );
    assert_eq!(
        covered(&text, &symbols[5]["children"][1]["selectionRange"]),
        "user_id"
    );
    let whole = covered(&text, &symbols[4]["range"]);
    assert_eq!(whole, "table pins { rows 1_000, dim 16 }");
    client.stop();
}

#[test]
fn tokens_tell_names_from_words() {
    let text = sound();
    let mut client = opened(&text);
    let asked = json!({ "textDocument": { "uri": URI } });
    let tokens = client
        .request("textDocument/semanticTokens/full", asked)
        .unwrap();
    let types = [
        "keyword",
        "namespace",
        "enumMember",
        "function",
        "type",
        "property",
        "string",
        "number",
        "operator",
        "comment",
    ];
    let (mut line, mut column) = (0, 0);
    let mut found = vec![];
    for token in tokens["data"].as_array().unwrap().chunks(5) {
        let [down, right, length, kind, modifiers] = token else {
            panic!("a token is five numbers")
        };
        let number = |value: &Value| value.as_u64().unwrap();
        line += number(down);
        column = if number(down) > 0 {
            number(right)
        } else {
            column + number(right)
        };
        let start = json!({ "line": line, "character": column });
        let end = json!({ "line": line, "character": column + number(length) });
        let word = covered(&text, &json!({ "start": start, "end": end }));
        found.push((word, types[number(kind) as usize], number(modifiers)));
    }
    for expected in [
        ("/// Ads of a shop.", "comment", 2),
        ("model", "keyword", 0),
        ("shop_ads", "namespace", 1),
        ("\"𝄞é\"", "string", 0),
        ("search", "enumMember", 1),
        ("search", "enumMember", 0),
        ("// 𝄞", "comment", 0),
        ("gctr", "function", 1),
        ("ctr", "function", 0),
        ("given", "keyword", 0),
        ("pins", "type", 1),
        ("pins", "type", 0),
        ("id", "keyword", 0),
        ("user_id", "property", 1),
        ("1_000", "number", 0),
        ("=", "operator", 0),
    ] {
        let has = found
            .iter()
            .any(|(word, kind, modifiers)| (word.as_str(), *kind, *modifiers) == expected);
        assert!(has, "no {expected:?} in {found:?}");
    }
    client.stop();
}

#[test]
fn hints_tell_sizes_and_stay_while_a_spec_is_broken() {
    let text = sound();
    let mut client = opened(&text);
    let hints = |client: &mut Client| -> Vec<(u64, String)> {
        let end = json!({ "line": 999, "character": 0 });
        let range = json!({ "start": { "line": 0, "character": 0 }, "end": end });
        let asked = json!({ "textDocument": { "uri": URI }, "range": range });
        let hints = client.request("textDocument/inlayHint", asked).unwrap();
        let hints = hints.as_array().unwrap().iter();
        let line = |hint: &Value| hint["position"]["line"].as_u64().unwrap();
        hints
            .map(|hint| (line(hint), hint["label"].as_str().unwrap().to_owned()))
            .collect()
    };
    let first = hints(&mut client);
    let label = |wanted: &str| first.iter().find(|(_, label)| label == wanted);
    assert_eq!(label("serves 192").map(|(line, _)| *line), Some(10));
    assert_eq!(label("serves 128").map(|(line, _)| *line), Some(12));
    assert_eq!(label("64.0 kB").map(|(line, _)| *line), Some(16));
    let parameters = first
        .iter()
        .filter(|(_, label)| label.ends_with("parameters"));
    assert_eq!(parameters.count(), 4, "{first:?}");

    let broken = text.replace("given ctr", "given");
    client.change(URI, 2, json!([{ "text": broken }]));
    assert_eq!(hints(&mut client), first);
    client.stop();
}
