//! The memory of checkpoints and evaluations next to large tables:
//! `cargo test --release -p mtmd --test run memory -- --nocapture` prints the figures.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use mtmd::data::Statistics;
use mtmd::data::batch::Batch;
use mtmd::evaluation::{Evaluator, TaskPredictions};
use mtmd::params::{Params, Writer};
use mtmd::schema::Precision;
use mtmd::schema::{Compiled, Index};
use mtmd::score;
use mtmd::training::{Files, State, Trainer, checkpoint};
use mtmd::vocab::{NumberStatistics, Vocabularies};

use crate::child::text;
use crate::held::{held, peak};
use crate::rows::{self, Draws};
use crate::sample::changed;

/// Variable that makes a process of this test run the measured work, in the folder that it gives.
const ENV: &str = "MTMD_TEST_MEMORY";

/// The sample with this many rows in its first table.
fn large(rows: usize) -> &'static Compiled {
    changed(|schema| {
        let table = &mut schema.spec.tables.to_mut()[0];
        (table.rows, table.index) = (rows, Index::Hash);
    })
}

/// With its optimiser's state 286 MiB.
const TRAINED: usize = 3_000_000;
/// Bytes of one row of it with its state: last step, weight, two moments.
const RECORD: u64 = 4 * (1 + 3 * 8);

/// Of weights alone 366 MiB.
const SCORED: usize = 12_000_000;

fn vocabularies(model: &'static Compiled) -> Vocabularies {
    Vocabularies::new(&model.schema, vec![], BTreeMap::new()).unwrap()
}

fn state(model: &'static Compiled) -> State {
    let statistics = Statistics {
        numbers: NumberStatistics::default(),
        cells: vec![],
        tasks: vec![],
    };
    let training = model.schema.training.clone();
    State::new(&model.schema, training, false, Files::default(), statistics)
}

/// Not a test: the process that is measured.
#[test]
fn memory_of_a_checkpoint_written() {
    let Some(folder) = std::env::var_os(ENV) else {
        return;
    };
    let model = large(TRAINED);
    let mut trainer = Trainer::new(model, &model.schema.training, Precision::Float32);
    let before = peak();
    let path = Path::new(&folder).join("checkpoint");
    let exported = trainer.export();
    let (vocabularies, state) = (vocabularies(model), state(model));
    checkpoint::save_checkpoint(&path, &model.schema, &vocabularies, exported, &state).unwrap();
    println!("held {}", peak() - before);
}

/// Not a test: the process that is measured.
#[test]
fn memory_of_a_checkpoint_read() {
    let Some(folder) = std::env::var_os(ENV) else {
        return;
    };
    let model = large(TRAINED);
    let before = peak();
    let path = Path::new(&folder).join("checkpoint");
    let (weights, _) = checkpoint::load_model(&path, &model.schema).unwrap();
    let (optimiser, state) = checkpoint::load_progress(&path, &model.schema).unwrap();
    let (training, precision) = (&state.training, state.precision);
    let trainer = Trainer::resume(model, training, precision, weights, optimiser).unwrap();
    println!("held {}", peak() - before);
    drop(trainer);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn a_checkpoint_takes_little_memory_next_to_the_tables() {
    let folder = tempfile::tempdir().unwrap();
    let [written] = measured("memory::memory_of_a_checkpoint_written", folder.path());
    let [read] = measured("memory::memory_of_a_checkpoint_read", folder.path());
    let tables = TRAINED as u64 * RECORD;
    println!(
        "tables of {} MiB: a checkpoint took {} MiB next to them; a run that resumes takes {} MiB",
        tables >> 20,
        written >> 20,
        read >> 20
    );
    assert!(written < tables / 4);
    assert!(read < tables * 11 / 10);
}

/// Writes a model with the large table, whose elements are made as they are written.
fn write_model(model: &'static Compiled, path: &Path) {
    let schema = &model.schema;
    let index = score::index(model);
    let params = Params::initialised(&index, 1);
    let mut weights = Writer::default();
    params.write(&index, &mut weights);
    for table in schema.tables.iter() {
        let row = move |row: usize| vec![if row == 0 { 0.0 } else { 0.01_f32 }; table.dim];
        let pieces = (0..table.rows).map(move |index| Cow::Owned(row(index)));
        let key = format!("tables.{}.weight", table.name);
        weights.insert_pieces(key, vec![table.rows, table.dim], pieces);
    }
    checkpoint::save_model(path, schema, &vocabularies(model), weights, |_| Ok(())).unwrap();
}

/// Not a test: the process that is measured.
#[test]
fn memory_of_the_program_eval() {
    let Some(folder) = std::env::var_os(ENV) else {
        return;
    };
    let folder = Path::new(&folder);
    let before = peak();
    let [model, data] = ["model", "rows.parquet"].map(|name| folder.join(name));
    let args = [
        "sample",
        "eval",
        "--model",
        text(&model),
        "--data",
        text(&data),
    ];
    let code = mtmd::cli::run(large(SCORED), args.map(OsString::from));
    assert_eq!(code, 0);
    println!("held {}", peak() - before);
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn an_evaluation_takes_a_tenth_more_than_the_tables_at_most() {
    let folder = tempfile::tempdir().unwrap();
    write_model(large(SCORED), &folder.path().join("model"));
    rows::write(&folder.path().join("rows.parquet"), 20_000);
    let [eval] = measured("memory::memory_of_the_program_eval", folder.path());
    let tables = large(SCORED).schema.tables.iter();
    let tables = tables
        .map(|table| table.rows * table.dim * 4)
        .sum::<usize>() as u64;
    println!(
        "tables of {} MiB: eval takes {} MiB",
        tables >> 20,
        eval >> 20
    );
    assert!(eval < tables * 11 / 10);
}

/// The memory that a process of this binary reports.
fn measured<const N: usize>(test: &str, folder: &Path) -> [u64; N] {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ENV, folder)
        .output()
        .unwrap();
    held(&output)
}

/// Batches that are evaluated, and rows of each.
const BATCHES: u64 = 1_000;
const BATCH: usize = 4_096;

/// Not a test: the process that is measured.
#[test]
fn memory_of_the_evaluator() {
    if std::env::var_os(ENV).is_none() {
        return;
    }
    let before = peak();
    let mut draws = Draws::new(1);
    let mut draw = |most: f64| -> Vec<f64> { (0..BATCH).map(|_| most * draws.next()).collect() };
    let mut floats = |most: f64| -> Vec<f32> { draw(most).iter().map(|&x| x as f32).collect() };
    // Of one task the most is held of a row and task.
    let one_task = changed(|schema| schema.spec.tasks.to_mut().truncate(1));
    let mut evaluator = Evaluator::new(&one_task.schema);
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
fn the_evaluator_takes_less_than_twenty_bytes_a_row_and_task() {
    let held: [u64; 2] = measured("memory::memory_of_the_evaluator", Path::new("-"));
    let rows = BATCHES * BATCH as u64;
    let [added, most] = held.map(|bytes| bytes as f64 / rows as f64);
    println!("{rows} rows of one task: {added:.1} bytes a row, {most:.1} while figures are taken");
    assert!(most < 20.0);
}
