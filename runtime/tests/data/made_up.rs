//! Made-up data, through the reader.

use std::fs;
use std::sync::Arc;

use mtmd::data::{Dataset, Parts, RowReader, Scan, synth};
use mtmd::schema::Schema;
use tempfile::TempDir;

use crate::schemas::KUAIRAND;
use crate::schemas::SMALL;

fn make(schema: &'static Schema, rows: u64, seed: u64) -> (TempDir, RowReader) {
    let folder = TempDir::new().unwrap();
    let files = synth(schema, rows, 10, seed, folder.path()).unwrap();
    assert_eq!(files.len() as u64, rows.div_ceil(50_000));
    let dataset = Dataset::open(schema, &[folder.path().to_owned()]);
    let dataset = RowReader::new(dataset.unwrap());
    (folder, dataset)
}

#[test]
fn made_up_rows_are_good_and_have_every_cell_and_part() {
    for schema in [&*SMALL, &*KUAIRAND] {
        let (_folder, dataset) = make(schema, 6_000, 1);
        assert_eq!(dataset.rows(), 6_000);
        let learned = dataset.learn(Parts::TRAIN).unwrap();
        let report = &learned.report;
        assert!(report.bad.is_empty(), "{report}");
        assert!(report.used >= 4_500 && report.used < 4_800, "{report}");
        assert!(
            report.products.rows > 0,
            "the spec skips other products: {report}"
        );
        assert!(
            learned
                .statistics
                .cells
                .iter()
                .flatten()
                .all(|rows| *rows > 0)
        );
        assert!(
            learned
                .vocabularies
                .learned()
                .all(|vocabulary| !vocabulary.values.is_empty())
        );
        let vocabularies = Arc::new(learned.vocabularies);
        for parts in [Parts::VALIDATE, Parts::TEST] {
            let scan = Scan {
                parts,
                batch: 64,
                shuffle: None,
                skip: 0,
            };
            let rows: usize = dataset
                .batches(&vocabularies, scan)
                .unwrap()
                .map(|batch| batch.unwrap().rows)
                .sum();
            assert!((500..=600).contains(&rows), "{parts}: {rows}");
        }
    }
}

#[test]
fn labels_are_scores_near_what_happens_and_children_stay_below_their_parents() {
    let (_folder, dataset) = make(&KUAIRAND, 20_000, 2);
    let vocabularies = Arc::new(dataset.learn(Parts::TRAIN).unwrap().vocabularies);
    let scan = Scan {
        parts: Parts::TRAIN,
        batch: 1 << 20,
        shuffle: None,
        skip: 0,
    };
    let batch = dataset
        .batches(&vocabularies, scan)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    for task in 0..3 {
        let (labels, actions) = (&batch.labels[task], &batch.actions[task]);
        let n = labels.len() as f64;
        let mean = |values: &[f32]| values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
        assert!(
            (mean(labels) - mean(actions)).abs() < 0.02,
            "{} {}",
            mean(labels),
            mean(actions)
        );
        // A score that knew nothing would have the variance 0 and no covariance with the action.
        let variance = labels
            .iter()
            .map(|x| (f64::from(*x) - mean(labels)).powi(2))
            .sum::<f64>()
            / n;
        let covariance = labels
            .iter()
            .zip(actions)
            .map(|(x, y)| (f64::from(*x) - mean(labels)) * f64::from(*y))
            .sum::<f64>()
            / n;
        assert!(
            variance > 0.005 && (covariance / variance - 1.0).abs() < 0.1,
            "{variance} {covariance}"
        );
        if task > 0 {
            assert!(
                labels
                    .iter()
                    .zip(&batch.labels[0])
                    .all(|(child, parent)| child <= parent)
            );
            assert!(
                actions
                    .iter()
                    .zip(&batch.actions[0])
                    .all(|(child, parent)| child <= parent)
            );
        }
    }
}

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let bytes = |seed| {
        let (folder, _) = make(&SMALL, 2_000, seed);
        fs::read(folder.path().join("part-00000.parquet")).unwrap()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn a_folder_with_other_data_is_left_alone() {
    let folder = TempDir::new().unwrap();
    synth(&SMALL, 10, 10, 1, folder.path()).unwrap();
    let error = synth(&SMALL, 10, 10, 1, folder.path()).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(
        error.to_string().contains("holds Parquet files already"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_the_environments_fault() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = synth(&SMALL, 10, 10, 1, &folder.path().join("file/within")).unwrap_err();
    assert_eq!(error.exit_code(), 3);
}

/// `/dev/full` refuses every write, as a full disk does.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("part-00000.tmp")).unwrap();
    let error = synth(&SMALL, 1000, 10, 1, folder.path()).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(
        error.to_string().contains("No space left on device"),
        "{error}"
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
