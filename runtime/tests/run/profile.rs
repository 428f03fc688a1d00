//! `train --profile`: a table of all nodes, a trace, and no change of what is trained.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use mtmd::profile::{
    Counter, Kind, Label, Line, Part, Pass, Recorder, Span, TRACED_SPANS, TRACED_STEPS, Track,
};
use mtmd::schema::Tower;
use mtmd::schema::plan::{NodeId, Scope};
use serde_json::Value;

use crate::child::train;
use crate::rows;
use crate::sample::model;

/// Names of the graph's nodes that have parameters, as the table has them.
fn nodes_with_parameters() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for tower in Tower::ALL {
        let plan = model().plan.tower(tower);
        let own = plan.programs.iter().flat_map(|program| program.own.iter());
        let own = own.map(|parameter| (parameter, Scope::Own));
        let shared = plan
            .shared
            .iter()
            .map(|parameter| (parameter, Scope::Tower));
        for (parameter, scope) in own.chain(shared) {
            let nodes = plan.nodes.iter().filter(|node| {
                let rest = parameter.name.strip_prefix(&*node.path);
                node.scope == scope
                    && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            });
            // `ctr.deep.0.linear.weight` is of `ctr.deep`, not of `ctr`.
            let path = &nodes.max_by_key(|node| node.path.len()).unwrap().path;
            names.insert(match scope {
                Scope::Own => format!("{}.{path}", tower.name()),
                Scope::Tower => format!("{}.shared.{path}", tower.name()),
            });
        }
    }
    names
}

/// Milliseconds of each line of the table.
fn table(shown: &str) -> BTreeMap<&str, f64> {
    let lines = shown
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("ms per step"));
    let lines = lines.skip(1).take_while(|line| !line.contains("Times are"));
    lines
        .filter(|line| line.contains('%'))
        .map(|line| {
            let name = line.trim_start().split("  ").next().unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            let percent = words.iter().position(|word| *word == "%").unwrap();
            (name, words[percent - 2].parse().unwrap())
        })
        .collect()
}

#[test]
fn a_profile_has_every_node_and_sums_to_the_step() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 2_000);
    let options = ["--epochs", "1", "--quiet", "--threads", "2", "--profile"];
    let shown = train(&data, &out, &options);
    assert!(
        shown.contains("profile of 19 steps, each on average 63 rows"),
        "{shown}"
    );
    let table = table(&shown);
    let expected = nodes_with_parameters();
    assert!(expected.len() > 15, "{expected:?}");
    for node in &expected {
        assert!(table.contains_key(node.as_str()), "no {node} in\n{shown}");
    }
    assert!(table["query.ctr.deep"] > 0.0, "{shown}");
    for part in [
        Part::Loader,
        Part::Gather,
        Part::Heads,
        Part::Dense,
        Part::Tables,
    ] {
        assert!(
            table.contains_key(part.name()),
            "no {} in\n{shown}",
            part.name()
        );
    }
    let mut sum = 0.0;
    for (name, time) in &table {
        if !["all nodes", "other", "step"].contains(name) {
            sum += time;
        }
    }
    // Every line is rounded.
    let rounding = 0.0005 * table.len() as f64;
    assert!(table["other"] >= -rounding, "{shown}");
    assert!(
        (sum + table["other"] - table["step"]).abs() <= rounding,
        "{shown}"
    );
}

/// The complete events of a trace, by thread and in the order of time, those that enclose others first.
fn events(trace: &Value) -> BTreeMap<u64, Vec<(f64, f64, &str)>> {
    let mut tracks: BTreeMap<u64, Vec<(f64, f64, &str)>> = BTreeMap::new();
    for event in trace["traceEvents"].as_array().unwrap() {
        if event["ph"] == "X" {
            let [start, took] = ["ts", "dur"].map(|key| event[key].as_f64().unwrap());
            let track = tracks.entry(event["tid"].as_u64().unwrap()).or_default();
            track.push((start, start + took, event["name"].as_str().unwrap()));
        }
    }
    for track in tracks.values_mut() {
        track.sort_by(|one, other| one.0.total_cmp(&other.0).then(other.1.total_cmp(&one.1)));
    }
    tracks
}

#[test]
fn a_trace_has_the_last_steps_and_its_events_are_nested() {
    /// Microseconds that times are rounded by.
    const ROUNDING: f64 = 2e-3;
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 3_000);
    train(
        &data,
        &out,
        &["--epochs", "1", "--quiet", "--threads", "2", "--profile"],
    );
    let trace: Value =
        serde_json::from_slice(&fs::read(out.join("profile.json")).unwrap()).unwrap();
    let tracks = events(&trace);
    let steps: Vec<_> = tracks[&0]
        .iter()
        .filter(|(.., name)| *name == "step")
        .collect();
    assert_eq!(steps.len(), TRACED_STEPS);
    let (mut ops, mut chunks) = (0, 0);
    for track in tracks.values() {
        let mut open: Vec<(f64, f64, &str)> = Vec::new();
        for &(start, end, name) in track {
            let within =
                |step: &&&(f64, f64, &str)| step.0 <= start + ROUNDING && end <= step.1 + ROUNDING;
            assert!(
                steps.iter().any(|step| within(&step)),
                "{name} is outside all steps"
            );
            open.retain(|(_, end, _)| *end > start + ROUNDING);
            if let Some(outer) = open.last() {
                assert!(end <= outer.1 + ROUNDING, "{name} outlasts {outer:?}");
            }
            open.push((start, end, name));
            ops += usize::from(name.ends_with(": linear"));
            chunks += usize::from(name == "query.feed");
        }
    }
    assert!(ops > 0 && chunks >= 2 * TRACED_STEPS, "{ops} {chunks}");
    let named = trace["traceEvents"].as_array().unwrap().iter();
    let named = named.filter(|event| event["name"] == "thread_name");
    assert_eq!(named.count(), tracks.len());
}

