//! The memory that a checkpoint takes beside large tables, written and read, and that of an evaluation:
//! `cargo test --release -p mtmd --test run memory -- --nocapture` prints the figures.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::LazyLock;

use mtmd::data::batch::Batch;
use mtmd::data::{Statistics, Vocabularies};
use mtmd::evaluation::{Evaluator, TaskPredictions};
use mtmd::prelude::*;
use mtmd::schema::{Index, Table, text};
use mtmd::tables::Tables;
use mtmd::training::{Files, Learner, ModelLearner, State, checkpoint};

use crate::held::{held, peak};
use crate::rows::Draws;
use crate::sample::{Sample, sample};

/// Has a process of this test do what it measures.
const ENV: &str = "MTMD_TEST_MEMORY";

fn table(name: &'static str, rows: usize, dim: usize) -> Table {
    Table {
        name: text(name),
        shared: false,
        rows,
        dim,
        index: Index::Hash,
        oov: 0,
        embeddings: None,
        doc: text(""),
    }
}

/// The sample with a table of 286 MiB, its optimiser's state among them.
static LARGE: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = sample();
    schema.spec.tables = vec![
        table("ad_id", 3_000_000, 8),
        table("kind", 16, 4),
        table("user_id", 101, 8),
    ]
    .into();
    schema
});

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

/// What a process of this binary says that it held.
fn measured<const N: usize>(test: &str) -> [u64; N] {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ENV, "1")
        .output()
        .unwrap();
    held(&output)
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_checkpoint_takes_little_memory_beside_the_tables() {
    let [tables, written, read] = measured("memory::memory_of_a_process");
    println!(
        "tables of {} MiB: a checkpoint took {} MiB beside them, to read it {} MiB",
        tables >> 20,
        written >> 20,
        read >> 20
    );
    assert!(written < tables / 4 && read < tables / 4);
}

/// The sample with its first task only: then the most is held of a row and task.
static ONE_TASK: LazyLock<Schema> = LazyLock::new(|| {
    let mut schema = sample();
    schema.spec.tasks.to_mut().truncate(1);
    schema
});

/// Batches that are evaluated, and rows of each.
const BATCHES: u64 = 1_000;
const BATCH: usize = 4_096;

/// Not a test: the process that is measured.
#[test]
fn memory_of_an_evaluation() {
    if std::env::var_os(ENV).is_none() {
        return;
    }
    let before = peak();
    let mut draws = Draws::new(1);
    let mut draw = |most: f64| -> Vec<f64> { (0..BATCH).map(|_| most * draws.next()).collect() };
    let mut floats = |most: f64| -> Vec<f32> { draw(most).iter().map(|&x| x as f32).collect() };
    let mut evaluator = Evaluator::new(&ONE_TASK);
    for _ in 0..BATCHES {
        let domain = |values: Vec<f32>| values.into_iter().map(|value| value as u16).collect();
        let batch = Batch {
            rows: BATCH,
            surface: domain(floats(2.0)),
            product: domain(floats(2.0)),
            labels: vec![floats(1.0)],
            actions: vec![floats(2.0).into_iter().map(f32::floor).collect()],
            ..Batch::default()
        };
        let p = floats(1.0);
        let predictions = TaskPredictions {
            rows: (0..BATCH as u32).collect(),
            lp: p.iter().map(|p| p.ln()).collect(),
            lq: p.iter().map(|p| (-p).ln_1p()).collect(),
        };
        evaluator.add(&batch, &[predictions]);
    }
    let added = peak();
    let report = evaluator.report("test");
    assert!(report.tasks[0].all.auc.is_some() && report.tasks[0].log_mae_by_rank[0].is_some());
    println!("held {} {}", added - before, peak() - before);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn an_evaluation_takes_less_than_twenty_bytes_a_row_and_task() {
    let held: [u64; 2] = measured("memory::memory_of_an_evaluation");
    let rows = BATCHES * BATCH as u64;
    let [added, most] = held.map(|bytes| bytes as f64 / rows as f64);
    println!("{rows} rows of one task: {added:.1} bytes a row, {most:.1} while figures are taken");
    assert!(most < 20.0);
}
