//! New projects: they hold what they need, their specs check, and their crates are fresh.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use parquet::basic::{ConvertedType, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use support::run::{Program, outcome};
use tempfile::tempdir;

const MTMDC: Program = Program {
    exe: env!("CARGO_BIN_EXE_mtmdc"),
};

/// Runs the program: its exit code, and all that it prints.
fn mtmdc(folder: &Path, arguments: &[&str]) -> (i32, String) {
    let (code, stdout, stderr) = MTMDC.run(folder, arguments);
    (code, stdout + &stderr)
}

enum Values<'a> {
    Ints(&'a [i64]),
    /// Days since 1970.
    Dates(&'a [i32]),
    Texts(&'a [&'a str]),
}
use Values::{Dates, Ints, Texts};

impl Values<'_> {
    fn field(&self, name: &str) -> Arc<Type> {
        let (physical, converted) = match self {
            Ints(_) => (Physical::INT64, ConvertedType::NONE),
            Dates(_) => (Physical::INT32, ConvertedType::DATE),
            Texts(_) => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        };
        let builder = Type::primitive_type_builder(name, physical);
        let builder = builder.with_repetition(parquet::basic::Repetition::REQUIRED);
        Arc::new(builder.with_converted_type(converted).build().unwrap())
    }
}

/// Writes a Parquet file, and the folder that it lies in.
fn parquet(path: &Path, columns: &[(&str, Values<'_>)]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let fields = columns.iter().map(|(name, values)| values.field(name));
    let schema = Type::group_type_builder("rows").with_fields(fields.collect());
    let schema = Arc::new(schema.build().unwrap());
    let file = fs::File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (_, values) in columns {
        let mut column = group.next_column().unwrap().unwrap();
        let written = match values {
            Ints(values) => column.typed::<Int64Type>().write_batch(values, None, None),
            Dates(values) => column.typed::<Int32Type>().write_batch(values, None, None),
            Texts(values) => {
                let values: Vec<ByteArray> = values.iter().map(|text| (*text).into()).collect();
                column
                    .typed::<ByteArrayType>()
                    .write_batch(&values, None, None)
            }
        };
        written.unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
}

/// A few rows that a draft can be made of, and other columns.
fn rows(path: &Path, others: Vec<(&str, Values<'_>)>) {
    let mut columns = vec![
        ("surface", Texts(&["feed", "search", "feed", "feed"])),
        ("ad_type", Texts(&["image", "video", "image", "video"])),
        ("clicked", Ints(&[0, 1, 0, 1])),
        ("user_id", Ints(&[11, 12, 13, 14])),
        ("ad_id", Ints(&[21, 22, 23, 24])),
    ];
    columns.extend(others);
    parquet(path, &columns);
}

/// What is in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<String> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The spec of a project, which is sound, and whose data is there.
fn sound_spec(project: &Path, name: &str) -> String {
    let path = format!("specs/{name}.mtmd");
    let output = mtmdc(project, &["build", "--check", &path]);
    assert_eq!(output.0, 0, "{}", output.1);
    fs::read_to_string(project.join(path)).unwrap()
}

#[test]
fn a_draft_is_sound_whatever_names_are() {
    let scratch = tempdir().unwrap();
    let data = "Donne\u{301}es \"1\"\\";
    let others = vec![
        ("user_\u{301}\"\\\n\tz", Ints(&[500, 600, 700, 800])),
        ("user 年", Ints(&[500, 600, 700, 800])),
        ("user 月", Ints(&[500, 600, 700, 800])),
        ("type", Ints(&[500, 600, 700, 800])),
        ("like\u{301}d", Ints(&[0, 1, 1, 1])),
        ("play_time\n}", Ints(&[500, 600, 700, 800])),
    ];
    rows(&scratch.path().join(data).join("a.parquet"), others);
    let file = format!("{data}/a.parquet");
    let made = mtmdc(scratch.path(), &["new", "shop", "--from", &file]);
    assert_eq!(made.0, 0, "{}", made.1);
    let spec = sound_spec(&scratch.path().join("shop"), "shop");
    for part in [
        "data \"../../Donne\u{301}es \\\"1\\\"\\\\\"\n",
        "from \"user_\u{301}\\\"\\\\\\n\\tz\"",
        "action \"like\u{301}d\"",
        "`play_time\\n}`",
        "feature_type",
        "user_2",
    ] {
        assert!(spec.contains(part), "{part}\n{spec}");
    }
}

#[test]
fn the_data_of_a_draft_is_one_folder() {
    let scratch = tempdir().unwrap();
    for file in ["a/x.parquet", "a/y.parquet", "b/z.parquet"] {
        rows(&scratch.path().join(file), vec![]);
    }
    let made = mtmdc(
        scratch.path(),
        &["new", "shop", "--from", "a/x.parquet", "b/z.parquet"],
    );
    assert_eq!(made.0, 2, "{}", made.1);
    let said = made.1;
    assert!(said.contains("several folders, `a` and `b`"), "{said}");
    assert_eq!(names(scratch.path()), ["a", "b"], "nothing is left behind");

    let made = mtmdc(
        &scratch.path().join("b"),
        &[
            "new",
            "../shop",
            "--from",
            "../a/x.parquet",
            "../b/../a/y.parquet",
        ],
    );
    assert_eq!(made.0, 0, "{}", made.1);
    let spec = sound_spec(&scratch.path().join("shop"), "shop");
    let data = spec.split("data \"").nth(1).unwrap().split('"').next();
    let found = scratch.path().join("shop/specs").join(data.unwrap());
    assert_eq!(names(&found), ["x.parquet", "y.parquet"]);
}

#[test]
fn a_draft_splits_by_dates() {
    let scratch = tempdir().unwrap();
    let days = [19_107, 19_108, 19_109, 19_110];
    rows(
        &scratch.path().join("rows.parquet"),
        vec![("user_birth", Dates(&days)), ("served", Dates(&days))],
    );
    let made = mtmdc(scratch.path(), &["new", "shop", "--from", "rows.parquet"]);
    assert_eq!(made.0, 0, "{}", made.1);
    let spec = sound_spec(&scratch.path().join("shop"), "shop");
    let split = "split by \"served\" {\n  train    20220425 .. 20220426\n  validate 20220427\n  test     20220428\n}";
    assert!(spec.contains(split), "{spec}");
}

/// A task is another's child where it is 1 in no row without it: rows of two files must not slip.
#[test]
fn a_draft_reads_what_all_files_have() {
    let scratch = tempdir().unwrap();
    rows(
        &scratch.path().join("a.parquet"),
        vec![("is_saved", Ints(&[0, 0, 0, 1]))],
    );
    rows(
        &scratch.path().join("b.parquet"),
        vec![
            ("is_saved", Ints(&[0, 1, 0, 0])),
            ("is_bought", Ints(&[0, 1, 0, 0])),
            ("user_age", Ints(&[30, 40, 50, 60])),
        ],
    );
    let files = ["new", "shop", "--from", "b.parquet", "a.parquet"];
    let made = mtmdc(scratch.path(), &files);
    assert_eq!(made.0, 0, "{}", made.1);
    let said = "left out, for not every file has them: `is_bought`, `user_age`\n";
    assert!(made.1.contains(said), "{}", made.1);
    let spec = sound_spec(&scratch.path().join("shop"), "shop");
    assert!(!spec.contains("bought") && !spec.contains("user_age"));
    assert!(
        spec.contains("\"is_saved\" { embedding 32, given clicked }"),
        "{spec}"
    );
}

#[test]
fn a_project_is_whole_or_not_there() {
    let scratch = tempdir().unwrap();
    // An empty column name is none that a spec can have.
    rows(
        &scratch.path().join("rows.parquet"),
        vec![("", Ints(&[500, 600, 700, 800]))],
    );
    let made = mtmdc(scratch.path(), &["new", "shop", "--from", "rows.parquet"]);
    assert_eq!(made.0, 1, "{}", made.1);
    assert!(made.1.contains("no project is made"), "{}", made.1);
    assert_eq!(names(scratch.path()), ["rows.parquet"]);

    let made = mtmdc(scratch.path(), &["new", "rows.parquet/shop"]);
    assert_eq!(made.0, 3, "{}", made.1);
    assert!(made.1.contains("cannot make `rows.parquet/shop`"));
    fs::write(scratch.path().join("file"), "").unwrap();
    let made = mtmdc(scratch.path(), &["new", "file"]);
    assert_eq!(made.0, 3, "{}", made.1);
    assert!(made.1.contains("cannot make `file`"));
    assert_eq!(names(scratch.path()), ["file", "rows.parquet"]);

    // A folder that is there is filled, whatever it is to others.
    fs::create_dir(scratch.path().join("shop")).unwrap();
    for name in ["shop", "fair"] {
        let made = mtmdc(scratch.path(), &["new", name]);
        assert_eq!(made.0, 0, "{}", made.1);
    }
    let made = names(&scratch.path().join("shop"));
    assert_eq!(made, names(&scratch.path().join("fair")));
    assert!(made.iter().all(|name| !name.ends_with(".tmp")), "{made:?}");
    assert_eq!(
        names(scratch.path()),
        ["fair", "file", "rows.parquet", "shop"]
    );
}

#[test]
fn a_project_is_whole() {
    let scratch = tempdir().unwrap();
    let made = mtmdc(scratch.path(), &["new", "home_ads"]);
    assert_eq!(made.0, 0, "{}", made.1);
    let project = scratch.path().join("home_ads");
    for arguments in [
        &["check", "--deny", "warnings", "specs/home_ads.mtmd"][..],
        &["fmt", "--check", "specs/home_ads.mtmd"],
        &["build", "--check", "specs/home_ads.mtmd"],
    ] {
        let output = mtmdc(&project, arguments);
        assert_eq!(output.0, 0, "{arguments:?}: {}", output.1);
    }
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    assert!(readme.contains("mtmdc train specs/home_ads.mtmd --data data"));
    // The runtime is this repository's, whole.
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtime/src/lib.rs");
    assert_eq!(
        fs::read_to_string(project.join("runtime/src/lib.rs")).unwrap(),
        fs::read_to_string(ours).unwrap()
    );
}

/// Cargo takes a project for a workspace whose members are all there, finds nothing to change in its lock file, and the
/// versions in it are those that this repository is tested with. If not: `LOCK=write cargo test --test new`.
#[test]
fn a_project_is_locked() {
    let scratch = tempdir().unwrap();
    let made = mtmdc(scratch.path(), &["new", "home_ads"]);
    assert_eq!(made.0, 0, "{}", made.1);
    let project = scratch.path().join("home_ads");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let write = std::env::var("LOCK").is_ok_and(|value| value == "write");
    if write {
        fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    }
    // Of this platform alone, whose packages the tests' own build has fetched.
    let (_, rustc, _) = outcome(Command::new("rustc").arg("-vV"));
    let host = rustc
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let mut metadata = Command::new(env!("CARGO"));
    metadata.current_dir(&project).args([
        "metadata",
        "--format-version",
        "1",
        "--filter-platform",
        host,
    ]);
    metadata.args((!write).then_some("--locked"));
    let (code, metadata, said) = outcome(&mut metadata);
    assert_eq!(code, 0, "{said}");
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["workspace_members"].as_array().unwrap().len(), 4);
    let lock = fs::read_to_string(project.join("Cargo.lock")).unwrap();
    if write {
        let own = "\n[[package]]\nname = \"home_ads\"\nversion = \"0.1.0\"\ndependencies = [\n \"mtmd\",\n]\n";
        let template = root.join("src/cli/new/templates/Cargo.lock");
        fs::write(template, lock.replace(own, "")).unwrap();
    }
    let tested = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    for package in lock.split("[[package]]\n").skip(1) {
        let versioned: Vec<&str> = package.lines().take(2).collect();
        let versioned = versioned.join("\n");
        assert!(
            versioned.contains("home_ads") || tested.contains(&versioned),
            "another version than here: {versioned}"
        );
    }
}

#[test]
fn a_draft_of_real_data_checks() {
    let scratch = tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/kuairand");
    let mut files: Vec<String> = fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path().to_string_lossy().into_owned())
        .filter(|path| path.ends_with(".parquet"))
        .collect();
    files.sort();
    let mut arguments = vec!["new", "videos", "--from"];
    arguments.extend(files.iter().map(String::as_str));
    let made = mtmdc(scratch.path(), &arguments);
    assert_eq!(made.0, 0, "{}", made.1);
    let project = scratch.path().join("videos");
    let spec = fs::read_to_string(project.join("specs/videos.mtmd")).unwrap();
    for line in [
        "surfaces from \"tab\" {",
        "products from \"upload_type\" {",
        "  ctr  from \"hw_ctr\"  { embedding 64 }",
        "  ids      watch_seq             { rows 32768, dim 16, vocabulary }",
        "`play_time_ms`",
        "  test     20220504",
    ] {
        assert!(spec.contains(line), "{line}\n{spec}");
    }
    // What users are, and not the videos, whatever it is called.
    let (query, item) = spec.split_once("\nitem {").unwrap();
    assert!(query.contains("is_video_author") && item.contains("duration_ms"));
    let data = spec
        .split("data \"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    assert!(
        project
            .join("specs")
            .join(data)
            .join(Path::new(&files[0]).file_name().unwrap())
            .is_file()
    );
    for arguments in [
        &["check", "specs/videos.mtmd"][..],
        &["fmt", "--check", "specs/videos.mtmd"],
    ] {
        let output = mtmdc(&project, arguments);
        assert_eq!(output.0, 0, "{arguments:?}: {}", output.1);
    }
}

#[test]
fn what_cannot_be_a_project_is_refused() {
    let scratch = tempdir().unwrap();
    fs::write(scratch.path().join("text.parquet"), "no Parquet").unwrap();
    fs::create_dir(scratch.path().join("taken")).unwrap();
    fs::write(scratch.path().join("taken/file"), "").unwrap();
    for (arguments, code, message) in [
        (&["new", "HomeAds"][..], 2, "not a valid name of a model"),
        (&["new", "core"], 2, "a crate of Rust"),
        (&["new", "taken"], 2, "is there already, and not empty"),
        (
            &["new", "a", "--from", "none.parquet"],
            1,
            "cannot read `none.parquet`",
        ),
        (
            &["new", "a", "--from", "text.parquet"],
            1,
            "cannot read `text.parquet`",
        ),
    ] {
        let output = mtmdc(scratch.path(), arguments);
        assert_eq!(output.0, code, "{}", output.1);
        assert!(output.1.contains(message), "{}", output.1);
        assert!(!scratch.path().join("a").exists(), "nothing is left behind");
    }
}

#[test]
fn completions_and_manual() {
    let scratch = tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = mtmdc(scratch.path(), &["completions", shell]);
        assert!(output.0 == 0 && output.1.contains("mtmdc"));
    }
    let manual = mtmdc(scratch.path(), &["man"]);
    for command in ["check", "build", "graph", "fmt", "train", "new"] {
        assert!(
            manual.1.contains(&format!(".TH mtmdc-{command} 1"))
                || manual.1.contains(&format!("mtmdc\\-{command}")),
            "{command}"
        );
    }
}
