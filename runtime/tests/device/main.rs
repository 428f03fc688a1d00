//! The device's executor against the host's: loss, scores, running statistics and every gradient, of the plans of all specs
//! and of architectures that none of them has. By wgpu on whatever device is there (Mesa's software Vulkan will do); built
//! with CUDA alone, on a GPU or on what `python -m bench.emulated` puts in its place.
//!
//! The host's are of float64, in which its kernels are held to NumPy; the device's of float32 differ from them by
//! rounding.

#![cfg(any(feature = "cuda", feature = "wgpu"))]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod compare;
#[path = "../common/grouped.rs"]
mod grouped;
#[path = "../common/lowered.rs"]
mod lowered;
mod rows;
mod training;
mod variants;
#[path = "../common/weights.rs"]
mod weights;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::ThreadId;

use cubecl::client::Client;
use cubecl::logging::{LaunchObservation, LaunchObserver};
use mtmd::exec::device::DeviceExecutor;
use mtmd::exec::heads::{pairs, training};
use mtmd::exec::host::{Executor, Real, Scores, Step};
use mtmd::schema::Precision;
use mtmd_schema::Choice;
use mtmd_schema::plan::Plan;

use compare::{Distance, distance, per_parameter};
use rows::{Case, Rows, cast, params};

/// Largest distance of float32 on the device from float64 on the host, as a part of the larger of a tensor's size and a
/// thousandth of the largest tensor's: the rounding of sums of some hundred terms, in some ten layers.
const ROUNDED: f64 = 1e-4;

/// The device.
fn device() -> Result<cubecl::Device, cubecl::device::DeviceUnavailable> {
    #[cfg(feature = "wgpu")]
    let found = cubecl::Device::wgpu(cubecl::device::WgpuDeviceKind::DefaultDevice);
    #[cfg(not(feature = "wgpu"))]
    let found = cubecl::Device::cuda(0);
    found
}

