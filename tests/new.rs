//! New projects: they hold what they need, their specs check, and their crates are fresh.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A new folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mtmdc-new-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mtmdc(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mtmdc"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_project_is_whole() {
    let scratch = Scratch::new("whole");
    let made = mtmdc(&scratch.0, &["new", "home_ads"]);
    assert!(made.status.success(), "{}", text(&made));
    let project = scratch.0.join("home_ads");
    for arguments in [
        &["check", "--deny", "warnings", "specs/home_ads.mtmd"][..],
        &["fmt", "--check", "specs/home_ads.mtmd"],
        &["build", "--check", "specs/home_ads.mtmd"],
    ] {
        let output = mtmdc(&project, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
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
    let scratch = Scratch::new("locked");
    let made = mtmdc(&scratch.0, &["new", "home_ads"]);
    assert!(made.status.success(), "{}", text(&made));
    let project = scratch.0.join("home_ads");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let write = std::env::var("LOCK").is_ok_and(|value| value == "write");
    if write {
        fs::copy(root.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    }
    // Of this platform alone, whose packages the tests' own build has fetched.
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = text(&rustc);
    let host = rustc
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let metadata = Command::new(env!("CARGO"))
        .current_dir(&project)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--filter-platform",
            host,
        ])
        .args((!write).then_some("--locked"))
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", text(&metadata));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).unwrap();
    assert_eq!(metadata["workspace_members"].as_array().unwrap().len(), 2);
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
    let scratch = Scratch::new("draft");
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/kuairand");
    let mut files: Vec<String> = fs::read_dir(data)
        .unwrap()
        .map(|entry| entry.unwrap().path().to_string_lossy().into_owned())
        .filter(|path| path.ends_with(".parquet"))
        .collect();
    files.sort();
    let mut arguments = vec!["new", "videos", "--from"];
    arguments.extend(files.iter().map(String::as_str));
    let made = mtmdc(&scratch.0, &arguments);
    assert!(made.status.success(), "{}", text(&made));
    let project = scratch.0.join("videos");
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
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn what_cannot_be_a_project_is_refused() {
    let scratch = Scratch::new("refused");
    fs::write(scratch.0.join("text.parquet"), "no Parquet").unwrap();
    fs::create_dir(scratch.0.join("taken")).unwrap();
    fs::write(scratch.0.join("taken/file"), "").unwrap();
    for (arguments, code, message) in [
        (&["new", "HomeAds"][..], 2, "not a valid name of a model"),
        (&["new", "model"], 2, "a trait of the runtime"),
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
        let output = mtmdc(&scratch.0, arguments);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output));
        assert!(text(&output).contains(message), "{}", text(&output));
        assert!(!scratch.0.join("a").exists(), "nothing is left behind");
    }
}

#[test]
fn completions_and_manual() {
    let scratch = Scratch::new("shells");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = mtmdc(&scratch.0, &["completions", shell]);
        assert!(output.status.success() && text(&output).contains("mtmdc"));
    }
    let manual = mtmdc(&scratch.0, &["man"]);
    for command in ["check", "build", "graph", "fmt", "train", "new"] {
        assert!(
            text(&manual).contains(&format!(".TH mtmdc-{command} 1"))
                || text(&manual).contains(&format!("mtmdc\\-{command}")),
            "{command}"
        );
    }
}
