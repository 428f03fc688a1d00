//! `bench`: training throughput, beside what the machine's matrix products could give.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Distribution, Tensor};

use super::args::BenchArgs;
use super::{NewLearner, say, set_threads, synth};
use crate::data::batch::{Batch, TowerBatch};
use crate::data::{Dataset, Parts, Scan, Shuffle};
use crate::error::{Error, Result};
use crate::evaluation::grouped;
use crate::schema::{Axis, Schema};
use crate::training::{Learner, Times, folder};

/// Batches that a repeat cycles through.
const BATCHES: usize = 16;
/// Steps before the first repeat: memory is laid out, kernels are compiled and tuned.
const WARM_UP: usize = 5;
/// Side of the square matrices whose product gives the peak.
const SIDE: usize = 2048;
/// Products that are timed for the peak; the fastest counts.
const PRODUCTS: usize = 10;

pub fn bench(schema: &'static Schema, args: &BenchArgs, new_learner: &NewLearner<'_>) -> Result<()> {
    set_threads(args.threads)?;
    let device = args.device.open()?;
    let size = args.batch.unwrap_or(schema.training.batch);
    let batches = if args.data.is_empty() {
        synthetic(schema, size)?
    } else {
        read(schema, &args.data, size)?
    };
    let mut learner = new_learner(&schema.training, &device);
    let peak = peak(&device)?;
    let rows: usize = batches.iter().map(|batch| batch.rows).sum();
    let flops = flops(schema, &learner.parameters(), &batches) / rows as f64;
    let measured = measure(learner.as_mut(), &batches, args)?;
    say(report(schema, args, size, &measured, flops, peak));
    Ok(())
}

/// Throughput and time by part.
struct Measured {
    /// Rows a second, a repeat each, ascending.
    speeds: Vec<f64>,
    /// Mean time of a step.
    times: Times,
    step: Duration,
}

fn measure(learner: &mut dyn Learner, batches: &[Batch], args: &BenchArgs) -> Result<Measured> {
    let mut cycle = batches.iter().cycle();
    let mut steps = |count: usize| -> Result<(usize, Times, Duration)> {
        let started = Instant::now();
        let (mut rows, mut times) = (0, Times::default());
        for batch in cycle.by_ref().take(count) {
            let report = learner.step(batch, 1.0).map_err(|error| {
                Error::run("the benchmark", format!("a step failed: {error:?}"), "lower the spec's learning rates")
            })?;
            rows += batch.rows;
            times.add(&report.times);
        }
        Ok((rows, times, started.elapsed()))
    };
    steps(WARM_UP)?;
    let mut measured = Measured { speeds: Vec::new(), times: Times::default(), step: Duration::ZERO };
    for _ in 0..args.repeats {
        let (rows, times, elapsed) = steps(args.steps)?;
        measured.speeds.push(rows as f64 / elapsed.as_secs_f64());
        measured.times.add(&times);
        measured.step += elapsed;
    }
    let count = u32::try_from(args.repeats * args.steps).unwrap_or(u32::MAX);
    measured.times = measured.times.over(count);
    measured.step /= count;
    measured.speeds.sort_by(f64::total_cmp);
    Ok(measured)
}

fn report(
    schema: &Schema,
    args: &BenchArgs,
    size: usize,
    measured: &Measured,
    flops: f64,
    peak: f64,
) -> String {
    let speed = |at: usize| measured.speeds.get(at).copied().unwrap_or(0.0);
    let (last, middle) = (measured.speeds.len().saturating_sub(1), measured.speeds.len() / 2);
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let reached = speed(middle) * flops / 1e9;
    let mut text = format!(
        "{}: batch {}, {} repeats of {} steps, {} threads\n\
         examples/s  median {}  min {}  max {}\n\
         step        {:.1} ms\n",
        schema.name,
        grouped(size as u64),
        args.repeats,
        args.steps,
        rayon::current_num_threads(),
        grouped(speed(middle) as u64),
        grouped(speed(0) as u64),
        grouped(speed(last) as u64),
        milliseconds(measured.step),
    );
    let times = &measured.times;
    for (name, time) in [
        ("gather", times.gather),
        ("forward", times.forward),
        ("backward", times.backward),
        ("optimiser", times.optimiser),
        ("tables", times.tables),
    ] {
        text.push_str(&format!("  {name:<10}{:.1} ms\n", milliseconds(time)));
    }
    text.push_str(&format!(
        "matrix products: {:.2} MFLOP an example (forward and twice that backward), {reached:.1} GFLOP/s, \
         {:.0} % of the peak of {peak:.0} GFLOP/s ({SIDE} x {SIDE} x {SIDE}, float32, same run)\n",
        flops / 1e6,
        100.0 * reached / peak,
    ));
    text
}

