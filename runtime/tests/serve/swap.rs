//! From one version to the next: every answer is of one of them, and none is lost.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::client::Client;
use crate::setting::{Serving, make_index, train};

#[test]
fn versions_change_under_load() {
    let first = train(&["--epochs", "1"]);
    let second = train(&["--epochs", "1", "--seed", "5"]);
    let serving = Serving::start(&first, &[]);
    let body = json!({ "surface": "feed", "query": { "user_id": 1 }, "top": 60 });
    let answer = |serving: &Serving| {
        let answer = serving.post("/v1/rank", &body);
        assert_eq!(answer.code, 200, "{}", answer.json());
        answer.json()
    };
    let before = answer(&serving);
    let (stop, address) = (AtomicBool::new(false), serving.address);
    let put = |from: &crate::setting::Trained| {
        // The folders are replaced as a deployment does: moved into their place.
        for (from, to) in [
            (from.run.join("model"), first.run.join("model")),
            (from.index.clone(), first.index.clone()),
        ] {
            let aside = to.with_extension("aside");
            copy(&from, &to.with_extension("next"));
            fs::rename(&to, &aside).unwrap();
            fs::rename(to.with_extension("next"), &to).unwrap();
            fs::remove_dir_all(&aside).unwrap();
        }
    };
    let (answers, after) = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::new(address).unwrap();
                    let mut found: Vec<Value> = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let answer = client
                            .post("/v1/rank", body.to_string().as_bytes(), "")
                            .unwrap();
                        assert_eq!(answer.code, 200, "{}", answer.json());
                        found.push(answer.json());
                    }
                    found
                })
            })
            .collect();
        // Weights without their index do not take over.
        copy(&second.run.join("model"), &first.run.join("next"));
        fs::rename(first.run.join("model"), first.run.join("kept")).unwrap();
        fs::rename(first.run.join("next"), first.run.join("model")).unwrap();
        serving.signal("HUP");
        let failed = serving.wait("load failed");
        assert!(
            failed["error"]
                .as_str()
                .unwrap()
                .contains("of other weights"),
            "{failed}"
        );
        assert_eq!(answer(&serving), before);
        fs::remove_dir_all(first.run.join("model")).unwrap();
        fs::rename(first.run.join("kept"), first.run.join("model")).unwrap();
        put(&second);
        serving.signal("HUP");
        serving.wait("ready");
        let after = answer(&serving);
        stop.store(true, Ordering::Relaxed);
        let answers: Vec<Value> = asking
            .into_iter()
            .flat_map(|it| it.join().unwrap())
            .collect();
        (answers, after)
    });
    assert_ne!(before["version"], after["version"]);
    let count = |of: &Value| answers.iter().filter(|answer| *answer == of).count();
    assert_eq!(
        count(&before) + count(&after),
        answers.len(),
        "an answer of neither version"
    );
    assert!(count(&before) > 0);
    // And an index of one more format of numbers, of the same weights.
    make_index(
        &second.items,
        &second.run,
        &second.index,
        &["--type", "float16", "--force"],
    );
    put(&second);
    serving.signal("HUP");
    serving.wait("ready");
    let half = answer(&serving);
    assert_eq!(half["version"], after["version"]);
    assert_ne!(half["items"][0]["scores"], after["items"][0]["scores"]);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
