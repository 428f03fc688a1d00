//! Rows that cannot be used, from the command line.

use std::fs;
use std::path::Path;

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
