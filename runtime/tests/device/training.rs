//! Training on the device against training on the host: the same batches, the same losses, and weights and optimisers
//! that differ by rounding.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mtmd::data::batch::{Batch, Column};
use mtmd::data::{Dataset, Parts, RowReader, Scan, synth};
use mtmd::exec::Backend;
use mtmd::params::Reader;
use mtmd::profile::{Counter, Line, Part, Recorder};
use mtmd::schema::{Compiled, Precision, TablePlace};
use mtmd::training::{StepError, StepReport, Trainer, cost_table};
use mtmd_schema::Tower;

use crate::weights::arrays;
use crate::{client, device, launches_of, lowered};

/// A model of a spec's text, for as long as the test runs.
fn model(text: &str) -> &'static Compiled {
    Box::leak(Box::new(lowered::compiled(text)))
}

/// The first batches of training rows, in the order of the files.
fn batches(model: &'static Compiled, data: &Path, batch: usize, count: usize) -> Vec<Batch> {
    let schema = &model.schema;
    let reader = RowReader::new(Dataset::open(schema, &[data.to_owned()]).unwrap());
    let vocabularies = Arc::new(reader.learn(Parts::TRAIN).unwrap().vocabularies);
    let scan = Scan {
        parts: Parts::TRAIN,
        batch,
        shuffle: None,
        skip: 0,
    };
    let batches = reader.batches(&vocabularies, scan).unwrap();
    batches.take(count).map(Result::unwrap).collect()
}

fn trainer(model: &'static Compiled, place: Option<TablePlace>) -> Trainer {
    let mut trainer = Trainer::new(model, &model.schema.training, Precision::Float32);
    move_to(&mut trainer, place);
    trainer
}

/// To the device with tables at this place; `None`: to the host.
fn move_to(trainer: &mut Trainer, place: Option<TablePlace>) {
    trainer.run_on(&match place {
        None => Backend::Host,
        Some(tables) => Backend::Device {
            device: device().unwrap(),
            tables,
        },
    });
}

fn step(trainer: &mut Trainer, batch: &Batch) -> Result<StepReport, StepError> {
    let ready = trainer.preparation().prepare(batch.clone());
    trainer.step(&ready, 0.5)
}

/// Every array of the weights and of the optimisers' state.
fn exported(trainer: &mut Trainer, folder: &Path) -> BTreeMap<String, Vec<f32>> {
    let exported = trainer.export();
    let mut all = BTreeMap::new();
    for (name, writer) in [("model", exported.model), ("optimiser", exported.optimiser)] {
        let path = folder.join(name);
        writer.save(&path).unwrap();
        let of = arrays(&path).into_iter();
        all.extend(of.map(|(key, (_, values))| (key, values)));
    }
    all
}

/// Mean distance of two arrays, as a part of the mean size of the first.
fn apart(one: &[f32], other: &[f32]) -> f64 {
    assert_eq!(one.len(), other.len());
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
    let pairs = one.iter().zip(other);
    let distance = mean(&mut pairs.map(|(a, b)| f64::from((a - b).abs())));
    let size = mean(&mut one.iter().map(|a| f64::from(a.abs())));
    if distance == 0.0 {
        0.0
    } else {
        distance / size
    }
}

/// The architecture of `kuairand`, narrow: software Vulkan is slow.
const NARROW: &str =
    "architecture { deep [24, 12], routing [8], shallow [8], shallow_width 4, cross { rank 4 } }\n";

fn kuairand() -> &'static Compiled {
    model(&format!(
        "{}\n{NARROW}",
        support::specs::named("kuairand").text
    ))
}

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data/kuairand")
}

fn losses_agree(what: &str, host: &StepReport, device: &StepReport, most: f64) {
    assert_eq!(host.tasks.len(), device.tasks.len());
    for (task, (host, device)) in host.tasks.iter().zip(&device.tasks).enumerate() {
        let (Some(host), Some(device)) = (host, device) else {
            assert_eq!(host, device, "{what}, task {task}");
            continue;
        };
        assert_eq!(host.rows, device.rows, "{what}, task {task}");
        let distance = (host.mean - device.mean).abs() / host.mean.max(1e-3);
        assert!(distance <= most, "{what}, task {task}: {host:?} {device:?}");
    }
    let distance = (host.norm - device.norm).abs() / host.norm;
    assert!(
        distance <= most,
        "{what}: norms {} {}",
        host.norm,
        device.norm
    );
}

