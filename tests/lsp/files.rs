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

const TOWNS: &str = "model m\nsurfaces from \"s\" { feed = 1 }\nproducts from \"p\" { ads = 1 }\n\
    tasks { ctr from \"c\" }\nquery { id town { dim 4, values \"towns.txt\" } }\n\
    item { number price }\n";

#[test]
fn a_spec_with_a_vocabulary_file_can_be_renamed() {
    let folder = folder("lsp_vocabulary");
    std::fs::write(folder.join("towns.txt"), "Rome\nOslo\n").unwrap();
    let uri = format!("file://{}/root.mtmd", folder.display());
    let mut client = Client::start();
    client.open(&uri, TOWNS);
    let at = position(TOWNS, "town ", 0);
    let renamed = client
        .ask("rename", &uri, at, json!({ "newName": "city" }))
        .unwrap();
    let expected = TOWNS.replace("town {", "city from \"town\" {");
    assert_eq!(edited(TOWNS, &renamed, &uri), expected);
    client.stop();
}

/// The vocabulary is on no disk: only the editor has it.
#[test]
fn a_change_of_an_open_vocabulary_reaches_its_spec() {
    let folder = folder("lsp_open_vocabulary");
    let uri = |name: &str| format!("file://{}/{name}", folder.display());
    let (root_uri, towns_uri) = (uri("root.mtmd"), uri("towns.txt"));
    let mut client = Client::start();
    client.open(&root_uri, TOWNS);
    assert_eq!(client.diagnostics(&root_uri)[0]["code"], "E0570");
    client.open(&towns_uri, "Rome\nRome\n");
    assert_eq!(client.diagnostics(&root_uri)[0]["code"], "E0309");
    client.change(&towns_uri, 2, json!([{ "text": "Rome\nOslo\n" }]));
    assert!(client.diagnostics(&root_uri).is_empty());
    client.change(&towns_uri, 3, json!([{ "text": "Oslo\nOslo\n" }]));
    assert_eq!(client.diagnostics(&root_uri)[0]["code"], "E0309");
    assert!(!client.has_diagnostics(&towns_uri), "it is no spec");
    client.change(&towns_uri, 4, json!([{ "text": "Rome\nOslo\n" }]));
    let at = position(TOWNS, "town ", 0);
    let renamed = client
        .ask("rename", &root_uri, at, json!({ "newName": "city" }))
        .unwrap();
    let expected = TOWNS.replace("town {", "city from \"town\" {");
    assert_eq!(edited(TOWNS, &renamed, &root_uri), expected);
    client.stop();
}

#[cfg(unix)]
#[test]
fn files_are_published_as_uris_whatever_they_are_called() {
    let folder = folder("lsp_x:y");
    std::fs::write(folder.join("a\\b.mtmd"), "query { id user { table no } }\n").unwrap();
    let base = format!("file://{}", folder.display()).replace(':', "%3A");
    let base = base.replacen("%3A", ":", 1);
    let root = "model m\nuse \"a\\\\b.mtmd\"\nsurfaces from \"s\" { feed = 1 }\n\
        products from \"p\" { ads = 1 }\ntasks { ctr from \"c\" }\nitem { number price }\n";
    let mut client = Client::start();
    client.open(&format!("{base}/root.mtmd"), root);
    let found = client.diagnostics(&format!("{base}/a%5Cb.mtmd"));
    assert_eq!(found[0]["code"], "E0203", "{found:?}");
    client.stop();
}
