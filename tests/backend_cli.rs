//! The command line: what it writes, what it says and what it exits with.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking"
)]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const MINIMAL: &str = include_str!("../specs/minimal.mtmd");

/// An empty folder of a test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("cli")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtmdc"));
    command.current_dir(folder).args(arguments);
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    outcome(command(folder, arguments).output().unwrap())
}

fn outcome(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A folder with `minimal.mtmd` in it.
fn with_spec(name: &str) -> PathBuf {
    let folder = folder(name);
    fs::write(folder.join("minimal.mtmd"), MINIMAL).unwrap();
    folder
}

#[test]
fn check_exits_with_what_it_finds() {
    let folder = with_spec("check");
    fs::write(
        folder.join("wrong.mtmd"),
        MINIMAL.replace("dim 16", "dims 16"),
    )
    .unwrap();
    fs::write(folder.join("latin.mtmd"), b"model minimal\n// caf\xe9\n").unwrap();
    for (specs, code, said) in [
        (&["minimal.mtmd"][..], 0, ""),
        (&["wrong.mtmd"], 1, "wrong.mtmd:8"),
        (&["minimal.mtmd", "wrong.mtmd"], 1, "did you mean"),
        (
            &["latin.mtmd"],
            1,
            "`latin.mtmd` is not UTF-8: byte 20, in line 2",
        ),
        (&["absent.mtmd"], 2, "there is no file `absent.mtmd`"),
        (&["wrong.mtmd", "absent.mtmd"], 2, "wrong.mtmd:8"),
        (&["."], 2, "`.` is a folder, not a spec"),
        (&[], 2, "Usage"),
    ] {
        let (exit, stdout, stderr) = run(&folder, &[&["check"], specs].concat());
        assert_eq!(exit, code, "{specs:?}: {stderr}");
        assert!(stderr.contains(said), "{specs:?}: {stderr}");
        assert_eq!(stdout, "");
        assert!(!stderr.contains('\u{1b}'), "colour on a pipe: {stderr}");
    }
}

#[test]
fn diagnostics_come_as_json_lines() {
    let folder = with_spec("json");
    fs::write(
        folder.join("wrong.mtmd"),
        MINIMAL.replace("dim 16", "dims 16"),
    )
    .unwrap();
    let arguments = [
        "check",
        "wrong.mtmd",
        "absent.mtmd",
        "--message-format",
        "json",
    ];
    let (exit, stdout, stderr) = run(&folder, &arguments);
    assert_eq!((exit, stderr.as_str()), (2, ""));
    let lines: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.len() > 2 && lines.iter().all(|line| line["schema"] == 1));
    assert!(lines.iter().all(|line| line["severity"] == "error"));
    assert_eq!(lines[0]["file"], "wrong.mtmd");
    let last = lines.last().unwrap();
    assert_eq!(last["message"], "there is no file `absent.mtmd`");
}

#[test]
fn build_writes_what_differs_and_check_names_it() {
    let folder = with_spec("build");
    let build = || run(&folder, &["build", "minimal.mtmd", "--out", "out"]);
    let check = || {
        run(
            &folder,
            &["build", "minimal.mtmd", "--out", "out", "--check"],
        )
    };

    let (exit, _, stderr) = check();
    assert_eq!(exit, 1);
    assert_eq!(stderr.matches("is missing").count(), 7, "{stderr}");
    assert!(!folder.join("out").exists());

    assert_eq!(build().0, 0);
    assert_eq!(check(), (0, String::new(), String::new()));
    let model = folder.join("out/minimal/src/model.rs");
    let written = fs::metadata(&model).unwrap().modified().unwrap();
    assert_eq!(build().0, 0);
    assert_eq!(fs::metadata(&model).unwrap().modified().unwrap(), written);

    let text = fs::read_to_string(&model).unwrap();
    fs::write(&model, text.replace("shared", "other")).unwrap();
    let (exit, _, stderr) = check();
    assert_eq!(exit, 1);
    assert!(
        stderr.contains("out/minimal/src/model.rs` is stale"),
        "{stderr}"
    );
    assert!(
        stderr.contains("help: run `mtmdc build minimal.mtmd --out out`"),
        "{stderr}"
    );
    assert_eq!(build().0, 0);
    assert_eq!(fs::read_to_string(&model).unwrap(), text);

    let all: Vec<_> = fs::read_dir(folder.join("out/minimal/src"))
        .unwrap()
        .collect();
    assert_eq!(all.len(), 4, "a temporary file stayed");
}

