//! The report's cells and totals.

use mtmd::data::batch::Batch;
use mtmd::evaluation::{Evaluator, Report, TaskPredictions};
use mtmd::schema::Schema;
use serde_json::Value;

use crate::sample::{SAMPLE, changed};

/// A batch of (surface, product, ctr label, click, buy) rows; `buy` exists on product 0 only.
fn batch(rows: &[(u16, u16, f32, f32, f32)]) -> Batch {
    Batch {
        rows: rows.len(),
        surface: rows.iter().map(|row| row.0).collect(),
        product: rows.iter().map(|row| row.1).collect(),
        labels: vec![
            rows.iter().map(|row| row.2).collect(),
            rows.iter().map(|row| row.4).collect(),
        ],
        weights: vec![],
        actions: vec![
            rows.iter().map(|row| row.3).collect(),
            rows.iter().map(|row| row.4).collect(),
        ],
        ..Batch::default()
    }
}

fn constant(rows: &[u32], p: f32) -> TaskPredictions {
    TaskPredictions {
        rows: rows.to_vec(),
        lp: vec![p.ln(); rows.len()],
        lq: vec![(1.0 - p).ln(); rows.len()],
    }
}

fn report() -> Report {
    const ABSENT: f32 = f32::NAN;
    let mut evaluator = Evaluator::new(&SAMPLE);
    let first = batch(&[
        (0, 0, 0.5, 1.0, 1.0),
        (0, 1, 0.25, 0.0, ABSENT),
        (1, 1, ABSENT, 1.0, ABSENT),
    ]);
    evaluator.add(&first, &[constant(&[0, 1, 2], 0.5), constant(&[0], 0.25)]);
    let second = batch(&[(1, 0, 0.5, 0.0, 0.0), (0, 0, 0.0, 0.0, 0.0)]);
    evaluator.add(&second, &[constant(&[0, 1], 0.5), constant(&[0, 1], 0.25)]);
    evaluator.report("test")
}

#[test]
fn rows_reach_their_cells_and_the_totals() {
    let report = report();
    assert_eq!(report.rows, 5);
    let [ctr, buy] = &report.tasks[..] else {
        panic!("two tasks")
    };
    let cells: Vec<_> = ctr
        .cells
        .iter()
        .map(|cell| {
            (
                cell.surface.as_str(),
                cell.product.as_str(),
                cell.metrics.rows,
                cell.metrics.action_rows,
            )
        })
        .collect();
    let expected = [
        ("feed", "shop", 2, 2),
        ("feed", "standard", 1, 1),
        ("search", "shop", 1, 1),
        ("search", "standard", 0, 1),
    ];
    assert_eq!(cells, expected);
    assert_eq!(
        (ctr.all.rows, ctr.all.action_rows, ctr.all.zero_labels),
        (4, 5, Some(1))
    );
    // |ln 0.5 - ln 0.25| on one of the three rows with a label above 0.
    let log_mae = ctr.all.log_mae.expect("scores");
    assert!((log_mae - std::f64::consts::LN_2 / 3.0).abs() < 1e-7);

    assert_eq!(buy.cells.len(), 2);
    assert_eq!((buy.all.rows, buy.all.log_mae), (3, None));
    assert!((buy.all.calibration.expect("a sale") - 0.75).abs() < 1e-6);
    assert!(buy.log_mae_by_rank.is_empty());
    let loss = ctr.all.kl.expect("rows") + 0.5 * buy.all.kl.expect("rows");
    assert!((report.loss.unwrap() - loss).abs() < 1e-12);
}

#[test]
fn json_has_every_figure_and_null_where_none_applies() {
    let report = report();
    let json: Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    let cell = &json["tasks"][1]["cells"][0];
    assert_eq!(cell["surface"], "feed");
    assert_eq!(cell["log_mae"], Value::Null);
    assert_eq!(cell["rows"], 2);
    let kl = json["tasks"][0]["all"]["kl"].as_f64().unwrap();
    assert!((kl - report.tasks[0].all.kl.unwrap()).abs() < 1e-15);
}

#[test]
fn the_table_fits_in_a_hundred_columns() {
    let table = report().table();
    assert!(
        table.lines().all(|line| line.chars().count() <= 100),
        "{table}"
    );
    assert_eq!(
        table
            .lines()
            .filter(|line| line.trim_start().starts_with("all"))
            .count(),
        2
    );
}

/// The report on one row with these labels of `ctr` and `buy`.
fn labelled(schema: &'static Schema, ctr: f32, buy: f32) -> Report {
    let mut evaluator = Evaluator::new(schema);
    let predictions = [constant(&[0], 0.5), constant(&[0], 0.25)];
    evaluator.add(&batch(&[(0, 0, ctr, 1.0, buy)]), &predictions);
    evaluator.report("validate")
}

#[test]
fn the_loss_is_that_of_the_tasks_with_labels_and_none_without() {
    const ABSENT: f32 = f32::NAN;
    let unweighted = changed(|schema| {
        let tasks = schema.spec.tasks.to_mut();
        tasks[0].weight = 1.0;
        tasks[1].weight = 0.0;
    });
    let loss = labelled(&SAMPLE, ABSENT, 1.0).loss.expect("a label of buy");
    assert!((loss - 0.5 * 4.0_f64.ln()).abs() < 1e-6, "{loss}");
    assert_eq!(labelled(&unweighted.schema, ABSENT, 1.0).loss, None);

    let none = labelled(&SAMPLE, ABSENT, ABSENT);
    assert_eq!(none.loss, None);
    let json: Value = serde_json::from_str(&none.json().unwrap()).unwrap();
    assert_eq!(json.get("loss"), Some(&Value::Null));
}
