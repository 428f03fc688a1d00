//! `predict`: as many rows as there are, in their order, with the scores of `eval`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float32Type;
use arrow_array::{Array as _, ArrayRef, Float32Array, Int64Array, RecordBatch};
use mtmd::data::{Dataset, Parts, RowReader, Scan};
use mtmd::score::{Scorer, ScoringBatch};
use mtmd::training::checkpoint;

use crate::child::{run, run_well, stderr, text, trained};
use crate::rows;
use crate::sample::{SAMPLE, model};

/// The rows of a folder's files, sorted by name, in one batch.
pub fn read(folder: &Path) -> RecordBatch {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(
        files
            .iter()
            .all(|file| file.extension().unwrap() == "parquet"),
        "{files:?}"
    );
    let batches: Vec<RecordBatch> = files.iter().map(|file| rows::read(file)).collect();
    arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn floats<'a>(rows: &'a RecordBatch, name: &str) -> &'a Float32Array {
    rows.column_by_name(name)
        .unwrap()
        .as_primitive::<Float32Type>()
}

fn predict(data: &Path, model: &Path, out: &Path, more: &[&str]) -> Vec<String> {
    let args = [
        "predict",
        "--data",
        text(data),
        "--model",
        text(model),
        "--out",
        text(out),
    ];
    [&args[..], more]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
}

fn arguments(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

/// P of every row of the data and task, as an evaluation scores it; by row of the one file.
pub fn evaluated(data: &Path, folder: &Path, task: usize) -> Vec<Option<f32>> {
    let reader = RowReader::new(Dataset::open(&SAMPLE, &[data.to_owned()]).unwrap());
    let (weights, vocabularies) = checkpoint::load_model(&folder.join("model"), &SAMPLE).unwrap();
    let scorer = Scorer::load(model(), weights).unwrap();
    let scan = Scan {
        parts: Parts::ALL,
        batch: 100,
        shuffle: None,
        skip: 0,
    };
    let mut found = vec![None; reader.rows() as usize];
    for batch in reader.batches(&Arc::new(vocabularies), scan).unwrap() {
        let batch = ScoringBatch::new(scorer.plan(), batch.unwrap());
        let scores = &scorer.ready().scores(&batch)[task];
        for (row, lp) in batch.pairs[task].rows.iter().zip(&scores.lp) {
            let origin = batch.batch.origins[*row as usize];
            found[origin.row as usize] = Some(lp.exp() as f32);
        }
    }
    found
}

#[test]
fn every_row_has_the_score_of_its_evaluation() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let expected = [0, 1].map(|task| evaluated(&data, &out, task));
    // Rows without labels and without a split, with a surface of none and a column more.
    let bare = root.path().join("bare.parquet");
    fs::copy(&data, &bare).unwrap();
    rows::without(&bare, &["hw_ctr", "is_click", "is_buy", "day"]);
    rows::replace(&bare, "surface", |rows| {
        let surface = rows.column_by_name("surface").unwrap();
        let surface = surface.as_primitive::<arrow_array::types::Int64Type>();
        let values = surface.iter().enumerate();
        Arc::new(Int64Array::from_iter(values.map(|(row, surface)| {
            match row % 50 {
                7 => Some(9),
                8 => None,
                _ => surface,
            }
        }))) as ArrayRef
    });
    let scored = root.path().join("scored");
    let keep = ["--keep", "ad_id", "product", "--logits"];
    let told = run_well(&arguments(&predict(&bare, &out, &scored, &keep)));
    assert!(told.contains("960 of 1,000 rows scored"), "{told}");
    assert!(
        told.contains("40 not scored: of no domain: `surface` is 9 (20), null (20)"),
        "{told}"
    );
    let found = read(&scored);
    let schema = found.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(
        names,
        ["ad_id", "product", "ctr", "ctr_logit", "buy", "buy_logit"]
    );
    let before = rows::read(&bare);
    for kept in ["ad_id", "product"] {
        let (kept, column) = (found.column_by_name(kept), before.column_by_name(kept));
        assert_eq!(kept.unwrap(), column.unwrap());
    }
    for (task, expected) in ["ctr", "buy"].iter().zip(&expected) {
        let (p, logit) = (
            floats(&found, task),
            floats(&found, &format!("{task}_logit")),
        );
        let mut scored = 0;
        for (row, expected) in expected.iter().enumerate() {
            let expected = expected.filter(|_| row % 50 != 7 && row % 50 != 8);
            let found = p.is_valid(row).then(|| p.value(row));
            assert_eq!(
                found.map(f32::to_bits),
                expected.map(f32::to_bits),
                "{task} {row}"
            );
            if let Some(p) = found {
                let z = f64::from(logit.value(row));
                assert!((f64::from(p) - 1.0 / (1.0 + (-z).exp())).abs() < 1e-6);
                scored += 1;
            }
        }
        assert!(scored > 300, "{scored}");
    }
}

