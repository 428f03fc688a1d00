//! What goes wrong names the URL, the cause and the fix.

use std::process::Command;

use crate::fixture::{Folder, frame};
use crate::reading::{reading, told};
use crate::server::{Fault, Server};

/// Asserts that reading fails by exit code, place and cause, and that the fix has some words.
fn assert_fails(command: &mut Command, start: &str, fix: &str) {
    let text = told(command);
    let last = text.split_once("exit ").map_or("", |(_, last)| last);
    let (cause, help) = last
        .split_once("\nhelp: ")
        .unwrap_or_else(|| panic!("{text}"));
    assert!(cause.starts_with(start), "{last}");
    assert!(help.contains(fix), "{last}");
}

fn sound() -> (Folder, Server) {
    let folder = Folder::new(&[]);
    // Row groups of one row: enough of them that the store changes between two.
    frame().write_groups(&folder.file("a.parquet"), 1);
    let server = Server::start(folder.0.path());
    (folder, server)
}

#[test]
fn what_is_not_there_is_told() {
    let (folder, server) = sound();
    std::fs::write(folder.file("torn.parquet"), "PAR1 and no more").unwrap();
    std::fs::write(folder.file("empty.parquet"), "").unwrap();
    for (url, cause, fix) in [
        (
            "s3://bucket/none",
            "1: s3://bucket/none: there is no object of this name",
            "give the URL",
        ),
        (
            "gs://bucket/none",
            "1: gs://bucket/none: there is no object of this name",
            "give the URL",
        ),
        (
            "s3://else/data",
            "1: s3://else/data: there is no such bucket",
            "check the URL",
        ),
        (
            "gs://else/data",
            "1: gs://else/data: there is no such bucket",
            "check the URL",
        ),
        (
            "s3://bucket/data/torn.parquet",
            "1: s3://bucket/data/torn.parquet: not a whole Parquet file",
            "write the file again",
        ),
        (
            "s3://bucket/data/empty.parquet",
            "1: s3://bucket/data/empty.parquet: not a whole Parquet file",
            "write the file again",
        ),
        (
            "s3:///data",
            "2: s3:///data: the URL names no bucket",
            "s3://BUCKET/FOLDER",
        ),
        (
            "s3://bucket/a//b",
            "2: s3://bucket/a//b: ",
            "s3://BUCKET/FOLDER",
        ),
        (
            "ftp://bucket/data",
            "2: ftp://bucket/data: data cannot be read from `ftp://`",
            "s3://",
        ),
    ] {
        assert_fails(&mut reading(url, &server), cause, fix);
    }
}

#[test]
fn what_changes_while_it_is_read_is_told() {
    let (_folder, server) = sound();
    let cause = "1: s3://bucket/data/a.parquet: the object has changed since this run opened it";
    for fault in [Fault::Changed, Fault::Truncated] {
        server.plan(2, u64::MAX, fault);
        assert_fails(
            &mut reading("s3://bucket/data", &server),
            cause,
            "write nothing to the data",
        );
    }
    server.plan(2, u64::MAX, Fault::Status(404));
    let cause = "1: s3://bucket/data/a.parquet: the object is gone";
    assert_fails(
        &mut reading("s3://bucket/data", &server),
        cause,
        "leave it out",
    );
}

#[test]
fn credentials_that_lack_are_told() {
    let (_folder, server) = sound();
    server.plan(0, u64::MAX, Fault::Status(403));
    for (url, name) in [
        ("s3://bucket/data", "AWS_ACCESS_KEY_ID"),
        ("gs://bucket/data", "GOOGLE_APPLICATION_CREDENTIALS"),
    ] {
        let cause = format!("3: {url}/a.parquet: cannot read the data: ");
        assert_fails(&mut reading(url, &server), &cause, name);
    }
    // None in the environment, and a machine that answers that it has none.
    let mut command = reading("s3://bucket/data", &server);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_METADATA_ENDPOINT", server.url());
    let cause = "3: s3://bucket/data: there are no credentials in the environment";
    assert_fails(&mut command, cause, "AWS_ACCESS_KEY_ID");
    let mut command = reading("gs://bucket/data", &server);
    let host = server.url().trim_start_matches("http://");
    command
        .env_remove("GOOGLE_SKIP_SIGNATURE")
        .env("HOME", "/nowhere")
        .env("GCE_METADATA_HOST", host)
        .env("GCE_METADATA_IP", host);
    let cause = "3: gs://bucket/data: there are no credentials in the environment";
    assert_fails(&mut command, cause, "GOOGLE_APPLICATION_CREDENTIALS");
}

#[test]
fn a_network_that_is_down_is_told() {
    let (_folder, server) = sound();
    let mut command = reading("s3://bucket/data", &server);
    command.env("AWS_ENDPOINT", "http://127.0.0.1:1");
    let cause = "3: s3://bucket/data: cannot read the data: ";
    assert_fails(
        &mut command,
        cause,
        "check the network, AWS_REGION and AWS_ENDPOINT",
    );
    let mut command = reading("s3://bucket/data", &server);
    command.env_remove("AWS_ALLOW_HTTP");
    assert_fails(&mut command, cause, "AWS_ALLOW_HTTP=true");
}
