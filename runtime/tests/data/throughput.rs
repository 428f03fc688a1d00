//! Speed of the first pass:
//! `MTMD_DATA=FOLDER cargo test --release -p mtmd --test data throughput::throughput -- --ignored --nocapture`,
//! where the folder holds the KuaiRand log. `python -m bench loader` measures the reader next to pyarrow's,
//! and the program's `bench` the tables.

use std::path::PathBuf;
use std::time::Instant;

use mtmd::data::{Dataset, Parts, RowReader};

use crate::schemas::KUAIRAND;

#[test]
#[ignore = "a measurement, of data outside the repository"]
fn throughput() {
    let folder =
        std::env::var_os("MTMD_DATA").expect("set MTMD_DATA to the folder of the KuaiRand log");
    let start = Instant::now();
    let dataset = Dataset::open(&KUAIRAND, &[PathBuf::from(folder)]);
    let dataset = RowReader::new(dataset.unwrap());
    println!("open: {:.3} s", start.elapsed().as_secs_f64());
    let start = Instant::now();
    let learned = dataset.learn(Parts::TRAIN).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "first pass: {:.0} rows/s\n{}",
        learned.report.read as f64 / seconds,
        learned.report
    );
    for task in &learned.statistics.tasks {
        println!("mean {:?} bias {:.4}", task.mean(), task.bias());
    }
    for vocabulary in learned.vocabularies.learned() {
        println!(
            "{}: {} values, {} unfit",
            vocabulary.table,
            vocabulary.values.len(),
            vocabulary.unfit
        );
    }
}
