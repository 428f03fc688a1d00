//! `bench`: training throughput, beside what the machine's matrix products could give.

mod batches;
mod dump;
mod load;
mod serve;
mod steps;
mod work;

use std::time::Duration;

use mtmd_options::Bench;

use super::{device, say, set_threads};
use crate::error::Result;
use crate::evaluation::grouped;
use crate::exec::Backend;
use crate::exec::host::without_amx;
use crate::schema::{Compiled, Schema};
use crate::training::{Times, Trainer};
use steps::Steps;
use work::{SIDE, Work, peak};

/// Steps before the first repeat: memory is laid out.
const WARM_UP: usize = 5;

pub fn bench(model: &'static Compiled, args: &Bench) -> Result<()> {
    let schema = &model.schema;
    set_threads(args.machine.threads)?;
    if args.no_amx {
        without_amx();
    }
    let backend = device::open(args.machine.device, args.tables)?;
    let size = args.batch.unwrap_or(schema.training.batch);
    let batches = batches::batches(schema, args, size)?;
    let mut trainer = Trainer::new(model, &schema.training, args.precision);
    trainer.run_on(&backend);
    let weights = trainer.scorer().parameters();
    let mut steps = Steps::new(trainer, batches)?;
    let work = Work::of(&model.plan, weights, steps.batches());
    if let Some(folder) = &args.dump {
        dump::batches(schema, steps.batches(), folder)?;
        if args.oracle {
            return dump::oracle(schema, &mut steps, args.steps, folder);
        }
    }
    if args.serve {
        return serve::serve(schema, &mut steps, args, size, work);
    }
    // The peak of matrix products on a GPU is not measured.
    let peak = (backend == Backend::Host).then(|| peak(args.precision));
    let measured = measure(&mut steps, args)?;
    say(report(schema, args, size, &measured, work.flops, peak));
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

fn measure(steps: &mut Steps, args: &Bench) -> Result<Measured> {
    steps.run(WARM_UP)?;
    let mut measured = Measured {
        speeds: Vec::new(),
        times: Times::default(),
        step: Duration::ZERO,
    };
    for _ in 0..args.repeats {
        let round = steps.run(args.steps)?;
        measured
            .speeds
            .push(round.rows as f64 / round.elapsed.as_secs_f64());
        measured.times.add(&round.times);
        measured.step += round.elapsed;
    }
    let count = u32::try_from(args.repeats * args.steps).unwrap_or(u32::MAX);
    measured.times = measured.times.over(count);
    measured.step /= count;
    measured.speeds.sort_by(f64::total_cmp);
    Ok(measured)
}

fn report(
    schema: &Schema,
    args: &Bench,
    size: usize,
    measured: &Measured,
    flops: f64,
    peak: Option<f64>,
) -> String {
    let speed = |at: usize| measured.speeds.get(at).copied().unwrap_or(0.0);
    let (last, middle) = (
        measured.speeds.len().saturating_sub(1),
        measured.speeds.len() / 2,
    );
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
    let parts = [
        ("gather", times.gather),
        ("passes", times.passes),
        ("optimiser", times.optimiser),
        ("tables", times.tables),
    ];
    // A device does not say where its time went.
    let on_host = *times != Times::default();
    for (name, time) in parts.into_iter().filter(|_| on_host) {
        text.push_str(&format!("  {name:<10}{:.1} ms\n", milliseconds(time)));
    }
    text.push_str(&format!(
        "matrix products: {:.2} MFLOP an example (forward and twice that backward), {reached:.1} GFLOP/s",
        flops / 1e6,
    ));
    if let Some(peak) = peak {
        text.push_str(&format!(
            ", {:.0} % of the peak of {peak:.0} GFLOP/s ({SIDE} x {SIDE} x {SIDE}, {}, same run)",
            100.0 * reached / peak,
            args.precision,
        ));
    }
    text.push('\n');
    text
}