/// Fifty steps; then each goes on from the other's checkpoint.
#[test]
fn losses_of_the_sample_are_the_hosts() {
    if client().is_none() {
        return;
    }
    let model = kuairand();
    let batches = batches(model, &sample(), 12, 54);
    let (mut host, mut device) = (
        trainer(model, None),
        trainer(model, Some(TablePlace::Device)),
    );
    let (first, then) = batches.split_at(50);
    for (at, batch) in first.iter().enumerate() {
        let [host, device] = [&mut host, &mut device].map(|trainer| step(trainer, batch).unwrap());
        losses_agree(&format!("step {at}"), &host, &device, 1e-3);
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, trainer) in [("host", &mut host), ("device", &mut device)] {
        let exported = trainer.export();
        exported
            .model
            .save(&folder.path().join(format!("{name}.model")))
            .unwrap();
        exported
            .optimiser
            .save(&folder.path().join(format!("{name}.optimiser")))
            .unwrap();
    }
    let resumed = |name: &str, place| {
        let open =
            |what: &str| Reader::open(&folder.path().join(format!("{name}.{what}"))).unwrap();
        let training = &model.schema.training;
        let (weights, optimiser) = (open("model"), open("optimiser"));
        let mut trainer =
            Trainer::resume(model, training, Precision::Float32, weights, optimiser).unwrap();
        move_to(&mut trainer, place);
        trainer
    };
    let mut others = [
        resumed("host", Some(TablePlace::Device)),
        resumed("device", None),
        resumed("device", Some(TablePlace::Host)),
    ];
    for (at, batch) in then.iter().enumerate() {
        let expected = step(&mut host, batch).unwrap();
        for (which, other) in others.iter_mut().enumerate() {
            let found = step(other, batch).unwrap();
            losses_agree(
                &format!("resumed {which}, step {at}"),
                &expected,
                &found,
                1e-3,
            );
        }
    }
}

/// Three steps of every spec, narrow where it does not say how wide it is; rows of a request share a query row in some.
#[test]
fn all_specs_train_as_on_the_host() {
    if client().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for spec in support::specs::all() {
        let has_architecture = spec
            .text
            .lines()
            .any(|line| line.starts_with("architecture"));
        let narrow = if has_architecture { "" } else { NARROW };
        let model = model(&format!("{}\n{narrow}", spec.text));
        let data = folder.path().join(&spec.name);
        synth(&model.schema, 600, 2, 3, &data).unwrap();
        let batches = batches(model, &data, 6, 3);
        assert_eq!(batches.len(), 3, "{}", spec.name);
        let mut trainers = [None, Some(TablePlace::Device)].map(|place| trainer(model, place));
        for (at, batch) in batches.iter().enumerate() {
            let [host, device] = trainers
                .each_mut()
                .map(|trainer| step(trainer, batch).unwrap());
            losses_agree(&format!("{}, step {at}", spec.name), &host, &device, 1e-3);
        }
    }
}

/// A small spec whose tables are stepped in this way.
fn with_tables(settings: &str) -> &'static Compiled {
    let text = include_str!("../run/sample.mtmd");
    let old = "embeddings { weight_decay 0.01 }";
    assert_eq!(text.matches(old).count(), 1);
    model(&text.replace(
        old,
        &format!("embeddings {{ weight_decay 0.01{settings} }}"),
    ))
}

/// By every rule of tables, wherever they are: moments and sums, weights and running statistics after some steps.
#[test]
fn tables_are_stepped_as_on_the_host() {
    if client().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let rules = [
        "",
        ", optimiser lazy_adam",
        ", optimiser rowwise_adagrad",
        ", frequency 3",
        ", optimiser rowwise_adagrad, frequency 2",
    ];
    for rule in rules {
        let model = with_tables(rule);
        let data = folder.path().join(format!("rows{}", rule.len()));
        synth(&model.schema, 1_000, 1, 3, &data).unwrap();
        // Few rows: most rows of tables lie behind.
        let batches = batches(model, &data, 20, 4);
        let places = [None, Some(TablePlace::Device), Some(TablePlace::Host)];
        let [host, device, tables_on_host] = places.map(|place| {
            let mut trainer = trainer(model, place);
            for batch in &batches {
                step(&mut trainer, batch).unwrap();
            }
            exported(&mut trainer, folder.path())
        });
        for (what, found) in [("device", &device), ("tables on the host", &tables_on_host)] {
            let keys =
                |arrays: &BTreeMap<String, Vec<f32>>| arrays.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&host), keys(found));
            for (key, expected) in &host {
                let distance = apart(expected, &found[key]);
                assert!(distance <= 1e-3, "`{rule}`, {what}, {key}: {distance:e}");
            }
        }
    }
}

