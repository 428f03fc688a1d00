//! The server as a process: health, metadata, metrics, the token, and its end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::setting::{Serving, TRAINED};

fn rank() -> Vec<u8> {
    json!({ "surface": "feed", "query": { "user_id": 1 }, "top": 3 })
        .to_string()
        .into_bytes()
}

#[test]
fn it_describes_itself() {
    let serving = Serving::start(&TRAINED, &[]);
    let mut client = serving.client();
    let mut get = |path: &str| client.get(path).unwrap();
    assert_eq!(
        get("/v2").json()["extensions"],
        json!(["binary_tensor_data"])
    );
    let model = get("/v2/models/sample").json();
    assert_eq!(model["outputs"][1]["name"], "buy");
    let history = json!({ "name": "history", "datatype": "INT64", "shape": [-1, -1] });
    assert!(
        model["inputs"].as_array().unwrap().contains(&history),
        "{model}"
    );
    let version = model["versions"][0].as_str().unwrap().to_owned();
    for (path, code) in [
        ("/v2/health/live".to_owned(), 200),
        ("/v2/health/ready".to_owned(), 200),
        ("/v2/models/sample/ready".to_owned(), 200),
        (format!("/v2/models/sample/versions/{version}/ready"), 200),
        ("/v2/models/sample/versions/older/ready".to_owned(), 404),
        ("/v2/models/other/ready".to_owned(), 404),
    ] {
        assert_eq!(get(&path).code, code, "{path}");
    }
    let document = get("/openapi.json").json();
    let request = &document["paths"]["/v1/rank"]["post"]["requestBody"]["content"]["application/json"]
        ["schema"];
    assert_eq!(
        request["properties"]["surface"]["enum"],
        json!(["feed", 0, "search", 1, null])
    );
    assert_eq!(
        request["properties"]["query"]["properties"]["history"]["items"]["type"],
        json!(["integer", "null"])
    );
}

#[test]
fn it_counts() {
    let serving = Serving::start(&TRAINED, &[]);
    let mut client = serving.client();
    for _ in 0..3 {
        assert_eq!(client.post("/v1/rank", &rank(), "").unwrap().code, 200);
    }
    assert_eq!(client.post("/v1/rank", b"{", "").unwrap().code, 400);
    let text = client.get("/metrics").unwrap();
    let text = String::from_utf8(text.body).unwrap();
    for line in [
        "mtmdc_requests_total{code=\"200\",route=\"/v1/rank\"} 3",
        "mtmdc_requests_total{code=\"400\",route=\"/v1/rank\"} 1",
        "mtmdc_candidates_total 180",
        "mtmdc_index_items 60",
        "mtmdc_stage_seconds_count{stage=\"tower\"} 3",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains("mtmdc_version_info{model=\"sample\",weights="));
}

#[test]
fn a_token_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let serving = Serving::start(&TRAINED, &["--token", file.to_str().unwrap()]);
    let mut client = serving.client();
    for (headers, code) in [
        ("", 401),
        ("authorization: Bearer s3cre\r\n", 401),
        ("authorization: Basic s3cret\r\n", 401),
        ("authorization: Bearer s3cret\r\n", 200),
    ] {
        assert_eq!(
            client.post("/v1/rank", &rank(), headers).unwrap().code,
            code,
            "{headers}"
        );
    }
    assert_eq!(client.get("/v2/health/ready").unwrap().code, 200);
}

#[test]
fn it_ends_when_it_is_told_to() {
    let mut serving = Serving::start(&TRAINED, &["--drain", "2", "--log-requests"]);
    let mut idle = serving.client();
    assert_eq!(idle.post("/v1/rank", &rank(), "").unwrap().code, 200);
    let logged = serving.wait("request");
    assert_eq!(
        (&logged["route"], &logged["code"]),
        (&json!("/v1/rank"), &json!(200))
    );
    // Half a request, which never ends: the drain is bounded.
    let mut slow = serving.client();
    slow.write(b"POST /v1/rank HTTP/1.1\r\nhost: test\r\ncontent-length: 50\r\n\r\n{")
        .unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let asked = Instant::now();
    serving.signal("TERM");
    serving.wait("draining");
    assert_eq!(serving.wait("stopped")["drained"], Value::Bool(false));
    assert!(serving.child.wait().unwrap().success());
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "{:?}",
        asked.elapsed()
    );
    assert!(Client::new(serving.address).is_err());
}
