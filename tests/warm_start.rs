//! The command of a warm start, whole: two specs, their crates built, the old model trained, the new one started from it,
//! trained on and evaluated. In release tests alone, which share their build of the runtime with the workspace.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::run::{Program, outcome};

const OLD: &str = r#"model warm_old

surfaces from "surface" { feed = 0, search = 1, others skip }
products from "product" { standard = "std" }

tasks { ctr from action "is_click" { embedding 16 } }

query { id user_id { rows 1_000, dim 8, vocabulary } }
item  { id ad_id { rows 1_000, dim 8 } }

architecture { deep [64, 32], routing [16], cross { rank 8 } }
training { batch 128, epochs 1 }
"#;

/// The old one with a surface and a feature more.
fn new_spec() -> String {
    let new = OLD.replace("warm_old", "warm_new");
    let new = new.replace("search = 1, others skip", "search = 1, reels = 2 like feed");
    new.replace("item  {", "item  { number price { log },")
}

/// A workspace beside the repository's, whose crates share what cargo has built for that.
fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("warm-start");
    let _ = fs::remove_dir_all(&folder);
    for part in ["generated", "runtime"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    // A workspace is known by it; the manifest names the repository's own.
    fs::copy(
        root.join("runtime/Cargo.toml"),
        folder.join("runtime/Cargo.toml"),
    )
    .unwrap();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (shared, _) = manifest.split_once("[package]").unwrap();
    let lines = shared.lines().filter(|line| !line.starts_with("exclude"));
    let lines = lines.map(|line| match line.starts_with("members") {
        true => r#"members = ["generated/*"]"#.to_owned(),
        false => line.replace(r#"path = ""#, &format!(r#"path = "{}/"#, root.display())),
    });
    let manifest = lines.collect::<Vec<_>>().join("\n");
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    fs::write(folder.join("old.mtmd"), OLD).unwrap();
    fs::write(folder.join("new.mtmd"), new_spec()).unwrap();
    folder
}

fn run(folder: &Path, line: &str) -> String {
    let program = Program {
        exe: env!("CARGO_BIN_EXE_mtmdc"),
    };
    // The folder of this test's own binary is `release/deps`.
    let target = Path::new(program.exe).parent().unwrap().parent().unwrap();
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let mut command = program.command(folder, &arguments);
    let (code, stdout, stderr) = outcome(command.env("CARGO_TARGET_DIR", target));
    assert_eq!(code, 0, "{line}\n{stderr}");
    stdout
}

/// The arrays of a safetensors file as bytes, by key.
fn weights(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(run.join("model/model.safetensors")).unwrap();
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().unwrap()) as usize;
    let (header, data) = rest.split_at(length);
    let header: BTreeMap<String, Value> = serde_json::from_slice(header).unwrap();
    let arrays = header.into_iter().filter(|(key, _)| key != "__metadata__");
    let array = |(key, entry): (String, Value)| {
        let place = |at: usize| entry["data_offsets"][at].as_u64().unwrap() as usize;
        (key, data[place(0)..place(1)].to_vec())
    };
    arrays.map(array).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
#[cfg_attr(debug_assertions, ignore = "builds crates in release")]
fn a_grown_model_starts_from_the_old_one_and_trains_on() {
    let folder = workspace();
    run(&folder, "synth new.mtmd --out data --rows 4000");
    run(&folder, "train old.mtmd --data data --out old --quiet");
    let warm = "train new.mtmd --data data --warm-start old --quiet";
    run(&folder, &format!("{warm} --epochs 0 --out start"));
    let [old, start] = ["old", "start"].map(|run| weights(&folder.join(run)));
    let plan = json(&folder.join("start/warm_start.json"));
    let mut fates = BTreeMap::<&str, usize>::new();
    for planned in plan["weights"].as_array().unwrap() {
        let [key, fate] = ["key", "fate"].map(|name| planned[name].as_str().unwrap());
        *fates.entry(fate).or_default() += 1;
        // Of a table by value, the values of the new surface's rows come in.
        let whole = matches!(fate, "kept" | "renamed" | "seeded") && key != "tables.user_id.weight";
        if whole {
            assert_eq!(start[key], old[planned["from"].as_str().unwrap()], "{key}");
        }
    }
    for fate in ["kept", "seeded", "new"] {
        assert!(fates.contains_key(fate), "nothing is {fate}: {fates:?}");
    }
    assert_eq!(plan["dropped"], Value::Array(vec![]));
    assert!(start.keys().any(|key| key.starts_with("query.reels.")));

    run(&folder, &format!("{warm} --out grown"));
    let grown = weights(&folder.join("grown"));
    assert!(grown.keys().eq(start.keys()));
    let moved = grown.iter().filter(|(key, array)| **array != start[*key]);
    assert!(moved.count() > grown.len() / 2);
    let log = fs::read_to_string(folder.join("grown/metrics.jsonl")).unwrap();
    let losses = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["loss"].as_f64());
    let losses: Vec<f64> = losses.collect();
    assert!(!losses.is_empty() && losses.iter().all(|loss| loss.is_finite()));
    let told = run(&folder, "eval new.mtmd --data data --model grown");
    assert!(told.contains("reels"), "{told}");
}
