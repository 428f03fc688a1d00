//! More than it can take, and what is no request: right answers or refusals, and the server lives.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::Client;
use crate::setting::{Serving, TRAINED};

fn rank(user: u64) -> Vec<u8> {
    json!({ "surface": "feed", "query": { "user_id": user }, "top": 5 })
        .to_string()
        .into_bytes()
}

/// Random bytes in the middle of sound bodies.
#[test]
fn malformed_bodies_are_refused() {
    let serving = Serving::start(&TRAINED, &[]);
    let mut random = crate::rows::Draws::new(7);
    let mut client = serving.client();
    let mut codes = std::collections::BTreeMap::new();
    for turn in 0..10_000 {
        let (path, mut body) = match turn % 3 {
            0 => ("/v1/rank", rank(turn)),
            1 => (
                "/v1/embed",
                json!({ "tower": "query", "rows": [{ "surface": "feed" }] })
                    .to_string()
                    .into_bytes(),
            ),
            _ => {
                let input =
                    json!({ "name": "user_id", "shape": [1], "datatype": "INT64", "data": [turn] });
                (
                    "/v2/models/sample/infer",
                    json!({ "inputs": [input] }).to_string().into_bytes(),
                )
            }
        };
        for _ in 0..1 + turn % 4 {
            let at = (random.next() * body.len() as f64) as usize;
            if body.is_empty() {
                break;
            }
            match (random.next() * 3.0) as usize {
                0 => body[at] = (random.next() * 256.0) as u8,
                1 => drop(body.remove(at)),
                _ => body.truncate(at.max(1)),
            }
        }
        let answer = client.post(path, &body, "").unwrap();
        assert!(
            matches!(answer.code, 200 | 400 | 422),
            "{} {:?}",
            answer.code,
            String::from_utf8_lossy(&body)
        );
        *codes.entry(answer.code).or_insert(0) += 1;
    }
    assert!(codes[&400] > 5_000, "{codes:?}");
    assert_eq!(client.post("/v1/rank", &rank(1), "").unwrap().code, 200);
}

#[test]
fn too_many_requests_are_refused_at_once() {
    let serving = Serving::start(&TRAINED, &["--in-flight", "1", "--threads", "1"]);
    let (answered, refused) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (answered, refused, address) = (&answered, &refused, serving.address);
            scope.spawn(move || {
                let mut client = Client::new(address).unwrap();
                for turn in 0..60 {
                    let answer = client
                        .post("/v1/rank", &rank(thread * 100 + turn), "")
                        .unwrap();
                    match answer.code {
                        200 => {
                            assert_eq!(answer.json()["items"].as_array().unwrap().len(), 5);
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        503 => {
                            assert_eq!(answer.header("retry-after"), Some("1"));
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("{other}"),
                    }
                }
            });
        }
    });
    let (answered, refused) = (answered.into_inner(), refused.into_inner());
    assert_eq!(answered + refused, 960);
    assert!(answered > 0 && refused > 0, "{answered} {refused}");
    assert_eq!(serving.client().get("/v2/health/live").unwrap().code, 200);
}

/// Clients that say nothing, or half, cost the others nothing.
#[test]
fn slow_clients_hold_nobody_up() {
    let serving = Serving::start(&TRAINED, &[]);
    let halves: &[&[u8]] = &[
        b"",
        b"POST /v1/rank HTT",
        b"POST /v1/rank HTTP/1.1\r\nhost: test\r\ncontent-length: 500\r\n\r\n{",
    ];
    let mut slow: Vec<Client> = (0..150)
        .map(|at| {
            let mut client = serving.client();
            client.write(halves[at % halves.len()]).unwrap();
            client
        })
        .collect();
    let mut client = serving.client();
    let started = Instant::now();
    for turn in 0..200 {
        assert_eq!(client.post("/v1/rank", &rank(turn), "").unwrap().code, 200);
    }
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    // In the end they are sent away: the body did not come, or the connection is closed.
    let last = slow.pop().unwrap().read().map(|answer| answer.code);
    assert_eq!(last.unwrap(), 408);
}