#[test]
fn a_profile_changes_no_weight() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("rows.parquet");
    rows::write(&data, 2_000);
    let weights = |name: &str, options: &[&str]| {
        let out = root.path().join(name);
        let options = [&["--epochs", "1", "--quiet"], options].concat();
        train(&data, &out, &options);
        fs::read(out.join("model/model.safetensors")).unwrap()
    };
    assert!(weights("plain", &[]) == weights("profiled", &["--profile"]));
}

#[test]
fn a_profile_without_a_step_is_empty() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("rows.parquet"), root.path().join("run"));
    rows::write(&data, 1_000);
    let shown = train(&data, &out, &["--epochs", "0", "--quiet", "--profile"]);
    assert!(shown.contains("profile: no step"), "{shown}");
    assert!(!out.join("profile.json").exists());
}

/// A recorder with spans of a device and of two threads; times are in milliseconds.
#[test]
fn costs_are_split_by_share_and_thread() {
    let recorder = Recorder::new(model(), 2);
    let label = |name: &str, pass, kind| {
        let name = name.to_owned();
        let pass = Some(pass);
        recorder.label(Label { name, pass, kind })
    };
    let [one, other] = [0, 1].map(|node| Line::Node(Tower::Query, NodeId(node)));
    let shares = Line::shares([(one, 2.0), (other, 1.0), (one, 1.0)]);
    assert_eq!(shares, [(one, 0.75), (other, 0.25)]);
    let thread = label("thread", Pass::Forward, Kind::ThreadWork(shares.clone()));
    let kernel = label("kernel", Pass::Backward, Kind::Work(shares));
    let group = label("group", Pass::Forward, Kind::Group);
    let span = |label, track, start: u64, took: u64| Span {
        label,
        track,
        start: start * 1_000_000,
        nanos: took * 1_000_000,
        rows: 1,
    };
    assert_eq!(recorder.costs(), None);
    for _ in 0..2 {
        recorder.record([
            span(recorder.step(), Track::Loop, 0, 100),
            span(recorder.pass(Pass::Forward), Track::Worker(0), 0, 50),
            span(group, Track::Worker(0), 0, 45),
            span(thread, Track::Worker(0), 0, 40),
            span(thread, Track::Worker(1), 0, 20),
            span(kernel, Track::Device(0), 50, 20),
            span(recorder.part(Part::Dense), Track::Worker(0), 70, 10),
        ]);
        recorder.count(Counter::Launches, 3);
        recorder.end_step();
    }
    let costs = recorder.costs().unwrap();
    assert_eq!((costs.steps, costs.threads), (2, 2));
    assert_eq!(costs.counters, [(Counter::Launches, 3.0)]);
    let milliseconds = |seconds: f64| (seconds * 1e6).round() / 1e3;
    let found = costs.nodes.iter().chain(&costs.parts).map(|cost| {
        let times = [cost.forward, cost.backward, cost.total].map(milliseconds);
        (cost.line, times, cost.calls)
    });
    let idle = Line::Part(Part::Idle);
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            (one, [22.5, 15.0, 37.5], 3.0),
            (other, [7.5, 5.0, 12.5], 3.0),
            (idle, [20.0, 0.0, 20.0], 0.0),
            (Line::Part(Part::Dense), [0.0, 0.0, 10.0], 1.0),
        ]
    );
    assert_eq!([costs.step, costs.other].map(milliseconds), [100.0, 20.0]);
}

#[test]
fn a_trace_is_bounded() {
    let recorder = Recorder::new(model(), 1);
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("profile.json");
    let mut start = 0;
    let mut steps = |count: usize, spans: usize| {
        for _ in 0..count {
            let step = recorder.step();
            let track = Track::Loop;
            let all = (0..spans).map(|_| {
                start += 10;
                Span {
                    label: step,
                    track,
                    start,
                    nanos: 10,
                    rows: 0,
                }
            });
            recorder.record(all.collect::<Vec<_>>());
            recorder.end_step();
        }
        recorder.write_trace(&path).unwrap();
        let trace: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        events(&trace)[&0].len()
    };
    assert_eq!(steps(30, 2), 2 * TRACED_STEPS);
    assert_eq!(steps(3, TRACED_SPANS / 2), TRACED_SPANS);
    assert_eq!(
        steps(1, TRACED_SPANS + 1),
        TRACED_SPANS + 1,
        "the last step is whole"
    );
}
