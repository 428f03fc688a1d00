//! Golden rows: a model that no longer gives their scores is not used.

use std::fs;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Float64Type;
use arrow_array::{Array as _, ArrayRef, Float64Array};

use crate::child::{run, stderr, text, trained};
use crate::rows;

#[test]
fn a_model_that_scores_otherwise_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let path = out.join("model/golden.parquet");
    let golden = rows::read(&path);
    assert_eq!(golden.num_rows(), 64);
    let schema = golden.schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(
        names,
        [
            "ad_id",
            "age",
            "history",
            "kind",
            "product",
            "surface",
            "user_id",
            "mtmdc.lp.ctr",
            "mtmdc.lp.buy"
        ]
    );
    // All cells are there, each task where it exists.
    let product = golden.column_by_name("product").unwrap().as_string::<i32>();
    let buy = golden
        .column_by_name("mtmdc.lp.buy")
        .unwrap()
        .as_primitive::<Float64Type>();
    let shops = product
        .iter()
        .filter(|product| *product == Some("shop"))
        .count();
    assert!((16..=48).contains(&shops), "{shops}");
    assert!((0..64).all(|row| buy.is_valid(row) == (product.value(row) == "shop")));

    let index = |name: &str| {
        let folder = root.path().join(name);
        run(&[
            "index",
            "--data",
            text(&path),
            "--model",
            text(&out),
            "--out",
            text(&folder),
            "--id",
            "user_id",
            "--last-wins",
        ])
    };
    assert_eq!(index("well").status.code(), Some(0));
    rows::replace(&path, "mtmdc.lp.ctr", |rows| {
        let lp = rows
            .column_by_name("mtmdc.lp.ctr")
            .unwrap()
            .as_primitive::<Float64Type>();
        let moved = lp
            .iter()
            .enumerate()
            .map(|(row, lp)| lp.map(|lp| lp + if row == 9 { 1e-3 } else { 1e-6 }));
        Arc::new(Float64Array::from_iter(moved)) as ArrayRef
    });
    let refused = index("ill");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("golden row 9 had"),
        "{}",
        stderr(&refused)
    );
    fs::remove_file(&path).unwrap();
    drop(data);
    assert_eq!(index("none").status.code(), Some(1), "the data is gone");
}
