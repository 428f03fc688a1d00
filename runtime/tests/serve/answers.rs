//! Rankings, embeddings and inferences are those of `predict`; what cannot be answered is told.

use std::path::Path;

use serde_json::{Value, json};

use crate::child::{run, run_well, stderr, text};
use crate::rows;
use crate::setting::{Serving, TRAINED, Trained, query, train};
use arrow_array::Array as _;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int64Type};

/// P of ctr and buy of each row, as `predict` has it.
pub fn predicted(data: &Path, trained: &Trained) -> Vec<[Option<f32>; 2]> {
    let out = tempfile::tempdir().unwrap();
    run_well(&[
        "predict",
        "--data",
        text(data),
        "--model",
        text(&trained.run),
        "--out",
        text(out.path()),
    ]);
    let file = out.path().join("part-00000-000000000000.parquet");
    let found = rows::read(&file);
    let tasks = ["ctr", "buy"].map(|name| {
        found
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Float32Type>()
    });
    let of = |row: usize| tasks.map(|task| task.is_valid(row).then(|| task.value(row)));
    (0..found.num_rows()).map(of).collect()
}

fn float(value: &Value) -> Option<f32> {
    value.as_f64().map(|value| value as f32)
}

/// One row, three ways at the server, and the same answer as in a batch, to the bit.
#[test]
fn every_way_gives_the_scores_of_predict() {
    let serving = Serving::start(&TRAINED, &[]);
    let expected = predicted(&TRAINED.data, &TRAINED);
    let all = rows::read(&TRAINED.data);
    let ads = all
        .column_by_name("ad_id")
        .unwrap()
        .as_primitive::<Int64Type>();
    let kind = all
        .column_by_name("kind")
        .unwrap()
        .as_primitive::<Int64Type>();
    let product = all.column_by_name("product").unwrap().as_string::<i32>();
    let mut client = serving.client();
    for row in (0..1_000).step_by(23) {
        let body = json!({
            "query": query(&all, row),
            "candidates": { "ids": [ads.value(row), 123_456], "products": [product.value(row)] },
        });
        let answer = client
            .post("/v1/rank", body.to_string().as_bytes(), "")
            .unwrap();
        assert_eq!(answer.code, 200, "{}", answer.json());
        let answer = answer.json();
        assert_eq!(answer["unknown"], json!([123_456]));
        let item = &answer["items"][0];
        assert_eq!(item["id"], ads.value(row));
        assert_eq!(item["product"], product.value(row));
        for (task, expected) in ["ctr", "buy"].iter().zip(expected[row]) {
            assert_eq!(float(&item["scores"][task]), expected, "{task} {row}");
        }

        let mut columns = query(&all, row);
        columns["ad_id"] = ads.value(row).into();
        columns["kind"] = kind.value(row).into();
        columns["product"] = product.value(row).into();
        let tensor = |(name, value): (&String, &Value)| {
            let datatype = match name.as_str() {
                "product" => "BYTES",
                "age" => "FP64",
                _ => "INT64",
            };
            let shape = value
                .as_array()
                .map_or(json!([1]), |list| json!([1, list.len()]));
            json!({ "name": name, "shape": shape, "datatype": datatype, "data": [value] })
        };
        let tensors: Vec<Value> = columns.as_object().unwrap().iter().map(tensor).collect();
        let body = json!({ "id": "7", "inputs": tensors });
        let answer = client
            .post("/v2/models/sample/infer", body.to_string().as_bytes(), "")
            .unwrap();
        assert_eq!(answer.code, 200, "{}", answer.json());
        let answer = answer.json();
        assert_eq!(answer["id"], "7");
        for (output, expected) in answer["outputs"]
            .as_array()
            .unwrap()
            .iter()
            .zip(expected[row])
        {
            assert_eq!(float(&output["data"][0]), expected);
        }
    }
    // The whole file at once, as bytes.
    let count = all.num_rows();
    let (mut tensors, mut bytes) = (Vec::new(), Vec::new());
    for name in ["surface", "user_id", "ad_id", "kind"] {
        let column = all
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Int64Type>();
        tensors.push(json!({ "name": name, "shape": [count], "datatype": "INT64", "parameters": { "binary_data_size": 8 * count } }));
        bytes.extend(column.values().iter().flat_map(|value| value.to_le_bytes()));
    }
    let before = bytes.len();
    for product in product.iter() {
        let product = product.unwrap();
        bytes.extend((product.len() as u32).to_le_bytes());
        bytes.extend(product.as_bytes());
    }
    let parameters = json!({ "binary_data_size": bytes.len() - before });
    tensors.push(json!({ "name": "product", "shape": [count], "datatype": "BYTES", "parameters": parameters }));
    let head =
        json!({ "inputs": tensors, "parameters": { "binary_data_output": true } }).to_string();
    let headers = format!("Inference-Header-Content-Length: {}\r\n", head.len());
    let body = [head.as_bytes(), &bytes].concat();
    let answer = client
        .post("/v2/models/sample/infer", &body, &headers)
        .unwrap();
    assert_eq!(answer.code, 200);
    let length: usize = answer
        .header("inference-header-content-length")
        .unwrap()
        .parse()
        .unwrap();
    let described: Value = serde_json::from_slice(&answer.body[..length]).unwrap();
    assert_eq!(
        described["outputs"][0]["parameters"]["binary_data_size"],
        4 * count
    );
    assert_eq!(answer.body.len(), length + 2 * 4 * count);
}

