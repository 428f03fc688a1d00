//! Rows that cannot be used, from the command line.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::Float64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;

use crate::child::{run, run_well, stderr};
use crate::rows;

#[test]
fn a_run_stops_skips_or_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (data, out, file) = (path("rows.parquet"), path("run"), path("skipped.jsonl"));
    rows::write_with_bad_scores(Path::new(&data));
    let base = ["train", "--data", &data, "--out", &out, "--quiet"];
    let with = |more: &[&'static str]| [&base[..], more].concat();

    let stopped = run(&base);
    assert_eq!(stopped.status.code(), Some(1));
    let text = stderr(&stopped);
    assert!(
        text.contains("row 7, column `hw_ctr`") && text.contains("--on-bad-row skip"),
        "{text}"
    );
    let misused = run(&[&base[..], &["--force", "--quarantine", &file]].concat());
    assert_eq!(misused.status.code(), Some(2), "{}", stderr(&misused));

    let skip = [
        &with(&["--force", "--epochs", "2", "--on-bad-row", "skip"])[..],
        &["--quarantine", &file],
    ]
    .concat();
    let text = run_well(&skip);
    assert!(text.contains("3 skipped: bad `hw_ctr`"), "{text}");
    // The test rows' own is told with their evaluation.
    assert!(text.contains("1 skipped: bad `hw_ctr`"), "{text}");
    let lines = fs::read_to_string(&file).unwrap();
    let rows: Vec<u64> = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["row"]
                .as_u64()
                .unwrap()
        })
        .collect();
    // Days 1 to 3 train, 4 validates, 5 tests; each row once in all passes.
    assert_eq!(rows, [7, 107, 207, 307, 407], "{lines}");

    let refused = run(&[&base[..], &["--on-bad-row", "skip", "--quarantine", &file]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let resumed = [
        &with(&["--resume", "--on-bad-row", "skip"])[..],
        &["--quarantine", &file],
    ]
    .concat();
    run_well(&resumed);
    assert_eq!(fs::read_to_string(&file).unwrap(), lines);
}

/// 2,000 rows with this age in the given one of those whose surface has ages, and that row's place in the file.
fn write_age(path: &Path, age: f64, among: usize) -> usize {
    rows::write(path, 2_000);
    let mut poisoned = 0;
    rows::replace(path, "age", |rows| {
        let column = |name| rows.column_by_name(name).unwrap();
        let surface = column("surface").as_primitive::<Int64Type>().values();
        let having = surface
            .iter()
            .enumerate()
            .filter(|(_, surface)| **surface == 1);
        poisoned = having.map(|(row, _)| row).nth(among).unwrap();
        let ages = column("age").as_primitive::<arrow_array::types::Float64Type>();
        let ages = ages.values().iter().enumerate();
        let ages = ages.map(|(row, value)| if row == poisoned { age } else { *value });
        Arc::new(Float64Array::from_iter_values(ages))
    });
    poisoned
}

/// What would make a loss or a statistic infinite does not get as far as a step.
#[test]
fn a_feature_that_no_model_can_compute_with_stops_the_run_before_its_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let (data, out) = (
        folder.path().join("rows.parquet"),
        folder.path().join("run"),
    );
    // The last would make the variance of its batch infinite, and then the running one for good.
    for (age, said) in [
        (f64::INFINITY, "a number must be finite, this is inf"),
        (f64::NAN, "a number must be finite, this is NaN"),
        (3e38, "at most 1e15 in size, this is 3e38: `log` or `clip`"),
    ] {
        let row = write_age(&data, age, 100);
        let (data, out) = (data.to_str().unwrap(), out.to_str().unwrap());
        let stopped = run(&["train", "--data", data, "--out", out, "--quiet"]);
        let text = stderr(&stopped);
        assert_eq!(stopped.status.code(), Some(1), "{text}");
        for part in [
            &format!("rows.parquet, row {row}, column `age`"),
            said,
            "--on-bad-row skip",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
        assert!(!Path::new(out).join("model").exists());
    }
}
