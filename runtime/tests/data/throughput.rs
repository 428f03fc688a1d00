//! Speed of the first pass and of the tables:
//! `MTMD_DATA=FOLDER cargo test --release -p mtmd --test data throughput::throughput -- --ignored --nocapture`,
//! where the folder holds the KuaiRand log. `python -m bench loader` measures the reader beside pyarrow's.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mtmd::data::{Dataset, Parts, Scan, Shuffle};
use mtmd::schema::Tower;
use mtmd::tables::{Gradients, Tables};

use crate::schemas::KUAIRAND;

#[test]
#[ignore = "a measurement, of data outside the repository"]
fn throughput() {
    let folder =
        std::env::var_os("MTMD_DATA").expect("set MTMD_DATA to the folder of the KuaiRand log");
    let start = Instant::now();
    let dataset = Dataset::open(&KUAIRAND, &[PathBuf::from(folder)]).unwrap();
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
    tables(&dataset, &Arc::new(learned.vocabularies));
}

fn tables(dataset: &Dataset, vocabularies: &Arc<mtmd::data::Vocabularies>) {
    let scan = Scan {
        parts: Parts::TRAIN,
        batch: 512,
        shuffle: Some(Shuffle {
            seed: 1,
            epoch: 0,
            buffer: 262_144,
        }),
        skip: 0,
    };
    let batches: Vec<_> = dataset
        .batches(vocabularies, scan)
        .unwrap()
        .map(Result::unwrap)
        .take(200)
        .collect();
    let mut tables = Tables::new(&KUAIRAND, &KUAIRAND.training);
    let (mut gather, mut step, mut rows) = (0.0, 0.0, 0);
    for batch in &batches {
        let start = Instant::now();
        let query = tables.gather(Tower::Query, &batch.query);
        let item = tables.gather(Tower::Item, &batch.item);
        gather += start.elapsed().as_secs_f64();
        let of = |rows: Vec<Option<mtmd::tables::DomainRows>>| {
            rows.into_iter()
                .map(|rows| rows.map(|rows| rows.embedded))
                .collect()
        };
        let gradients = Gradients {
            query: of(query),
            item: of(item),
        };
        let start = Instant::now();
        tables.step(batch, &gradients, 0.01).unwrap();
        step += start.elapsed().as_secs_f64();
        rows += batch.rows;
    }
    let n = batches.len() as f64;
    println!(
        "tables: gather {:.2} ms, step {:.2} ms a batch of 512 ({:.0} rows/s)",
        gather / n * 1e3,
        step / n * 1e3,
        rows as f64 / (gather + step)
    );
}