/// All items, by a utility of two tasks: against a sort of single scores.
#[test]
fn the_best_of_all_are_the_first_of_a_sort() {
    let serving = Serving::start(&TRAINED, &[]);
    for (surface, top) in [("feed", 7), ("search", 1), ("feed", 0), ("search", 500)] {
        let body = json!({
            "surface": surface,
            "query": { "user_id": 3, "history": [1, 2], "age": 0.25 },
            "utility": { "ctr": 1.0, "buy": -3.0 },
            "tasks": ["buy"],
            "top": top,
        });
        let answer = serving.post("/v1/rank", &body);
        assert_eq!(answer.code, 200, "{}", answer.json());
        let mut everything = body.clone();
        everything["top"] = json!(60);
        everything["tasks"] = json!(["ctr", "buy"]);
        let everything = serving.post("/v1/rank", &everything).json();
        let everything = everything["items"].as_array().unwrap();
        assert_eq!(everything.len(), 60);
        let utilities: Vec<f64> = everything
            .iter()
            .map(|item| {
                let score = |task: &str| item["scores"][task].as_f64().unwrap_or(0.0);
                let utility = score("ctr") - 3.0 * score("buy");
                assert!((utility - item["utility"].as_f64().unwrap()).abs() < 1e-9);
                utility
            })
            .collect();
        assert!(utilities.is_sorted_by(|one, next| one >= next));
        let answer = answer.json();
        let items = answer["items"].as_array().unwrap();
        assert_eq!(items.len(), top.min(60));
        assert_eq!(answer["scored"], 60);
        for (item, expected) in items.iter().zip(everything) {
            assert_eq!(
                (&item["id"], &item["product"]),
                (&expected["id"], &expected["product"])
            );
            assert_eq!(item["scores"], json!({ "buy": expected["scores"]["buy"] }));
        }
    }
}

#[test]
fn embeddings_are_those_of_the_index() {
    let serving = Serving::start(&TRAINED, &[]);
    let row = json!({ "tower": "item", "rows": [{ "product": "shop", "ad_id": 4, "kind": 4 }, { "product": "standard", "ad_id": 5 }] });
    let answer = serving.post("/v1/embed", &row);
    assert_eq!(answer.code, 200, "{}", answer.json());
    let rows = &answer.json()["rows"];
    assert_eq!(rows[0]["product"], "shop");
    assert_eq!(rows[0]["embeddings"]["ctr"].as_array().unwrap().len(), 12);
    assert_eq!(rows[0]["embeddings"]["buy"].as_array().unwrap().len(), 8);
    assert!(rows[1]["embeddings"].get("buy").is_none());
    let one = json!({ "tower": "item", "rows": [{ "product": "standard", "ad_id": 5 }] });
    assert_eq!(serving.post("/v1/embed", &one).json()["rows"][0], rows[1]);
    let query = json!({ "tower": "query", "rows": [{ "surface": "feed" }] });
    assert_eq!(
        serving.post("/v1/embed", &query).json()["rows"][0]["surface"],
        "feed"
    );
}

