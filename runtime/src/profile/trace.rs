//! The last steps as a Chrome trace: JSON in the Trace Event Format, for `chrome://tracing` and Perfetto.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::label::{Counter, Kind, Label, Line, Pass};
use super::recorder::{Recorder, Span, StepSpans, Track};
use crate::error::{Error, Result};
use crate::params::write_atomically;

/// The process that all events are of.
const PROCESS: u32 = 1;

/// Number of the first device's track, above those of all threads.
const DEVICES: u64 = 1_000_000;

impl Recorder {
    /// Writes the last steps: at most [`super::TRACED_STEPS`], and fewer where these have more than
    /// [`super::TRACED_SPANS`] spans.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn write_trace(&self, path: &Path) -> Result<()> {
        write_atomically(path, |file| self.trace(file))
            .map_err(|source| Error::file(path, "write the profile", source))
    }

    fn trace(&self, file: &mut dyn Write) -> io::Result<()> {
        let (labels, records) = (self.labels(), self.records());
        let names: Vec<Value> = labels.iter().map(|label| self.arguments(label)).collect();
        file.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n")?;
        let tracks = records.last.iter().flat_map(|step| &step.spans);
        let tracks: BTreeSet<Track> = tracks.map(|span| span.track).collect();
        let mut first = true;
        let mut write = |event: &Value| {
            if !std::mem::take(&mut first) {
                file.write_all(b",\n")?;
            }
            serde_json::to_writer(&mut *file, event).map_err(io::Error::from)
        };
        write(&json!({
            "ph": "M", "pid": PROCESS, "name": "process_name",
            "args": { "name": format!("train {}", self.model.schema.name) },
        }))?;
        for track in &tracks {
            write(&json!({
                "ph": "M", "pid": PROCESS, "tid": thread(*track), "name": "thread_name",
                "args": { "name": name(*track) },
            }))?;
            write(&json!({
                "ph": "M", "pid": PROCESS, "tid": thread(*track), "name": "thread_sort_index",
                "args": { "sort_index": thread(*track) },
            }))?;
        }
        for step in &records.last {
            for span in in_order(step) {
                let place = span.label.0 as usize;
                if let (Some(label), Some(nodes)) = (labels.get(place), names.get(place)) {
                    write(&event(label, nodes, span))?;
                }
            }
            counters(step).try_for_each(|counter| write(&counter))?;
        }
        file.write_all(b"\n]}\n")
    }

    /// The nodes of a label, each with its share.
    fn arguments(&self, label: &Label) -> Value {
        let (Kind::Work(shares) | Kind::ThreadWork(shares)) = &label.kind else {
            return Value::Null;
        };
        let nodes = shares.iter().filter_map(|(line, share)| match line {
            Line::Node(..) => Some((self.line_name(*line), json!((share * 1e4).round() / 1e4))),
            Line::Part(_) => None,
        });
        Value::Object(nodes.collect())
    }
}

/// The spans of a step, by track and time, those that enclose others first.
fn in_order(step: &StepSpans) -> Vec<&Span> {
    let mut spans: Vec<&Span> = step.spans.iter().collect();
    spans.sort_by_key(|span| (span.track, span.start, Reverse(span.nanos)));
    spans
}

/// A span as a complete event; times are in microseconds.
fn event(label: &Label, nodes: &Value, span: &Span) -> Value {
    let mut event = json!({
        "ph": "X", "pid": PROCESS, "tid": thread(span.track), "name": label.name, "cat": label.pass.map_or("step", Pass::name),
        "ts": micros(span.start), "dur": micros(span.nanos),
    });
    let mut arguments = serde_json::Map::new();
    if span.rows > 0 {
        arguments.insert("rows".to_owned(), json!(span.rows));
    }
    if nodes.as_object().is_some_and(|nodes| !nodes.is_empty()) {
        arguments.insert("nodes".to_owned(), nodes.clone());
    }
    if let (false, Some(event)) = (arguments.is_empty(), event.as_object_mut()) {
        event.insert("args".to_owned(), Value::Object(arguments));
    }
    event
}

/// The counters of a step at its beginning.
fn counters(step: &StepSpans) -> impl Iterator<Item = Value> {
    let start = step.spans.iter().map(|span| span.start).min();
    let counts = Counter::ALL.into_iter().zip(step.counters);
    let counts = counts.filter(|(_, count)| *count > 0);
    counts.map(move |(counter, count)| {
        json!({
            "ph": "C", "pid": PROCESS, "name": counter.name(), "ts": micros(start.unwrap_or_default()),
            "args": { "count": count },
        })
    })
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

/// Number of a track in the trace.
fn thread(track: Track) -> u64 {
    match track {
        Track::Loop => 0,
        Track::Worker(index) => 1 + u64::from(index),
        Track::Device(index) => DEVICES + u64::from(index),
    }
}

fn name(track: Track) -> String {
    match track {
        Track::Loop => "training loop".to_owned(),
        Track::Worker(index) => format!("thread {}", index + 1),
        Track::Device(index) => format!("device {index}"),
    }
}
