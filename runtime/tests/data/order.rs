//! The order of rows: shuffled, resumed, split.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array};
use mtmd::data::batch::{Batch, Column};
use mtmd::data::{Parts, RowReader, Scan, Shuffle};
use mtmd::schema::{FeatureKind, Split, Value, list, text};
use mtmd::vocab::Vocabularies;

use crate::fixture::{Folder, numbered, schema};

/// Three files of 10,000 rows in row groups of 1,000, all of which train, without a clip of the age.
fn dataset(split: Split) -> (Folder, RowReader, Arc<Vocabularies>) {
    let folder = Folder::new(&[]);
    for (index, name) in ["a.parquet", "b.parquet", "c.parquet"].iter().enumerate() {
        numbered(index * 10_000, 10_000).write_groups(&folder.file(name), 1000);
    }
    let schema = schema(|schema| {
        for feature in schema.spec.query.to_mut() {
            if let FeatureKind::Number(transform) = &mut feature.kind {
                transform.clip = None;
            }
        }
        schema.spec.rows.split = split;
    });
    let dataset = folder.open_as(schema).unwrap();
    let vocabularies = Arc::new(dataset.learn(Parts::TRAIN).unwrap().vocabularies);
    (folder, dataset, vocabularies)
}

const ALL: Split = Split::Column {
    column: text("day"),
    train: list(&[(Value::Int(1), Value::Int(1))]),
    validate: list(&[]),
    test: list(&[]),
    place: text("line 1"),
};

/// Numbers of a batch's rows, in the order of the batch.
fn numbers(batch: &Batch) -> Vec<usize> {
    let Column::Numbers(ages) = &batch.query.columns[3] else {
        panic!("the age is a number")
    };
    let mut rows = vec![0; batch.rows];
    batch
        .query
        .order
        .iter()
        .zip(ages)
        .for_each(|(row, age)| rows[*row as usize] = *age as usize);
    rows
}

fn batches(data: &(Folder, RowReader, Arc<Vocabularies>), scan: Scan) -> Vec<Batch> {
    data.1
        .batches(&data.2, scan)
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

fn scan(shuffle: Option<(u64, u64, usize)>, batch: usize, skip: u64) -> Scan {
    let shuffle = shuffle.map(|(seed, epoch, buffer)| Shuffle {
        seed,
        epoch,
        buffer,
    });
    Scan {
        parts: Parts::TRAIN,
        batch,
        shuffle,
        skip,
    }
}

#[test]
fn a_shuffle_holds_every_row_once_in_an_order_of_its_seed_and_epoch() {
    let data = dataset(ALL);
    let order = |shuffle| -> Vec<usize> {
        batches(&data, scan(shuffle, 512, 0))
            .iter()
            .flat_map(numbers)
            .collect()
    };
    assert!(order(None).into_iter().eq(0..30_000));
    for buffer in [1, 5_000, 12_345, 1 << 20] {
        let first = order(Some((1, 0, buffer)));
        assert_eq!(first, order(Some((1, 0, buffer))), "the same again");
        assert_ne!(first, order(Some((1, 1, buffer))), "another epoch");
        assert_ne!(first, order(Some((2, 0, buffer))), "another seed");
        let mut sorted = first.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..30_000));
        // Files mix: the first tenth of the order has rows of all three.
        let files: BTreeSet<usize> = first[..3000].iter().map(|row| row / 10_000).collect();
        assert!(buffer == 1 || files.len() == 3, "{buffer} {files:?}");
    }
}

#[test]
fn every_row_knows_where_it_comes_from() {
    let data = dataset(ALL);
    for shuffle in [None, Some((1, 0, 5_000))] {
        for batch in batches(&data, scan(shuffle, 700, 0)) {
            let origins = batch.origins.iter();
            let rows = origins.map(|origin| origin.file as usize * 10_000 + origin.row as usize);
            assert!(rows.eq(numbers(&batch)));
        }
    }
    let first = &batches(&data, scan(None, 700, 0))[0];
    let file = data.0.file("a.parquet");
    assert_eq!(
        data.1.describe(&first.origins),
        format!("rows 0 to 699 of {}", file.display())
    );
}

#[test]
fn all_batches_but_the_last_are_full() {
    let data = dataset(ALL);
    for shuffle in [None, Some((1, 0, 4_000))] {
        let sizes: Vec<usize> = batches(&data, scan(shuffle, 700, 0))
            .iter()
            .map(|batch| batch.rows)
            .collect();
        assert_eq!(sizes.len(), 43);
        assert!(sizes[..42].iter().all(|size| *size == 700));
        assert_eq!(sizes[42], 600);
    }
}