#[test]
fn what_cannot_be_answered_is_told() {
    let serving = Serving::start(&TRAINED, &["--max-items", "50", "--max-body", "20000"]);
    let rank = |body: Value, code: u16, told: &str| {
        let answer = serving.post("/v1/rank", &body);
        let error = answer.json()["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert_eq!(answer.code, code, "{body} {error}");
        assert!(error.contains(told), "{body}: {error}");
        assert!(!error.contains('/'), "a path: {error}");
    };
    let sound = json!({ "surface": 1, "query": { "user_id": 3, "age": 0.5 } });
    let with = |key: &str, value: Value| {
        let mut body = sound.clone();
        body[key] = value;
        body
    };
    rank(
        json!({ "query": { "user_id": 3 } }),
        422,
        "a row is of no surface",
    );
    rank(with("surface", json!("home")), 422, "surface");
    rank(
        with("query", json!({ "user_id": "three" })),
        422,
        "`user_id` is Int64, this is \"three\"",
    );
    rank(
        with("query", json!({ "user_id": "3" })),
        422,
        "`user_id` is Int64",
    );
    rank(with("query", json!({ "user": 3 })), 422, "user");
    rank(with("query", json!({ "age": 1e300 })), 422, "column `age`");
    rank(with("query", json!({ "history": 3 })), 422, "history");
    rank(with("surface", json!(2.5e-42)), 422, "surface");
    rank(
        with("utility", json!({ "cvr": 1 })),
        422,
        "`cvr` is none of the tasks ctr, buy",
    );
    rank(with("utility", json!({ "ctr": "much" })), 422, "no number");
    rank(with("tasks", json!(["cvr"])), 422, "`cvr`");
    rank(
        with("candidates", json!({ "products": ["video"] })),
        422,
        "`video` is none of the products shop, standard",
    );
    rank(with("candidates", json!({ "ids": [1.5] })), 422, "1.5");
    rank(
        with("candidates", json!({ "ids": (0..51).collect::<Vec<_>>() })),
        422,
        "more than 50",
    );
    rank(with("top", json!(51)), 422, "more than 50");
    rank(with("more", json!(1)), 422, "unknown field `more`");
    let mut client = serving.client();
    let mut post =
        |path: &str, body: &[u8], headers: &str| client.post(path, body, headers).unwrap().code;
    assert_eq!(post("/v1/rank", b"{", ""), 400);
    assert_eq!(post("/v1/rank", b"\xff\xff", ""), 400);
    assert_eq!(post("/v1/none", b"", ""), 404);
    assert_eq!(post("/v2/health/live", b"", ""), 405);
    assert_eq!(
        post(
            "/v2/models/sample/infer",
            b"{\"inputs\": []}",
            "inference-header-content-length: 99\r\n"
        ),
        400
    );
    assert_eq!(post("/v2/models/other/infer", b"{}", ""), 404);
    assert_eq!(
        serving
            .client()
            .post("/v1/rank", &vec![b' '; 30_000], "")
            .unwrap()
            .code,
        413
    );
    // Ids of the other kind are of no item.
    let other = json!({ "surface": 1, "query": {}, "candidates": { "ids": ["4"] } });
    let answer = serving.post("/v1/rank", &other);
    assert_eq!(
        (answer.code, &answer.json()["unknown"]),
        (200, &json!(["4"]))
    );
}

#[test]
fn what_is_not_one_version_does_not_serve() {
    let other = train(&["--epochs", "1", "--seed", "9"]);
    let refused = run(&[
        "serve",
        "--model",
        text(&other.run),
        "--index",
        text(&TRAINED.index),
        "--bind",
        "127.0.0.1:0",
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("the index is of other weights"),
        "{}",
        stderr(&refused)
    );
    let checkpoint = TRAINED.run.join("checkpoints");
    let checkpoint = std::fs::read_dir(checkpoint)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let refused = run(&[
        "serve",
        "--model",
        text(&checkpoint),
        "--bind",
        "127.0.0.1:0",
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr(&refused).contains("golden.parquet"),
        "{}",
        stderr(&refused)
    );
}