/// The same, to launch by. Where there is none, the test prints that and is skipped.
fn client() -> Option<Client> {
    match device() {
        Ok(device) => Some(device.client()),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

#[test]
fn specs() {
    for spec in support::specs::all() {
        let plan = lowered::compiled(&spec.text).plan;
        for case in [Case::Uneven, Case::Single] {
            agrees_on(&plan, &format!("{}, {case:?}", spec.name), case);
        }
    }
}

/// Other norms, compositions, crossings and numbers of experts.
#[test]
fn architectures() {
    for (name, plan) in variants::plans() {
        for case in [Case::Uneven, Case::Shared] {
            agrees_on(&plan, &format!("{name}, {case:?}"), case);
        }
    }
}

/// Rows that fill tiles to the brim, overflow them by one, or leave most of one empty; widths that no block, cube or lane
/// divides.
#[test]
fn tiles_and_blocks() {
    let widths =
        "deep [131, 33], routing [65], shallow [3], shallow_width 1, cross { rank 7, depth 2 }";
    let plan = variants::plan(widths);
    // From 513 rows of a tower on, gradients of matrices are made in chunks.
    for rows in [2, 64, 65, 257, 640] {
        agrees_on(&plan, &format!("{rows} rows"), Case::Many(rows));
    }
}

/// Any widths and any number of rows.
#[test]
fn random_widths_and_rows() {
    let mut draws = support::rng::Rng::new(11);
    for _ in 0..6 {
        let mut up_to = |most: usize| 1 + draws.below(most);
        let widths = format!(
            "deep [{}, {}], routing [{}], shallow [{}], shallow_width {}, cross {{ rank {}, depth {} }}",
            up_to(70),
            up_to(40),
            up_to(30),
            up_to(20),
            up_to(9),
            up_to(9),
            up_to(2),
        );
        let rows = up_to(150);
        let plan = variants::plan(&widths);
        agrees_on(&plan, &format!("{widths}, {rows} rows"), Case::Many(rows));
    }
}

#[test]
fn a_step_gives_the_same_bytes_again() {
    let Some(client) = client() else { return };
    let plan = variants::plan("");
    let rows = Rows::random(&plan, Case::Many(300), 8);
    let [one, other] = [(); 2].map(|()| on_device(&client, &plan, &rows, Precision::Float32));
    assert_eq!(one.step, other.step);
    assert_eq!(one.scores, other.scores);
}

/// Counts the launches that one thread makes.
struct Launches {
    thread: ThreadId,
    count: AtomicUsize,
}

impl LaunchObserver for Launches {
    fn launched(&self, _kernel: &'static str) {
        if std::thread::current().id() == self.thread {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Launches that this thread makes in `act`.
fn launches_of(act: impl FnOnce()) -> usize {
    let launches = Arc::new(Launches {
        thread: std::thread::current().id(),
        count: AtomicUsize::new(0),
    });
    let watching = LaunchObservation::new(launches.clone());
    act();
    drop(watching);
    launches.count.load(Ordering::Relaxed)
}

/// Launches of a step of training.
fn launches(client: &Client, plan: &Plan, rows: usize) -> usize {
    let rows = Rows::random(plan, Case::Many(rows), 2);
    let params = params::<f32>(plan, 5);
    let fields = rows.fields.each_ref().map(|fields| cast::<f32>(fields));
    let device = DeviceExecutor::new(plan, client.clone());
    let mut step = Step::default();
    let heads = training(plan, &rows.batch);
    let both = (&rows.batch, fields.each_ref().map(Vec::as_slice));
    launches_of(|| device.step(&params, both, &heads, Precision::Float32, &mut step))
}

/// What a step launches follows the depth of the model: not its domains, and not the batch.
#[test]
fn launches_of_a_step() {
    let Some(client) = client() else { return };
    let pinterest = lowered::compiled(&support::specs::named("pinterest").text).plan;
    let cells = lowered::compiled(&support::specs::large(12, 8, 3)).plan;
    let few = launches(&client, &pinterest, 16);
    println!("pinterest: {few} launches");
    assert!(few <= 400, "{few}");
    assert_eq!(launches(&client, &pinterest, 200), few);
    let many = launches(&client, &cells, 64);
    println!("96 cells: {many} launches");
    assert!(many <= 600, "{many}");
}

/// A GPU, as its maker describes it.
struct Gpu {
    name: &'static str,
    /// Bytes of its memory per second.
    bytes: f64,
}

/// Multiplications and additions per second, of both GPUs: of float32 without tensor cores, of the others on them, without
/// sparsity.
const fn operations(precision: Precision) -> f64 {
    match precision {
        Precision::Float32 => 67e12,
        Precision::Tf32 => 494e12,
        Precision::Bfloat16 => 989e12,
    }
}

static GPUS: [Gpu; 2] = [
    Gpu {
        name: "H100 SXM",
        bytes: 3.35e12,
    },
    Gpu {
        name: "H200 SXM",
        bytes: 4.8e12,
    },
];

/// Seconds that a launch takes at least.
const LAUNCH: f64 = 4e-6;

/// Bytes of AdamW per parameter: it reads value, gradient and both moments, writes value and moments; the norm reads the
/// gradient once more, and the backward pass has written it.
const ADAMW: f64 = 36.0;

#[test]
#[ignore = "prints a table of the book"]
fn predicted_times() {
    let Some(client) = client() else { return };
    let plan = lowered::compiled(&support::specs::named("pinterest").text).plan;
    let count = launches(&client, &plan, 16) as f64;
    let device = DeviceExecutor::new(&plan, client);
    let columns = || {
        let of = |gpu: &'static Gpu| {
            Precision::ALL
                .iter()
                .map(move |&precision| (gpu, precision))
        };
        GPUS.iter().flat_map(of)
    };
    let titles: Vec<_> = columns()
        .map(|(gpu, precision)| format!("{}, {precision}", gpu.name))
        .collect();
    println!("| batch | work | memory | {} |", titles.join(" | "));
    println!("|---|---|---|{}", "---|".repeat(titles.len()));
    for rows in [2_048, 8_192, 32_768, 65_536] {
        let work = device.work(&Rows::random(&plan, Case::Many(rows), 2).batch);
        let all = 2.0 * work.multiplications as f64;
        let bytes = 4.0 * work.numbers as f64 + ADAMW * plan.parameters as f64;
        let times = columns().map(|(gpu, precision)| {
            let seconds = count * LAUNCH + (all / operations(precision)).max(bytes / gpu.bytes);
            format!("{:.2} ms", seconds * 1e3)
        });
        let times: Vec<_> = times.collect();
        println!(
            "| {rows} | {:.3} TFLOP | {:.1} GB | {} |",
            all / 1e12,
            bytes / 1e9,
            times.join(" | ")
        );
    }
}

/// What an executor finds.
struct Found<E> {
    step: Step<E>,
    scores: Vec<Scores>,
}

/// What an earlier step has left is gone.
fn before<E: Real>(plan: &Plan) -> Step<E> {
    Step {
        gradient: vec![E::real(7.0); plan.parameters],
        ..Step::default()
    }
}

fn on_host<E: Real>(plan: &Plan, rows: &Rows, precision: Precision) -> Found<E> {
    let params = params::<E>(plan, 5);
    let fields = rows.fields.each_ref().map(|fields| cast::<E>(fields));
    let towers = rows.towers(&fields);
    let host = Executor::new(plan);
    let mut step = before(plan);
    host.step(
        &params,
        towers,
        &training(plan, &rows.batch),
        precision,
        &mut step,
    );
    let scores = host.score(&params, towers, &pairs(plan, &rows.batch), precision);
    Found { step, scores }
}

fn on_device(client: &Client, plan: &Plan, rows: &Rows, precision: Precision) -> Found<f32> {
    let params = params::<f32>(plan, 5);
    let fields = rows.fields.each_ref().map(|fields| cast::<f32>(fields));
    let both = (&rows.batch, fields.each_ref().map(Vec::as_slice));
    let device = DeviceExecutor::new(plan, client.clone());
    let mut step = before(plan);
    device.step(
        &params,
        both,
        &training(plan, &rows.batch),
        precision,
        &mut step,
    );
    let scores = device.score(
        (&params, &device.load(&params)),
        both,
        &pairs(plan, &rows.batch),
        precision,
    );
    Found { step, scores }
}

fn agrees_on(plan: &Plan, name: &str, case: Case) {
    let Some(client) = client() else { return };
    let rows = Rows::random(plan, case, 3);
    let expected = on_host::<f64>(plan, &rows, Precision::Float32);
    let found = on_device(&client, plan, &rows, Precision::Float32);
    let worst = apart(plan, name, &expected, &found);
    println!("{name}: {worst}");
    assert!(worst.distance <= ROUNDED, "{name}: {worst}");
}

fn apart<E: Real>(plan: &Plan, name: &str, expected: &Found<E>, found: &Found<f32>) -> Distance {
    let mut worst = Distance::default();
    let (step, other) = (&expected.step, &found.step);
    worst.add("the loss", distance(&[step.loss], &[other.loss], 0.0));
    assert_eq!(step.tasks.len(), other.tasks.len(), "{name}");
    for (task, other) in step.tasks.iter().zip(&other.tasks) {
        let rows = |task: &Option<mtmd::exec::host::TaskLoss>| task.map(|loss| loss.rows);
        assert_eq!(rows(task), rows(other), "{name}");
    }
    let statistics = distance(&step.statistics, &other.statistics, 0.0);
    worst.add("statistics", statistics);
    per_parameter(plan, &step.gradient, &other.gradient, &mut worst);
    let fields = step
        .fields
        .iter()
        .flatten()
        .zip(other.fields.iter().flatten());
    let count = step.fields.each_ref().map(Vec::len);
    assert_eq!(count, other.fields.each_ref().map(Vec::len), "{name}");
    let all = compare::largest(step.fields.iter().flatten().flatten());
    for (place, (expected, found)) in fields.enumerate() {
        let what = format!("fields of domain {place} of both towers");
        worst.add(&what, distance(expected, found, all));
    }
    for (task, (expected, found)) in expected.scores.iter().zip(&found.scores).enumerate() {
        let what = format!("scores of task {task}");
        worst.add(&what, distance(&expected.lp, &found.lp, 0.0));
        worst.add(&what, distance(&expected.lq, &found.lq, 0.0));
    }
    worst
}

/// Both sides of wide products are rounded, to numbers that are `grain` apart as parts of their size; sums that differ in
/// float32 then round to neighbours now and then.
fn rounds_as_on_the_host(precision: Precision, grain: f64) {
    let Some(client) = client() else { return };
    let plan = variants::plan("");
    let rows = Rows::random(&plan, Case::Uneven, 4);
    let exact = on_host::<f32>(&plan, &rows, Precision::Float32);
    let expected = on_host::<f32>(&plan, &rows, precision);
    let found = on_device(&client, &plan, &rows, precision);
    let gradients = |one: &Found<f32>| {
        let mut worst = Distance::default();
        per_parameter(&plan, &one.step.gradient, &found.step.gradient, &mut worst);
        worst
    };
    let (rounded, between) = (gradients(&exact), gradients(&expected));
    println!("{precision}: {rounded} from float32, {between} between the executors");
    assert!(rounded.distance > grain, "{rounded}");
    assert!(between.distance < 0.5 * rounded.distance, "{between}");
}

#[test]
fn tf32_rounds_as_on_the_host() {
    rounds_as_on_the_host(Precision::Tf32, 1.0 / 2048.0);
}

#[test]
fn bfloat16_rounds_as_on_the_host() {
    rounds_as_on_the_host(Precision::Bfloat16, 1.0 / 256.0);
}