#[test]
fn build_removes_only_what_it_generated() {
    let folder = with_spec("left");
    let build = ["build", "minimal.mtmd", "--out", "."];
    assert_eq!(run(&folder, &build).0, 0);
    let source = folder.join("minimal/src");
    fs::write(
        source.join("old.rs"),
        "//! Generated by mtmdc 0.0.1 from `minimal.mtmd`.\n",
    )
    .unwrap();
    fs::write(source.join("mine.rs"), "// mine\n").unwrap();
    let (exit, _, stderr) = run(&folder, &[&build[..], &["--check"]].concat());
    assert_eq!(exit, 1);
    assert!(
        stderr.contains("old.rs` is left over") && !stderr.contains("mine.rs"),
        "{stderr}"
    );
    assert_eq!(run(&folder, &build).0, 0);
    assert!(!source.join("old.rs").exists() && source.join("mine.rs").exists());

    fs::write(
        folder.join("minimal/Cargo.toml"),
        "[package]\nname = \"mine\"\n",
    )
    .unwrap();
    let (exit, _, stderr) = run(&folder, &build);
    assert_eq!(exit, 3);
    assert!(
        stderr.contains("Cargo.toml` is there, and mtmdc did not write it"),
        "{stderr}"
    );
    let kept = fs::read_to_string(folder.join("minimal/Cargo.toml")).unwrap();
    assert!(kept.contains("mine"));
}

/// The minimal spec with a vocabulary in the file `users.txt`, which is written too.
fn with_vocabulary(folder: &Path, values: &str) {
    let spec = MINIMAL.replacen("rows 10_000", "values \"users.txt\"", 1);
    assert_ne!(spec, MINIMAL);
    fs::write(folder.join("minimal.mtmd"), spec).unwrap();
    fs::write(folder.join("users.txt"), values).unwrap();
}

#[test]
fn build_removes_only_its_own_vocabularies() {
    let folder = folder("vocabularies");
    let build = ["build", "minimal.mtmd", "--out", "."];
    with_vocabulary(&folder, "a\nb\n");
    assert_eq!(run(&folder, &build).0, 0);
    let vocabularies = folder.join("minimal/src/vocabularies");
    let copies: Vec<_> = fs::read_dir(&vocabularies).unwrap().collect();
    let copy = copies[0].as_ref().unwrap().path();
    fs::write(vocabularies.join("notes.md"), "mine").unwrap();
    fs::write(vocabularies.join("mine.txt"), "mine").unwrap();
    fs::create_dir(vocabularies.join("folder")).unwrap();

    with_vocabulary(&folder, "a\nb\nc\n");
    assert_eq!(run(&folder, &build).0, 0);
    assert_eq!(fs::read_to_string(&copy).unwrap(), "a\nb\nc\n");

    fs::write(folder.join("minimal.mtmd"), MINIMAL).unwrap();
    let (exit, _, stderr) = run(&folder, &[&build[..], &["--check"]].concat());
    assert_eq!(exit, 1);
    assert_eq!(stderr.matches("is left over").count(), 1, "{stderr}");
    assert_eq!(run(&folder, &build).0, 0);
    assert!(!copy.exists());
    for name in ["notes.md", "mine.txt", "folder"] {
        assert!(vocabularies.join(name).exists(), "{name} is gone");
    }
    assert_eq!(run(&folder, &[&build[..], &["--check"]].concat()).0, 0);

    // A file that was there before the spec had a vocabulary of its name.
    fs::write(&copy, "mine").unwrap();
    with_vocabulary(&folder, "a\nb\n");
    let (exit, _, stderr) = run(&folder, &build);
    assert_eq!(exit, 3);
    assert!(stderr.contains("mtmdc did not write it"), "{stderr}");
    assert_eq!(fs::read_to_string(&copy).unwrap(), "mine");
}

/// The copy reads in the runtime as the file does here, whatever editor wrote it.
#[test]
fn a_vocabulary_is_its_lines() {
    let folder = folder("lines");
    let graph = || {
        let (exit, yaml, stderr) = run(&folder, &["graph", "minimal.mtmd"]);
        assert_eq!(exit, 0, "{stderr}");
        yaml
    };
    for (plain, other) in [
        ("1\n2\n", "\u{feff}1\r\n2\r\n"),
        ("a\nb\nc\n", "a\r\nb\r\r\nc\r"),
    ] {
        with_vocabulary(&folder, plain);
        let expected = graph();
        with_vocabulary(&folder, other);
        assert_eq!(graph(), expected, "{other:?}");
    }
}

