//! The device's executor, by wgpu on whatever device is there (Mesa's software Vulkan will do), against the host's: loss,
//! scores, running statistics and every gradient, of the plans of all specs and of architectures that none of them has.
//!
//! The host's are of float64, in which its kernels are held to NumPy; the device's of float32 differ from them by
//! rounding.

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
use mtmd_schema::plan::Plan;

use compare::{Distance, distance, per_parameter};
use rows::{Case, Rows, cast, params};

/// Largest distance of float32 on the device from float64 on the host, as a part of the larger of a tensor's size and a
/// thousandth of the largest tensor's: the rounding of sums of some hundred terms, in some ten layers.
const ROUNDED: f64 = 1e-4;

/// The device that wgpu finds.
fn device() -> Result<cubecl::Device, cubecl::device::DeviceUnavailable> {
    cubecl::Device::wgpu(cubecl::device::WgpuDeviceKind::DefaultDevice)
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
    /// Multiplications and additions of float32 per second, without tensor cores.
    operations: f64,
    /// Bytes of its memory per second.
    bytes: f64,
}

const GPUS: [Gpu; 2] = [
    Gpu {
        name: "H100 SXM",
        operations: 67e12,
        bytes: 3.35e12,
    },
    Gpu {
        name: "H200 SXM",
        operations: 67e12,
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
    println!(
        "| batch | work | memory | {} | {} |",
        GPUS[0].name, GPUS[1].name
    );
    println!("|---|---|---|---|---|");
    for rows in [2_048, 8_192, 32_768, 65_536] {
        let work = device.work(&Rows::random(&plan, Case::Many(rows), 2).batch);
        let operations = 2.0 * work.multiplications as f64;
        let bytes = 4.0 * work.numbers as f64 + ADAMW * plan.parameters as f64;
        let times = GPUS.map(|gpu| {
            let seconds = count * LAUNCH + (operations / gpu.operations).max(bytes / gpu.bytes);
            format!("{:.2} ms", seconds * 1e3)
        });
        println!(
            "| {rows} | {:.3} TFLOP | {:.1} GB | {} | {} |",
            operations / 1e12,
            bytes / 1e9,
            times[0],
            times[1]
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

/// Both sides of products are rounded to bfloat16; sums that differ in float32 then round to other numbers of bfloat16
/// now and then, by 1 / 256 of their size.
#[test]
fn bfloat16_rounds_as_on_the_host() {
    let Some(client) = client() else { return };
    let plan = variants::plan("");
    let rows = Rows::random(&plan, Case::Uneven, 4);
    let exact = on_host::<f32>(&plan, &rows, Precision::Float32);
    let expected = on_host::<f32>(&plan, &rows, Precision::Bfloat16);
    let found = on_device(&client, &plan, &rows, Precision::Bfloat16);
    let gradients = |one: &Found<f32>| {
        let mut worst = Distance::default();
        per_parameter(&plan, &one.step.gradient, &found.step.gradient, &mut worst);
        worst
    };
    let (rounded, between) = (gradients(&exact), gradients(&expected));
    println!("bfloat16: {rounded} from float32, {between} between the executors");
    assert!(rounded.distance > 4e-3, "{rounded}");
    assert!(between.distance < 0.5 * rounded.distance, "{between}");
}
