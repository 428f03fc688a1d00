//! The rows of a store are those of the same files on disk.

use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{Array, ListArray, RecordBatch};
use mtmd::data::{Dataset, Parts, RowReader, Scan, Shuffle};
use mtmd::error::Result;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::at;
use crate::fixture::{Folder, Frame, frame, schema};
use crate::server::{Fault, Server};

/// Names the data to a process that reads.
const DATA: &str = "MTMD_TEST_CLOUD";

/// Not a test: the process that reads, and prints what it read.
#[test]
fn reader() {
    let Some(data) = std::env::var_os(DATA) else {
        return;
    };
    if let Err(error) = tell(Path::new(&data)) {
        println!("exit {}: {error}", error.exit_code());
    }
}

fn tell(data: &Path) -> Result<()> {
    let schema = schema(|schema| schema.spec.rows.bad = mtmd::schema::BadRows::Skip);
    let dataset = RowReader::new(Dataset::open(schema, &[data.to_owned()])?);
    for file in dataset.files() {
        println!("file {}", file.file_name().unwrap().display());
    }
    let learned = dataset.learn(Parts::TRAIN)?;
    println!(
        "learned {:?} {:?}",
        learned.vocabularies, learned.statistics
    );
    let vocabularies = Arc::new(learned.vocabularies);
    let shuffle = Shuffle {
        seed: 1,
        epoch: 0,
        buffer: 10_000,
    };
    for shuffle in [None, Some(shuffle)] {
        let scan = Scan {
            parts: Parts::TRAIN,
            batch: 4096,
            shuffle,
            skip: 0,
        };
        for batch in dataset.batches(&vocabularies, scan)? {
            let batch = batch?;
            let mut digest = DefaultHasher::new();
            format!("{batch:?}").hash(&mut digest);
            println!("batch {} {:x}", batch.rows, digest.finish());
        }
    }
    Ok(())
}

/// The process that reads `data`.
pub fn reading(data: &str, server: &Server) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    at(&mut command, server)
        .args(["--exact", "reading::reader", "--nocapture"])
        .env(DATA, data);
    command
}

/// What the process prints.
pub fn told(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = ["file ", "learned ", "batch ", "exit ", "help: "];
    let ours = |line: &&str| words.iter().any(|word| line.starts_with(word));
    text.lines().filter(ours).collect::<Vec<_>>().join("\n")
}

fn read(data: &str, server: &Server) -> String {
    told(&mut reading(data, server))
}

fn repeated(times: usize) -> Frame {
    let columns = frame().0.into_iter().map(|(name, array)| {
        let copies: Vec<&dyn Array> = (0..times).map(|_| array.as_ref()).collect();
        (name, arrow_select::concat::concat(&copies).unwrap())
    });
    Frame(columns.collect())
}

/// One row group with a column of several windows, and pages larger than a window.
fn write_wide(path: &PathBuf) {
    const ROWS: usize = 240_000;
    let vectors = (0..ROWS).map(|row| {
        let entry = |place: usize| Some((row * 7919 + place * 104_729) as f32);
        Some([entry(0), entry(1)])
    });
    let vectors = ListArray::from_iter_primitive::<Float32Type, _, _>(vectors);
    let frame = repeated(ROWS / 4).with("text", Arc::new(vectors) as Arc<dyn Array>);
    let columns = frame.0.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(100_000)
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Two files, and what is no part of the data.
fn folder() -> Folder {
    let folder = Folder::new(&[]);
    repeated(5).write_groups(&folder.file("b.parquet"), 7);
    write_wide(&folder.file("a.parquet"));
    std::fs::write(folder.file("_SUCCESS"), "").unwrap();
    std::fs::write(folder.file("_meta.parquet"), "none").unwrap();
    std::fs::create_dir(folder.file("within")).unwrap();
    repeated(1).write(&folder.file("within/c.parquet"));
    folder
}

fn assert_same(told: &str, expected: &str) {
    let mut lines = told.lines().zip(expected.lines());
    let other = lines.find(|(told, expected)| told != expected);
    assert!(told == expected, "{other:?}");
}

#[test]
fn the_rows_are_those_of_the_folder() {
    let folder = folder();
    let server = Server::start(folder.0.path());
    let expected = read(&folder.0.path().display().to_string(), &server);
    assert!(expected.lines().count() > 80, "{expected}");
    assert_eq!(server.ranges(), 0);
    for url in ["s3://bucket/data", "s3://bucket/data/", "gs://bucket/data"] {
        assert_same(&read(url, &server), &expected);
        // Two ends, and thrice five row groups small enough for one request and a column of several windows.
        let ranges = server.ranges();
        assert!((2 + 3 * (5 + 4)..150).contains(&ranges), "{ranges}");
    }
    let file = folder.file("b.parquet").display().to_string();
    let one = read(&file, &server);
    assert!(one.starts_with("file b.parquet\nlearned"), "{one}");
    assert_same(&read("s3://bucket/data/b.parquet", &server), &one);
}

#[test]
fn a_store_that_falters_is_asked_again() {
    let folder = folder();
    let server = Server::start(folder.0.path());
    let expected = read(&folder.0.path().display().to_string(), &server);
    for fault in [Fault::Status(503), Fault::Torn] {
        server.plan(4, 3, fault);
        assert_same(&read("s3://bucket/data", &server), &expected);
    }
}