#[cfg(unix)]
#[test]
fn what_is_there_stays_what_it_is() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let folder = folder("there");
    let file = folder.join("file.mtmd");
    fs::write(&file, MINIMAL.replace("dim 16", "dim    16")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    symlink("file.mtmd", folder.join("link.mtmd")).unwrap();
    assert_eq!(run(&folder, &["fmt", "link.mtmd"]).0, 0);
    assert!(folder.join("link.mtmd").is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), MINIMAL);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let graph = |output: &str| {
        let (exit, _, stderr) = run(&folder, &["graph", "file.mtmd", "-o", output]);
        assert_eq!((exit, stderr.as_str()), (0, ""), "{output}");
    };
    symlink("/dev/null", folder.join("null")).unwrap();
    graph("null");
    let null = fs::metadata(folder.join("null")).unwrap();
    assert!(null.file_type().is_char_device());
    symlink("later", folder.join("ahead")).unwrap();
    graph("ahead");
    assert!(folder.join("ahead").is_symlink() && folder.join("later").is_file());

    let pipe = folder.join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    graph("pipe");
    let kind = fs::symlink_metadata(&pipe).unwrap().file_type();
    assert!(kind.is_fifo(), "the pipe was replaced");
    assert!(reader.join().unwrap().contains("model: minimal"));
}

#[test]
fn build_says_what_it_cannot_write() {
    let folder = with_spec("unwritable");
    fs::write(folder.join("file"), "").unwrap();
    let (exit, _, stderr) = run(&folder, &["build", "minimal.mtmd", "--out", "file"]);
    assert_eq!(exit, 3);
    assert!(stderr.contains("cannot write `file/minimal/"), "{stderr}");

    fs::create_dir_all(folder.join("out/minimal/graph.yaml")).unwrap();
    let (exit, _, stderr) = run(&folder, &["build", "minimal.mtmd", "--out", "out"]);
    assert_eq!(exit, 3);
    assert!(stderr.contains("out/minimal/graph.yaml"), "{stderr}");
}

/// Two specs that need different things of one part: what the fixes left is said of both.
#[test]
fn fixes_of_a_shared_part_are_checked_for_all() {
    let folder = folder("shared-part");
    let spec = |surface: &str| {
        format!(
            "model ranker\nuse \"part.mtmd\"\nsurfaces from \"s\" {{ {surface} = 0 }}\n\
             products from \"p\" {{ std = 1 }}\ntasks {{ ctr from action \"a\" }}\n\
             query {{ id u {{ rows 9, dim 2 }} }}\nitem {{ id i {{ rows 9, dim 2 }} }}\n"
        )
    };
    fs::write(
        folder.join("part.mtmd"),
        "query { number n { on serach } }\n",
    )
    .unwrap();
    fs::write(folder.join("one.mtmd"), spec("search")).unwrap();
    fs::write(folder.join("two.mtmd"), spec("serch")).unwrap();
    let (exit, _, stderr) = run(&folder, &["check", "--fix", "one.mtmd", "two.mtmd"]);
    assert_eq!(exit, 1, "{stderr}");
    assert!(stderr.contains("there is no surface"), "{stderr}");
}

#[test]
fn two_specs_of_one_name_are_refused() {
    let folder = with_spec("twins");
    fs::write(folder.join("twin.mtmd"), MINIMAL).unwrap();
    let arguments = ["build", "minimal.mtmd", "twin.mtmd", "--out", "out"];
    let (exit, _, stderr) = run(&folder, &arguments);
    assert_eq!(exit, 1);
    assert!(
        stderr.contains("`twin.mtmd` has the name of an earlier one"),
        "{stderr}"
    );
}

#[test]
fn builds_in_two_folders_are_alike() {
    let folder = with_spec("two");
    for out in ["a", "b"] {
        assert_eq!(run(&folder, &["build", "minimal.mtmd", "--out", out]).0, 0);
    }
    for file in [
        "Cargo.toml",
        "graph.yaml",
        "src/lib.rs",
        "src/main.rs",
        "src/model.rs",
        "src/schema.rs",
    ] {
        let read = |out: &str| fs::read(folder.join(out).join("minimal").join(file)).unwrap();
        assert!(read("a") == read("b"), "{file}");
    }
}

