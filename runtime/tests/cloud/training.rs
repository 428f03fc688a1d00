//! Runs over a store, from the command line.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::server::{Fault, Server};
use crate::{at, child, rows};

fn run(server: &Server, args: &[&str]) -> Output {
    at(&mut child::program(args), server).output().unwrap()
}

fn weights(out: &str) -> Vec<u8> {
    fs::read(Path::new(out).join("model/model.safetensors")).unwrap()
}

#[test]
fn a_run_that_lost_its_store_is_resumed() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name).display().to_string();
    let data = path("data");
    fs::create_dir(&data).unwrap();
    for name in ["a", "b", "c"] {
        rows::write(&root.path().join(format!("data/{name}.parquet")), 500);
    }
    let server = Server::start(Path::new(&data));
    let (local, whole, lost) = (path("local"), path("whole"), path("lost"));
    let train = |data: &str, out: &str, more: &[&str]| {
        let args = ["train", "--data", data, "--out", out, "--quiet"];
        let output = run(&server, &[&args, more].concat());
        (output.status.code(), child::stderr(&output))
    };
    let often = ["--checkpoint-every", "3"];
    assert_eq!(train(&data, &local, &often).0, Some(0));
    server.ranges();
    assert_eq!(train("s3://bucket/data", &whole, &often).0, Some(0));
    assert_eq!(weights(&whole), weights(&local));

    server.plan(server.ranges() / 2, u64::MAX, Fault::Status(403));
    let (code, text) = train("s3://bucket/data", &lost, &often);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("error: s3://bucket/data/"), "{text}");
    server.plan(0, 0, Fault::Torn);
    let (code, text) = train("s3://bucket/data", &lost, &["--resume"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(weights(&lost), weights(&local));
}

#[test]
fn rows_that_are_skipped_are_named_by_url() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    fs::create_dir(&data).unwrap();
    rows::write_with_bad_scores(&data.join("rows.parquet"));
    let server = Server::start(&data);
    let path = |name: &str| root.path().join(name).display().to_string();
    let (out, file) = (path("run"), path("skipped.jsonl"));
    let base = [
        "train",
        "--data",
        "s3://bucket/data",
        "--out",
        &out,
        "--quiet",
    ];
    let stopped = run(&server, &base);
    assert_eq!(stopped.status.code(), Some(1));
    let text = child::stderr(&stopped);
    assert!(
        text.contains("s3://bucket/data/rows.parquet, row 7, column `hw_ctr`"),
        "{text}"
    );

    let skip = [
        "--force",
        "--epochs",
        "1",
        "--on-bad-row",
        "skip",
        "--quarantine",
        &file,
    ];
    let output = run(&server, &[&base[..], &skip].concat());
    assert_eq!(output.status.code(), Some(0), "{}", child::stderr(&output));
    let lines = fs::read_to_string(&file).unwrap();
    assert_eq!(lines.lines().count(), 5, "{lines}");
    for line in lines.lines() {
        assert!(
            line.starts_with(r#"{"file":"s3://bucket/data/rows.parquet","index":0,"row":"#),
            "{line}"
        );
    }
}
