//! The memory that a checkpoint takes beside large tables, written and read:
//! `cargo test --release -p mtmd --test run memory -- --nocapture` prints the figures.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use mtmd::data::{Statistics, Vocabularies};
use mtmd::prelude::*;
use mtmd::schema::{Index, Table};
use mtmd::tables::Tables;
use mtmd::training::{Files, Learner, ModelLearner, State, checkpoint};

use crate::sample::{SCHEMA, Sample};

/// Has a process of this test do what it measures.
const ENV: &str = "MTMD_TEST_TABLES";

const fn table(name: &'static str, rows: usize, dim: usize) -> Table {
    Table {
        name,
        rows,
        dim,
        index: Index::Hash,
        oov: 0,
        embeddings: None,
    }
}

/// The sample with a table of 286 MiB, its optimiser's state among them.
static LARGE: Schema = Schema {
    tables: &[
        table("ad_id", 3_000_000, 8),
        table("kind", 16, 4),
        table("user_id", 101, 8),
    ],
    ..SCHEMA
};

#[derive(Module, Debug)]
struct Large {
    sample: Sample,
}

impl Model for Large {
    fn schema() -> &'static Schema {
        &LARGE
    }
    fn new(device: &Device) -> Self {
        let sample = Sample::new(device);
        Self { sample }
    }
    fn query(&self, input: TowerInput) -> TowerOutput {
        self.sample.query(input)
    }
    fn item(&self, input: TowerInput) -> TowerOutput {
        self.sample.item(input)
    }
    fn heads(&self) -> Vec<&Head> {
        self.sample.heads()
    }
}

/// Bytes that this process has held at most.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kibibytes.parse::<u64>().unwrap() << 10
}

/// Not a test: the process that is measured.
#[test]
fn memory_of_a_process() {
    if std::env::var_os(ENV).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let mut learner = ModelLearner::<Large>::new(&LARGE.training, &Device::flex());
    let before = peak();
    let statistics = Statistics {
        cells: vec![],
        tasks: vec![],
    };
    let state = State::new(
        &LARGE,
        LARGE.training.clone(),
        false,
        Files::default(),
        statistics,
    );
    let vocabularies = Vocabularies::new(&LARGE, vec![], BTreeMap::new()).unwrap();
    let exported = learner.export().unwrap();
    checkpoint::save_checkpoint(&path, &LARGE, &vocabularies, exported, &state).unwrap();
    let written = peak();
    let (model, _) = checkpoint::load_model(&path, &LARGE).unwrap();
    let (optimiser, _) = checkpoint::load_progress(&path, &LARGE).unwrap();
    learner.import(model, Some(optimiser)).unwrap();
    let read = peak();
    let tables = Tables::new(&LARGE, &LARGE.training).bytes();
    println!("held {tables} {} {}", written - before, read - before);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_checkpoint_takes_little_memory_beside_the_tables() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::memory_of_a_process", "--nocapture"])
        .env(ENV, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let held = text
        .split("held ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let held = held.unwrap_or_else(|| panic!("{text}")).split(' ');
    let [tables, written, read] = held
        .map(|bytes| bytes.parse::<u64>().unwrap())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    println!(
        "tables of {} MiB: a checkpoint took {} MiB beside them, to read it {} MiB",
        tables >> 20,
        written >> 20,
        read >> 20
    );
    assert!(written < tables / 4 && read < tables / 4, "{text}");
}
