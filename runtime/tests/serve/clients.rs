//! Clients of others, in Python: `MTMD_PYTHON=…/bin/python cargo test -p mtmd --features serve --test serve`, with the
//! packages of `requirements.txt` installed.

use std::path::Path;
use std::process::Command;

use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int64Type};
use serde_json::json;

use crate::answers::predicted;
use crate::rows;
use crate::setting::{Serving, TRAINED};

#[test]
fn clients_of_others_are_answered() {
    let Ok(python) = std::env::var("MTMD_PYTHON") else {
        println!("skipped: clients of others, for MTMD_PYTHON names no Python that has them");
        return;
    };
    let serving = Serving::start(&TRAINED, &[]);
    let all = rows::read(&TRAINED.data);
    let count = 50;
    let ints = |name: &str| {
        let column = all
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Int64Type>();
        json!(column.values()[..count])
    };
    let age = all
        .column_by_name("age")
        .unwrap()
        .as_primitive::<Float64Type>();
    let product = all.column_by_name("product").unwrap().as_string::<i32>();
    let columns = json!({
        "surface": ints("surface"),
        "user_id": ints("user_id"),
        "ad_id": ints("ad_id"),
        "kind": ints("kind"),
        "age": age.values()[..count],
        "product": (0..count).map(|row| product.value(row)).collect::<Vec<_>>(),
    });
    // A client's tensor of lists is of one length: rows without a history.
    let bare = tempfile::tempdir().unwrap();
    let data = bare.path().join("rows.parquet");
    std::fs::copy(&TRAINED.data, &data).unwrap();
    rows::replace(&data, "history", |rows| {
        let history = rows.column_by_name("history").unwrap();
        arrow_array::new_null_array(history.data_type(), history.len())
    });
    let ctr: Vec<Option<f32>> = predicted(&data, &TRAINED)
        .iter()
        .map(|row| row[0])
        .collect();
    let file = bare.path().join("expected.json");
    let expected = json!({ "columns": columns, "ctr": ctr[..count] });
    std::fs::write(&file, expected.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/clients.py");
    let status = Command::new(python)
        .arg(script)
        .arg(serving.address.to_string())
        .arg(&file)
        .status()
        .unwrap();
    assert!(status.success());
}