#[test]
fn a_resumed_pass_gives_the_batches_that_would_have_followed() {
    let data = dataset(ALL);
    for shuffle in [None, Some((1, 3, 4_000)), Some((1, 3, 1 << 20))] {
        let all = batches(&data, scan(shuffle, 700, 0));
        for seen in [0, 1, 6, 20, 42, 43] {
            let rest = batches(&data, scan(shuffle, 700, 700 * seen));
            let expected = &all[seen as usize..];
            assert!(
                rest.iter().map(numbers).eq(expected.iter().map(numbers)),
                "{shuffle:?} after {seen}"
            );
        }
    }
}

/// `--threads` sets the size of the pool that passes are read by.
#[test]
fn batches_are_the_same_whatever_the_number_of_threads() {
    let data = dataset(ALL);
    let pass = |threads: usize, shuffle| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let learned = data.1.learn(Parts::TRAIN).unwrap();
            let learned = format!("{:?} {:?}", learned.vocabularies, learned.statistics);
            let scan = scan(shuffle, 700, 300);
            let ready = data.1.prepared(&data.2, scan, |batch| {
                (numbers(&batch), format!("{batch:?}"))
            });
            let ready: Vec<_> = ready.unwrap().map(Result::unwrap).collect();
            (learned, ready)
        })
    };
    for shuffle in [None, Some((1, 3, 4_000)), Some((1, 3, 1 << 20))] {
        let one = pass(1, shuffle);
        assert_eq!(one.1.len(), 43);
        for threads in [2, 3, 8, 13] {
            assert!(
                pass(threads, shuffle) == one,
                "{threads} threads, {shuffle:?}"
            );
        }
    }
}

#[test]
fn a_pass_that_is_dropped_early_ends_its_threads() {
    let data = dataset(ALL);
    for taken in [0, 1, 5] {
        // Each thread that prepares batches has a clone.
        let held = Arc::new(());
        let clone = Arc::clone(&held);
        let prepare = move |batch: Batch| (batch.rows, Arc::clone(&clone));
        let scan = scan(Some((1, 0, 100)), 16, 0);
        let pass = data.1.prepared(&data.2, scan, prepare).unwrap();
        let (sender, dropped) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let found = pass.take(taken).filter(Result::is_ok).count();
            sender.send(found)
        });
        let found = dropped.recv_timeout(Duration::from_secs(60));
        assert_eq!(found, Ok(taken), "the pass waits for its threads in vain");
        assert_eq!(Arc::strong_count(&held), 1, "a thread still runs");
    }
}

#[test]
fn a_hash_splits_by_place() {
    let data = dataset(Split::Hash);
    let part = |parts| -> Vec<usize> {
        let scan = Scan {
            parts,
            batch: 512,
            shuffle: None,
            skip: 0,
        };
        batches(&data, scan).iter().flat_map(numbers).collect()
    };
    let (train, validate, test) = (part(Parts::TRAIN), part(Parts::VALIDATE), part(Parts::TEST));
    assert!((23_500..24_500).contains(&train.len()), "{}", train.len());
    assert!(
        (2_700..3_300).contains(&validate.len()),
        "{}",
        validate.len()
    );
    let mut all = [train, validate.clone(), test].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..30_000));
    let both = part(Parts::TRAIN | Parts::VALIDATE);
    assert!(validate.iter().all(|row| both.binary_search(row).is_ok()));
}

#[test]
fn row_groups_outside_the_split_are_not_read() {
    let folder = Folder::new(&[]);
    let days: Vec<i64> = (0..100).map(|row| 1 + row / 10).collect();
    numbered(0, 100)
        .with("day", Arc::new(Int64Array::from(days)) as ArrayRef)
        .write_groups(&folder.file("a.parquet"), 10);
    let dataset = folder.open().unwrap();
    let report = |parts| dataset.learn(parts).unwrap().report;
    // Days 1 to 5 train, 6 validates, 7 and 8 test, 9 and 10 do neither.
    let counts = [
        Parts::TRAIN,
        Parts::VALIDATE,
        Parts::TEST,
        Parts::TRAIN | Parts::TEST,
    ]
    .map(|parts| {
        let report = report(parts);
        (report.used, report.outside)
    });
    assert_eq!(counts, [(50, 50), (10, 90), (20, 80), (70, 30)]);
}
