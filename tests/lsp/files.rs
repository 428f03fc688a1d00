//! Specs of several files, on the disk and in the editor.

use super::client::{Client, covered, edited};
use super::position;
use serde_json::json;

/// A folder of its own for files that the editor does not open.
fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_spec_of_several_files_is_one_spec() {
    let folder = folder("lsp_files");
    let part = "query { id user_id { table users, on search } }\n";
    std::fs::write(folder.join("part.mtmd"), part).unwrap();
    let uri = |name: &str| format!("file://{}/{name}", folder.display());
    let (root_uri, part_uri) = (uri("root.mtmd"), uri("part.mtmd"));
    let root = "model m\nuse \"part.mtmd\"\nsurfaces from \"s\" { feed = 1, search = 2 }\n\
        products from \"p\" { ads = 1 }\ntasks { ctr from \"c\" }\ntable users { rows 9, dim 2 }\n\
        query { number age }\nitem { number price }\n";
    let mut client = Client::start();
    client.open(&root_uri, root);

    // The part is read from the disk, and then from the editor once it is open.
    let at = position(root, "users", 0);
    let context = json!({ "context": { "includeDeclaration": true } });
    let found = client
        .ask("references", &root_uri, at.clone(), context.clone())
        .unwrap();
    assert_eq!(found[1]["uri"], part_uri);
    assert_eq!(covered(part, &found[1]["range"]), "users");
    let open = format!("// 𝄞\n{part}");
    client.open(&part_uri, &open);
    let found = client
        .ask("references", &root_uri, at.clone(), context)
        .unwrap();
    assert_eq!(covered(&open, &found[1]["range"]), "users");

    // From the part, the names of the root are known.
    let from_part = position(&open, "search", 0);
    let found = client
        .ask("definition", &part_uri, from_part.clone(), json!({}))
        .unwrap();
    assert_eq!(found["uri"], root_uri);
    assert_eq!(covered(root, &found["range"]), "search");
    let renamed = client
        .ask(
            "rename",
            &part_uri,
            from_part,
            json!({ "newName": "look_up" }),
        )
        .unwrap();
    assert_eq!(
        edited(root, &renamed, &root_uri),
        root.replace("search", "look_up")
    );
    assert_eq!(
        edited(&open, &renamed, &part_uri),
        open.replace("search", "look_up")
    );

    // Another spec that uses the part is renamed with it.
    let other_uri = uri("other.mtmd");
    let other = root.replace(
        "model m",
        "model other\nvariant v { query { without user_id } }",
    );
    client.open(&other_uri, &other);
    let at = position(&open, "user_id", 0);
    let renamed = client
        .ask("rename", &part_uri, at, json!({ "newName": "person" }))
        .unwrap();
    let expected = open.replace("user_id", "person from \"user_id\"");
    assert_eq!(edited(&open, &renamed, &part_uri), expected);
    assert_eq!(
        edited(&other, &renamed, &other_uri),
        other.replace("user_id", "person")
    );
    client.notify(
        "textDocument/didClose",
        json!({ "textDocument": { "uri": other_uri } }),
    );

    // A mistake in the part is shown there, also when the root caused it.
    client.change(
        &root_uri,
        2,
        json!([{ "text": root.replace("search = 2", "sea = 2") }]),
    );
    let found = client.diagnostics(&part_uri);
    assert_eq!(found[0]["code"], "E0203");
    assert_eq!(covered(&open, &found[0]["range"]), "search");
    client.change(&root_uri, 3, json!([{ "text": root }]));
    assert!(client.diagnostics(&part_uri).is_empty());

    // Alone, a part does not know who names what it declares.
    client.notify(
        "textDocument/didClose",
        json!({ "textDocument": { "uri": root_uri } }),
    );
    let at = position(&open, "user_id", 0);
    let error = client
        .ask("rename", &part_uri, at, json!({ "newName": "person" }))
        .unwrap_err();
    assert!(
        error["message"].as_str().unwrap().contains("open the spec"),
        "{error}"
    );
    client.stop();
}