#[test]
fn shards_are_the_whole_and_go_on_where_they_stopped() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let folder = root.path().join("data");
    fs::create_dir(&folder).unwrap();
    for (name, first) in [("a.parquet", 0), ("b.parquet", 640)] {
        let to = folder.join(name);
        fs::copy(&data, &to).unwrap();
        rows::split(&to, &root.path().join("rest.parquet"), 640);
        if first > 0 {
            fs::copy(root.path().join("rest.parquet"), &to).unwrap();
        }
        rows::regroup(&to, 90);
    }
    let whole = root.path().join("whole");
    run_well(&arguments(&predict(
        &folder,
        &out,
        &whole,
        &["--keep", "user_id"],
    )));
    assert_eq!(read(&whole).num_rows(), 1_000);
    let parts = root.path().join("parts");
    let mut sizes = Vec::new();
    for shard in ["3/4", "1/4", "4/4", "2/4"] {
        let args = predict(
            &folder,
            &out,
            &parts,
            &["--keep", "user_id", "--shard", shard],
        );
        run_well(&arguments(&args));
        sizes.push(fs::read_dir(&parts).unwrap().count());
    }
    assert_eq!(read(&parts), read(&whole));
    assert!(sizes[0] >= 1 && sizes[3] >= 5, "{sizes:?}");
    // What a kill has left, and a file that is gone.
    let mut files: Vec<PathBuf> = fs::read_dir(&whole)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    fs::rename(&files[1], files[1].with_extension("tmp")).unwrap();
    let again = predict(&folder, &out, &whole, &["--keep", "user_id"]);
    let told = run_well(&arguments(&again));
    assert!(
        told.contains("1 file left as they are") && told.contains("360 of 360"),
        "{told}"
    );
    assert_eq!(read(&parts), read(&whole));
    // Other columns are another prediction.
    let other = predict(&folder, &out, &whole, &["--keep", "ad_id"]);
    let refused = run(&arguments(&other));
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        stderr(&refused).contains("replace it by `--force`"),
        "{}",
        stderr(&refused)
    );
    run_well(&[&arguments(&other)[..], &["--force"]].concat());
    assert!(read(&whole).column_by_name("user_id").is_none());
}

#[test]
fn what_cannot_be_predicted_is_told() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let scored = root.path().join("scored");
    for (more, code, told) in [
        (&["--keep", "nothing"][..], 1, "column `nothing`"),
        (&["--keep", "ad_id", "ad_id"], 2, "would be called `ad_id`"),
        (&["--shard", "5/4"], 2, "expected I/N"),
    ] {
        let failed = run(&arguments(&predict(&data, &out, &scored, more)));
        assert_eq!(failed.status.code(), Some(code), "{}", stderr(&failed));
        assert!(stderr(&failed).contains(told), "{}", stderr(&failed));
    }
    // A bad number stops, or is left without a score.
    rows::replace(&data, "age", |rows| {
        let ages = (0..rows.num_rows()).map(|row| if row == 3 { f32::INFINITY } else { 0.5 });
        Arc::new(Float32Array::from_iter_values(ages)) as ArrayRef
    });
    rows::replace(&data, "surface", |rows| {
        Arc::new(Int64Array::from_iter_values(
            (0..rows.num_rows()).map(|_| 1),
        )) as ArrayRef
    });
    let stopped = run(&arguments(&predict(&data, &out, &scored, &[])));
    assert_eq!(stopped.status.code(), Some(1));
    assert!(
        stderr(&stopped).contains("row 3, column `age`"),
        "{}",
        stderr(&stopped)
    );
    assert_eq!(
        fs::read_dir(&scored).unwrap().count(),
        0,
        "nothing half-written is left"
    );
    let told = run_well(&arguments(&predict(
        &data,
        &out,
        &scored,
        &["--on-bad-row", "skip"],
    )));
    assert!(told.contains("1 not scored: bad `age`"), "{told}");
    assert!(floats(&read(&scored), "ctr").is_null(3));
}