/// GFLOP/s of the fastest of some large square matrix products.
fn peak(device: &Device) -> Result<f64> {
    let matrix = || Tensor::<2>::random([SIDE, SIDE], Distribution::Default, device);
    let (left, right) = (matrix(), matrix());
    let mut best = Duration::MAX;
    for _ in 0..PRODUCTS {
        let wait = || {
            device.sync().map_err(|error| {
                Error::run("the device", error.to_string(), "check the device, or use `--device cpu`")
            })
        };
        wait()?;
        let started = Instant::now();
        let product = left.clone().matmul(right.clone());
        wait()?;
        best = best.min(started.elapsed());
        drop(product);
    }
    Ok(2.0 * (SIDE as f64).powi(3) / best.as_secs_f64() / 1e9)
}

/// Floating-point operations of the matrix products in a training step on each of `batches`, all
/// together. A weight [out, in] takes 2 · out · in a row in the forward pass, and the same for each
/// of the two gradients.
fn flops(schema: &Schema, parameters: &[(String, Vec<usize>)], batches: &[Batch]) -> f64 {
    let tower = |name: &str, axis: &Axis, of: fn(&Batch) -> &TowerBatch| -> f64 {
        let forward = |prefix: String| -> f64 {
            let matrices = parameters.iter().filter(|(key, shape)| shape.len() == 2 && key.starts_with(&prefix));
            matrices.map(|(_, shape)| 2.0 * shape.iter().product::<usize>() as f64).sum()
        };
        let shared = forward(format!("{name}.shared."));
        let domains = axis.domains.iter().enumerate().map(|(domain, declared)| {
            let places = batches.iter().filter_map(|batch| of(batch).domains.get(domain));
            let rows: usize = places.map(|places| places.len()).sum();
            rows as f64 * (shared + forward(format!("{name}.{}.", declared.name)))
        });
        domains.sum()
    };
    let query = tower("query", &schema.surfaces, |batch| &batch.query);
    let item = tower("item", &schema.products, |batch| &batch.item);
    3.0 * (query + item)
}

/// Training batches of the data, in memory.
fn read(schema: &'static Schema, paths: &[PathBuf], size: usize) -> Result<Vec<Batch>> {
    let dataset = Dataset::open(schema, paths)?;
    let vocabularies = Arc::new(dataset.learn(Parts::TRAIN)?.vocabularies);
    let shuffle = Shuffle { seed: schema.training.seed, epoch: 0, buffer: schema.training.shuffle };
    let scan = Scan { parts: Parts::TRAIN, batch: size, shuffle: Some(shuffle), skip: 0 };
    dataset.batches(&vocabularies, scan)?.take(BATCHES).collect()
}

/// Batches of synthetic rows, in memory.
fn synthetic(schema: &'static Schema, size: usize) -> Result<Vec<Batch>> {
    let path = std::env::temp_dir().join(format!("{}-bench-{}", schema.name, std::process::id()));
    // A part of the rows validates or tests.
    let rows = size * BATCHES * 2;
    let batches = synth::write(schema, &path, rows, 1).and_then(|()| read(schema, &[path.clone()], size));
    let removed = folder::remove(Path::new(&path));
    let batches = batches?;
    removed?;
    Ok(batches)
}
