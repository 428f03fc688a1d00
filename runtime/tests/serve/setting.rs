//! A trained model, its index, and a server of both in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{RecordBatch, UInt32Array};
use serde_json::{Value, json};

use crate::child::{program, run_well, text};
use crate::client::{Answer, Client};
use crate::rows;

/// Data, a model that was trained on it, a table of its items and their index.
pub struct Trained {
    _root: tempfile::TempDir,
    pub data: PathBuf,
    pub run: PathBuf,
    pub items: PathBuf,
    pub index: PathBuf,
}

/// Trained once, for all tests.
pub static TRAINED: LazyLock<Trained> = LazyLock::new(|| train(&["--epochs", "1"]));

/// Trains with further options.
pub fn train(more: &[&str]) -> Trained {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    let (data, run) = (path("rows.parquet"), path("run"));
    rows::write(&data, 1_000);
    let args = [
        "train",
        "--data",
        text(&data),
        "--out",
        text(&run),
        "--quiet",
    ];
    run_well(&[&args[..], more].concat());
    let (items, index) = (path("items.parquet"), path("index"));
    write_items(&data, &items);
    make_index(&items, &run, &index, &[]);
    Trained {
        _root: root,
        data,
        run,
        items,
        index,
    }
}

/// The index of items.
pub fn make_index(items: &Path, run: &Path, index: &Path, more: &[&str]) {
    let args = [
        "index",
        "--data",
        text(items),
        "--model",
        text(run),
        "--out",
        text(index),
        "--id",
        "ad_id",
        "--last-wins",
    ];
    run_well(&[&args[..], more].concat());
}

/// One row of each ad and product.
fn write_items(data: &Path, to: &Path) {
    let all = rows::read(data);
    let ads = all
        .column_by_name("ad_id")
        .unwrap()
        .as_primitive::<Int64Type>();
    let product = all.column_by_name("product").unwrap().as_string::<i32>();
    let mut seen = std::collections::BTreeSet::new();
    let chosen = (0..all.num_rows() as u32)
        .filter(|row| seen.insert((ads.value(*row as usize), product.value(*row as usize))));
    let chosen = UInt32Array::from_iter_values(chosen);
    let items = arrow_select::take::take_record_batch(&all, &chosen).unwrap();
    let columns = ["ad_id", "kind", "product"];
    let columns = columns.map(|name| (name, items.column_by_name(name).unwrap().clone()));
    rows::save(&RecordBatch::try_from_iter(columns).unwrap(), to);
}

/// A server in a process of its own, which ends with the value.
pub struct Serving {
    pub child: Child,
    pub address: SocketAddr,
    pub events: Receiver<Value>,
}

impl Serving {
    /// Starts it, with further options, and waits until it is ready.
    pub fn start(trained: &Trained, more: &[&str]) -> Self {
        let serving = Self::begin(trained, more);
        serving.wait("ready");
        serving
    }

    /// The same without waiting.
    pub fn begin(trained: &Trained, more: &[&str]) -> Self {
        let args = [
            "serve",
            "--model",
            text(&trained.run),
            "--index",
            text(&trained.index),
            "--bind",
            "127.0.0.1:0",
        ];
        let mut child = program(&[&args[..], more].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, events) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str::<Value>(&line) {
                    // The test may have ended.
                    let _ = sender.send(event);
                }
            }
        });
        let mut serving = Self {
            child,
            address: "127.0.0.1:0".parse().unwrap(),
            events,
        };
        let listening = serving.wait("listening");
        serving.address = listening["address"].as_str().unwrap().parse().unwrap();
        serving
    }

    /// The next event of this name.
    pub fn wait(&self, name: &str) -> Value {
        loop {
            let event = self
                .events
                .recv_timeout(Duration::from_secs(60))
                .expect(name);
            if event["event"] == name {
                return event;
            }
        }
    }

    pub fn client(&self) -> Client {
        Client::new(self.address).unwrap()
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.client()
            .post(path, body.to_string().as_bytes(), "")
            .unwrap()
    }

    /// Sends a signal, by its name.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The query's columns of a row of the data, as JSON.
pub fn query(rows: &RecordBatch, row: usize) -> Value {
    let int = |name: &str| {
        rows.column_by_name(name)
            .unwrap()
            .as_primitive::<Int64Type>()
            .value(row)
    };
    let age = rows
        .column_by_name("age")
        .unwrap()
        .as_primitive::<arrow_array::types::Float64Type>();
    let history = rows
        .column_by_name("history")
        .unwrap()
        .as_list::<i32>()
        .value(row);
    let history = history.as_primitive::<Int64Type>().values().to_vec();
    json!({ "user_id": int("user_id"), "history": history, "age": age.value(row), "surface": int("surface") })
}