#[test]
fn graph_goes_to_stdout_or_a_file() {
    let folder = with_spec("graph");
    let (exit, yaml, stderr) = run(&folder, &["graph", "minimal.mtmd"]);
    assert_eq!((exit, stderr.as_str()), (0, ""));
    assert!(yaml.contains("\nmtmd: 1\nmodel: minimal\n"));
    let (exit, svg, _) = run(
        &folder,
        &["graph", "minimal.mtmd", "--format", "svg", "-o", "a/b.svg"],
    );
    assert_eq!((exit, svg.as_str()), (0, ""));
    assert!(
        fs::read_to_string(folder.join("a/b.svg"))
            .unwrap()
            .ends_with("</svg>\n")
    );
}

#[test]
fn explain_knows_every_code() {
    let folder = folder("explain");
    let (exit, stdout, _) = run(&folder, &["explain", "E0101"]);
    assert!(exit == 0 && stdout.contains("E0101"), "{stdout}");
    assert_eq!(run(&folder, &["explain", "e0101"]).1, stdout);
    let (exit, _, stderr) = run(&folder, &["explain", "E9999"]);
    assert_eq!(exit, 2);
    assert!(
        stderr.contains("there is no diagnostic `E9999`"),
        "{stderr}"
    );
}

#[test]
fn without_a_workspace_nothing_is_trained() {
    // A folder under the system's own temporary folder lies in no workspace.
    let folder = std::env::temp_dir().join(format!("mtmdc-cli-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("minimal.mtmd"), MINIMAL).unwrap();
    let (exit, _, stderr) = run(&folder, &["train", "minimal.mtmd"]);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(exit, 3);
    assert!(stderr.contains("no workspace of mtmdc"), "{stderr}");
}

/// A workspace whose cargo and whose program are one script that prints its arguments.
#[cfg(unix)]
fn with_workspace(name: &str) -> (PathBuf, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(name);
    fs::create_dir_all(folder.join("runtime")).unwrap();
    fs::create_dir_all(folder.join("specs")).unwrap();
    fs::write(folder.join("Cargo.toml"), "[workspace]\n").unwrap();
    fs::write(folder.join("runtime/Cargo.toml"), "[package]\n").unwrap();
    let spec = MINIMAL.replace("model minimal", "model minimal\ndata \"../data\"");
    fs::write(folder.join("specs/minimal.mtmd"), spec).unwrap();
    let script = folder.join("cargo");
    let text = format!(
        "#!/bin/sh\nif [ \"$1\" = build ]; then echo \"cargo $*\" >&2; \
         echo '{{\"target\":{{\"name\":\"minimal\"}},\"executable\":\"{}\"}}'; \
         else echo \"program $*\"; exit $CODE; fi\n",
        script.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    (folder, script)
}

#[cfg(unix)]
#[test]
fn train_builds_the_crate_and_runs_its_program() {
    let (folder, cargo) = with_workspace("train");
    let launch = |arguments: &[&str], code: i32| {
        let mut command = command(&folder, arguments);
        outcome(
            command
                .env("CARGO", &cargo)
                .env("CODE", code.to_string())
                .output()
                .unwrap(),
        )
    };
    let (exit, stdout, stderr) = launch(&["train", "specs/minimal.mtmd", "--epochs", "1"], 0);
    assert_eq!(exit, 0, "{stderr}");
    assert_eq!(stdout, "program train --data specs/../data --epochs 1\n");
    assert!(
        stderr.contains("cargo build --release --workspace --bin minimal"),
        "{stderr}"
    );
    assert!(folder.join("generated/minimal/src/model.rs").exists());

    let arguments = [
        "train",
        "specs/minimal.mtmd",
        "--data=else",
        "--device",
        "cuda:0",
    ];
    let (_, stdout, stderr) = launch(&arguments, 0);
    assert_eq!(stdout, "program train --data=else --device cuda:0\n");
    assert!(stderr.contains("--features minimal/cuda"), "{stderr}");

    let (_, stdout, _) = launch(&["synth", "specs/minimal.mtmd", "--out", "x"], 0);
    assert_eq!(stdout, "program synth --out x\n");
    for code in 1..4 {
        assert_eq!(launch(&["eval", "specs/minimal.mtmd"], code).0, code);
    }
}

#[cfg(unix)]
#[test]
fn data_in_an_object_store_builds_the_program_for_it() {
    let (folder, cargo) = with_workspace("store");
    let run = |arguments: &[&str]| {
        let mut command = command(&folder, arguments);
        outcome(
            command
                .env("CARGO", &cargo)
                .env("CODE", "0")
                .output()
                .unwrap(),
        )
    };
    let eval = ["eval", "specs/minimal.mtmd", "--data", "gs://bucket/rows"];
    let (_, stdout, stderr) = run(&eval);
    assert_eq!(stdout, "program eval --data gs://bucket/rows\n");
    assert!(stderr.contains("--features minimal/cloud"), "{stderr}");

    let spec = folder.join("specs/minimal.mtmd");
    let text = fs::read_to_string(&spec).unwrap();
    fs::write(&spec, text.replace("\"../data\"", "\"s3://bucket/rows\"")).unwrap();
    let (exit, _, stderr) = run(&["check", "specs/minimal.mtmd"]);
    assert_eq!(exit, 0, "{stderr}");
    let (_, stdout, stderr) = run(&["train", "specs/minimal.mtmd"]);
    assert_eq!(stdout, "program train --data s3://bucket/rows\n");
    assert!(stderr.contains("--features minimal/cloud"), "{stderr}");
    let (_, stdout, stderr) = run(&["train", "specs/minimal.mtmd", "--data", "else"]);
    assert_eq!(stdout, "program train --data else\n");
    assert!(!stderr.contains("--features"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn a_failed_build_of_the_crate_is_the_environments() {
    let (folder, cargo) = with_workspace("failed");
    fs::write(&cargo, "#!/bin/sh\necho 'error: no' >&2\nexit 101\n").unwrap();
    let mut train = command(&folder, &["train", "specs/minimal.mtmd"]);
    let (exit, _, stderr) = outcome(train.env("CARGO", &cargo).output().unwrap());
    assert_eq!(exit, 3);
    assert!(
        stderr.contains("the crate of `minimal` was not built"),
        "{stderr}"
    );

    let mut train = command(&folder, &["train", "specs/minimal.mtmd"]);
    let (exit, _, stderr) = outcome(train.env("CARGO", folder.join("absent")).output().unwrap());
    assert_eq!(exit, 3);
    assert!(
        stderr.contains("cannot run") && stderr.contains("rustup"),
        "{stderr}"
    );
}

/// The plan of a warm start is shown without a program being built, from what the folder of the weights tells.
#[test]
fn a_warm_start_is_shown_before_it_is_made() {
    let folder = with_spec("warm-start");
    let (_, graph, _) = run(&folder, &["graph", "minimal.mtmd"]);
    for path in ["run/model", "damaged"] {
        fs::create_dir_all(folder.join(path)).unwrap();
        fs::write(folder.join(path).join("model.safetensors"), "").unwrap();
        fs::write(folder.join(path).join("graph.yaml"), &graph).unwrap();
    }
    let damaged = graph.replace("dim: 16", "dim: 8");
    fs::write(folder.join("damaged/graph.yaml"), damaged).unwrap();
    let grown = MINIMAL
        .replace("search = 1", "search = 1, reels = 2 like feed")
        .replace("{ rows 10_000, dim 16 }", "{ rows 20_000, dim 16 }");
    assert_ne!(grown, MINIMAL);
    fs::write(folder.join("grown.mtmd"), grown).unwrap();

    let train = |from: &[&str]| run(&folder, &[&["train", "grown.mtmd"], from].concat());
    for run in ["run", "run/model"] {
        let (exit, shown, said) = train(&["--warm-start", run, "--dry-run"]);
        assert_eq!((exit, &*said), (0, ""), "{said}");
        for part in [
            "surface reels, values [2], like feed",
            "seeded",
            "query.reels",
            "from query.feed",
            "values hash to other rows",
        ] {
            assert!(shown.contains(part), "no {part:?} in\n{shown}");
        }
    }
    let (exit, shown, _) = run(
        &folder,
        &["train", "minimal.mtmd", "--warm-start=run", "--dry-run"],
    );
    assert_eq!(exit, 0);
    assert!(shown.contains("The models are the same"), "{shown}");

    for (arguments, exit, part) in [
        (&["--dry-run"][..], 2, "--warm-start DIR"),
        (
            &["--warm-start", "nowhere"],
            1,
            "no model to start from lies in `nowhere`",
        ),
        (&["--warm-start", "damaged"], 1, "it was edited"),
    ] {
        let (found, _, said) = train(arguments);
        assert_eq!(found, exit, "{said}");
        assert!(said.contains(part), "no {part:?} in {said}");
    }
}