/// The step and those that were sent after it leave everything as it was.
#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    if client().is_none() {
        return;
    }
    let model = with_tables("");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("rows");
    synth(&model.schema, 1_000, 1, 3, &data).unwrap();
    let batches = batches(model, &data, 20, 3);
    let mut trainer = trainer(model, Some(TablePlace::Device));
    step(&mut trainer, &batches[0]).unwrap();
    let before = exported(&mut trainer, folder.path());
    let mut bad = batches[1].clone();
    for column in &mut bad.query.columns {
        if let Column::Numbers(values) = column {
            values.fill(f32::INFINITY);
        }
    }
    let preparation = trainer.preparation();
    let ready = [bad, batches[2].clone()].map(|batch| preparation.prepare(batch));
    let begun = ready.each_ref().map(|batch| trainer.begin(batch, 1.0));
    for (begun, batch) in begun.into_iter().zip(&ready) {
        assert!(!begun.is_made());
        assert!(begun.finish(batch).is_err());
    }
    assert_eq!(exported(&mut trainer, folder.path()), before);
}

/// From the rows to the next weights, with one wait: for the losses.
#[test]
fn launches_and_waits_of_training() {
    if client().is_none() {
        return;
    }
    let model = kuairand();
    for place in [TablePlace::Device, TablePlace::Host] {
        let batches = batches(model, &sample(), 8, 2);
        let mut trainer = trainer(model, Some(place));
        step(&mut trainer, &batches[0]).unwrap();
        let before = trainer.traffic().unwrap();
        // On a thread of the pool, where steps are made.
        let launches = rayon::scope(|_| {
            launches_of(|| {
                step(&mut trainer, &batches[1]).unwrap();
            })
        });
        let waits = trainer.traffic().unwrap().waits - before.waits;
        println!("kuairand, tables on {place:?}: {launches} launches, {waits} waits");
        assert!(launches <= 400, "{launches}");
        match place {
            TablePlace::Device => assert_eq!(waits, 1),
            TablePlace::Host => assert_eq!(waits, 2),
        }
    }
}

/// Every launch of a step is of a node or of a part of the step, and is timed if the device has a clock.
#[test]
fn a_profile_has_all_launches_of_a_step() {
    if client().is_none() {
        return;
    }
    let model = kuairand();
    let batches = batches(model, &sample(), 8, 3);
    let mut trainer = trainer(model, Some(TablePlace::Device));
    let recorder = Arc::new(Recorder::new(model, 1));
    trainer.record(&recorder);
    for batch in &batches {
        let timeline = recorder.timeline();
        step(&mut trainer, batch).unwrap();
        timeline.enclose(recorder.step(), batch.rows);
        recorder.end_step();
    }
    let costs = recorder.costs().unwrap();
    let counted = |counter: Counter| {
        let found = costs.counters.iter().find(|(other, _)| *other == counter);
        found.unwrap().1
    };
    let launches = counted(Counter::Launches);
    assert!((50.0..400.0).contains(&launches), "{launches}");
    assert!((counted(Counter::HostWaits) - 1.0).abs() < 1e-9);
    assert!(counted(Counter::CopiedBytes) > 1_000.0);
    let lines = || costs.nodes.iter().chain(&costs.parts);
    let sum: f64 = lines().map(|cost| cost.total).sum();
    assert!(sum > 0.0 && sum <= costs.step * 1.000_001, "{costs:?}");
    let of = |part: Part| costs.parts.iter().any(|cost| cost.line == Line::Part(part));
    // A device without a clock has one line.
    if !of(Part::Device) {
        for part in [
            Part::Gather,
            Part::Heads,
            Part::Sums,
            Part::Dense,
            Part::Tables,
        ] {
            assert!(of(part), "{part:?} in {costs:?}");
        }
        for tower in Tower::ALL {
            for program in model.plan.tower(tower).programs.iter() {
                let sources = program.forward_sources().flat_map(|(_, sources)| sources);
                for source in sources {
                    let line = Line::Node(tower, source.node);
                    assert!(lines().any(|cost| cost.line == line), "{line:?}");
                }
            }
        }
    }
    println!("{}", cost_table(&costs, |line| recorder.line_name(line)));
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("profile.json");
    recorder.write_trace(&trace).unwrap();
    let text = std::fs::read_to_string(&trace).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
}
