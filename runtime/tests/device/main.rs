//! The device's executor, on burn's processor backend, against the host's: loss, scores, running statistics and every
//! gradient, of the plans of all specs and of architectures that none of them has.
//!
//! In float64 both must agree to [`EXACT`], which proves each operation's arithmetic; in float32 to [`ROUNDED`], the
//! difference that sums in another order cause.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod compare;
#[path = "../common/grouped.rs"]
mod grouped;
#[path = "../common/lowered.rs"]
mod lowered;
mod rows;
mod variants;

use burn::tensor::Device;
use mtmd::exec::device::{DeviceExecutor, DeviceReal};
use mtmd::exec::heads::{pairs, training};
use mtmd::exec::host::{Executor, Scores, Step};
use mtmd::schema::Precision;
use mtmd_schema::plan::Plan;

use compare::{Distance, distance, per_parameter};
use rows::{Case, Rows, cast, params};

/// Largest distance in float64, as a part of the larger of a tensor's size and a thousandth of the largest tensor's.
const EXACT: f64 = 1e-12;

/// The same in float32.
const ROUNDED: f64 = 1e-4;

#[test]
fn specs() {
    for spec in support::specs::all() {
        let plan = lowered::compiled(&spec.text).plan;
        for case in [Case::Uneven, Case::Single, Case::Shared] {
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

/// What both executors find.
struct Found<E> {
    step: Step<E>,
    scores: Vec<Scores>,
}

fn run<E: DeviceReal>(plan: &Plan, rows: &Rows, precision: Precision) -> [Found<E>; 2] {
    let params = params::<E>(plan, 5);
    let fields = rows.fields.each_ref().map(|fields| cast::<E>(fields));
    let towers = rows.towers(&fields);
    let (heads, pairs) = (training(plan, &rows.batch), pairs(plan, &rows.batch));
    let host = Executor::new(plan);
    let device = DeviceExecutor::new(plan, Device::flex());
    // What an earlier step has left is gone.
    let before = || Step {
        gradient: vec![E::real(7.0); plan.parameters],
        ..Step::default()
    };
    let mut expected = before();
    host.step(&params, towers, &heads, precision, &mut expected);
    let mut found = before();
    device.step(&params, towers, &heads, precision, &mut found);
    [
        Found {
            scores: host.score(&params, towers, &pairs, precision),
            step: expected,
        },
        Found {
            scores: device.score(&params, towers, &pairs, precision),
            step: found,
        },
    ]
}

fn agrees_on(plan: &Plan, name: &str, case: Case) {
    let rows = Rows::random(plan, case, 3);
    let [expected, found] = run::<f64>(plan, &rows, Precision::Float32);
    compare(plan, &format!("{name}, float64"), &expected, &found, EXACT);
    let [expected, found] = run::<f32>(plan, &rows, Precision::Float32);
    compare(
        plan,
        &format!("{name}, float32"),
        &expected,
        &found,
        ROUNDED,
    );
}

fn compare<E: DeviceReal>(
    plan: &Plan,
    name: &str,
    expected: &Found<E>,
    found: &Found<E>,
    tolerance: f64,
) {
    let mut worst = Distance::default();
    let (step, other) = (&expected.step, &found.step);
    worst.add("the loss", distance(&[step.loss], &[other.loss], 0.0));
    assert_eq!(step.tasks.len(), other.tasks.len(), "{name}");
    for (task, other) in step.tasks.iter().zip(&other.tasks) {
        let rows = |task: &Option<mtmd::exec::host::TaskLoss>| task.map(|loss| loss.rows);
        assert_eq!(rows(task), rows(other), "{name}");
    }
    assert_eq!(step.statistics, other.statistics, "{name}: statistics");
    per_parameter(plan, [&step.gradient, &other.gradient], &mut worst);
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
    println!("{name}: {worst}");
    assert!(worst.distance <= tolerance, "{name}: {worst}");
}

/// Both sides of products are rounded to bfloat16; sums that differ in float32 then round to other numbers of bfloat16
/// now and then, by 1 / 256 of their size.
#[test]
fn bfloat16_rounds_as_on_the_host() {
    let plan = variants::plan("");
    let rows = Rows::random(&plan, Case::Uneven, 4);
    let [exact, _] = run::<f32>(&plan, &rows, Precision::Float32);
    let [expected, found] = run::<f32>(&plan, &rows, Precision::Bfloat16);
    let apart = |one: &Found<f32>, other: &Found<f32>| {
        let mut worst = Distance::default();
        let gradients = [&*one.step.gradient, &other.step.gradient];
        per_parameter(&plan, gradients, &mut worst);
        worst
    };
    let (rounded, between) = (apart(&exact, &found), apart(&expected, &found));
    println!("bfloat16: {rounded} from float32, {between} between the executors");
    assert!(rounded.distance > 4e-3, "{rounded}");
    assert!(between.distance < 0.5 * rounded.distance, "{between}");
}
