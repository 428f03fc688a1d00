//! The floors of the compiler and the rooms of the runtime: each imports only from those before
//! it. Read from the sources, so that a wrong import fails here whatever it compiles to.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

#[path = "common/imports.rs"]
mod imports;

use imports::Crate;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Floors of the compiler, lowest first.
const COMPILER: [&str; 12] = [
    "reflect",
    "source",
    "diagnostics",
    "syntax",
    "sema",
    "program",
    "graph",
    "plan",
    "emit",
    "driver",
    "lsp",
    "cli",
];

/// Rooms of the runtime, lowest first.
const RUNTIME: [&str; 21] = [
    "bug",
    "error",
    "schema",
    "hash",
    "params",
    "profile",
    "store",
    "arrays",
    "parquet",
    "vocab",
    "data",
    "exec",
    "tables",
    "optimiser",
    "evaluation",
    "score",
    "training",
    "index",
    "serve",
    "export",
    "cli",
];

/// Crates and modules that only one floor of the compiler names.
const ALONE: [(&str, &str); 10] = [
    ("pest", "syntax"),
    ("minijinja", "emit"),
    ("prettyplease", "emit"),
    ("syn", "emit"),
    ("annotate_snippets", "diagnostics"),
    ("lsp_server", "lsp"),
    ("gen_lsp_types", "lsp"),
    ("clap", "cli"),
    ("mtmd_options", "cli"),
    ("std::fs", "cli"),
];

#[test]
fn the_compiler_imports_downward_only() {
    check("src", &COMPILER);
}

#[test]
fn the_runtime_imports_downward_only() {
    check("runtime/src", &RUNTIME);
}

#[test]
fn each_tool_has_one_floor() {
    for (path, room) in files("src") {
        for line in code(&path) {
            for (tool, owner) in ALONE {
                let named = tokens(&line, &format!("{tool}::")).next().is_some();
                assert!(
                    !named || room == owner,
                    "{} names `{tool}`: {line}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for source in ["src", "options/src", "runtime/src"] {
        let sources = Crate::read(&root.join(source));
        let circles: BTreeSet<Vec<String>> = sources.circles();
        assert!(
            circles.is_empty(),
            "files of {source} import each other: {circles:#?}"
        );
        if source != "options/src" {
            assert!(
                sources.count() > 300,
                "the imports of {source} were not found"
            );
        }
    }
}

/// A small crate on disk: an import through a re-export, one of a grandparent, and a circle of three.
#[test]
fn circles_are_found() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("circles");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("b")).unwrap();
    for (file, text) in [
        ("lib.rs", "mod a;\nmod b;\nmod e;\npub use e::E;\n"),
        (
            "a.rs",
            "use crate::b::{\n    C as Other,\n};\nfn f(_: Other) {}\n",
        ),
        (
            "b/mod.rs",
            "mod c;\nmod d;\npub(crate) use c::C;\nfn g() { c::f() }\n",
        ),
        ("b/c.rs", "pub struct C;\npub fn f() { super::d::f() }\n"),
        (
            "b/d.rs",
            "// use crate::e::E;\npub fn f() -> crate::E { crate::a::f() }\n",
        ),
        (
            "e.rs",
            "pub struct E;\n#[cfg(test)]\nmod tests {\n    use crate::a::f;\n}\n",
        ),
    ] {
        fs::write(folder.join(file), text).unwrap();
    }
    let circle = ["a", "b::c", "b::d"].map(str::to_owned).to_vec();
    let sources = Crate::read(&folder);
    assert_eq!(sources.circles(), BTreeSet::from([circle]));
    assert_eq!(sources.count(), 4);
}

/// Asserts that no file of a room names a room that stands behind its own.
fn check(root: &str, order: &[&str]) {
    let place = |room: &str| order.iter().position(|other| *other == room);
    let mut imports = 0;
    for (path, room) in files(root) {
        let own = place(&room)
            .unwrap_or_else(|| panic!("`{room}` is no room: give it its place in this test"));
        for line in code(&path) {
            for other in rooms_named(&line) {
                // What is no room is an item of the crate's root, or part of a macro.
                let Some(other) = place(&other) else { continue };
                assert!(other <= own, "{} imports upward: {line}", path.display());
                imports += 1;
            }
            let climbed = line.matches("super::").count();
            let inline = usize::from(line.starts_with(' '));
            assert!(
                climbed < depth(&path, root) + inline,
                "{} leaves its room by `super`: {line}",
                path.display()
            );
        }
    }
    assert!(imports > 10, "the imports of {root} were not found");
}

/// The sources under a root with their rooms, without those of the root itself.
fn files(root: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let mut folders = vec![root.clone()];
    let mut files = vec![];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(&root).unwrap().with_extension("");
            let room = relative
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_str()
                .unwrap();
            let is_source = path.extension().is_some_and(|end| end == "rs");
            if is_source && !["lib", "main"].contains(&room) {
                files.push((path.clone(), room.to_owned()));
            }
        }
    }
    files.sort();
    files
}

/// Number of modules between a file and the crate's root.
fn depth(path: &Path, root: &str) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let depth = path.strip_prefix(root).unwrap().components().count();
    if path.ends_with("mod.rs") {
        depth - 1
    } else {
        depth
    }
}

/// The lines of a file without comments.
fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.map(str::to_owned).collect()
}

/// What follows `prefix` where it stands as a path of its own.
fn tokens<'a>(line: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(prefix).filter_map(move |(at, _)| {
        let before = line[..at].chars().next_back();
        let joined = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
        (!joined).then(|| &line[at + prefix.len()..])
    })
}

/// The rooms that a line names as `crate::room` or `crate::{room, …}`.
fn rooms_named(line: &str) -> Vec<String> {
    let name = |text: &str| {
        text.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let mut rooms = vec![];
    for rest in tokens(line, "crate::") {
        match rest.strip_prefix('{') {
            Some(group) => rooms.extend(group.split([',', '}']).map(|part| name(part.trim()))),
            None => rooms.push(name(rest)),
        }
    }
    rooms
}

#[test]
fn imports_are_recognised() {
    assert_eq!(rooms_named("use crate::graph::Graph;"), ["graph"]);
    assert_eq!(
        rooms_named("use crate::{plan, emit::File};"),
        ["plan", "emit", ""]
    );
    assert_eq!(rooms_named("let x = crate::cli::run();"), ["cli"]);
    assert!(rooms_named("use other_crate::graph;").is_empty());
}
