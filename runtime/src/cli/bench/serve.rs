//! `--serve`: the benchmark in rounds, when another program says so. Between two rounds the process waits for a line and uses
//! no processor, so that rounds of several implementations can alternate.
//!
//! The first line out says what is measured. Then `run N` makes N steps and `peak` times matrix products; each is answered
//! by one line of JSON, in seconds and GFLOP/s (null on a GPU). `load first N`, `load ordered N` and `load shuffled N` make N passes over the
//! data by the reader alone. The end of the input ends the process.

use std::io::{BufRead as _, stdin};

use mtmd_options::{Bench, Device};
use serde_json::json;

use super::super::say;
use super::load::{Loaded, Loads, Pass};
use super::steps::Steps;
use super::work::{Work, peak};
use crate::data::{Purpose, columns};
use crate::error::{Error, Result};
use crate::schema::Schema;

pub fn serve(
    schema: &'static Schema,
    steps: &mut Steps,
    args: &Bench,
    size: usize,
    work: Work,
) -> Result<()> {
    say(json!({
        "model": schema.name,
        "columns": columns(schema, Purpose::Learn),
        "batches": steps.batches().len(),
        "rows": steps.batches().map(|batch| batch.rows).sum::<usize>(),
        "query_rows": steps.batches().map(|batch| batch.query.order.len()).sum::<usize>(),
        "flops_per_row": work.flops,
        "outputs_per_row": work.outputs,
        "weights": work.weights,
        "threads": rayon::current_num_threads(),
        "precision": args.precision,
    })
    .to_string());
    let mut loads = None;
    for line in stdin().lock().lines() {
        let line = line.map_err(|source| Error::file("standard input", "read", source))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["run", count] => run(steps, count)?,
            ["load", pass, count] => {
                let loads = match &mut loads {
                    Some(loads) => loads,
                    None => loads.insert(Loads::open(schema, args, size)?),
                };
                load(loads, pass, count)?
            }
            ["peak"] => match args.machine.device {
                Device::Cpu => json!({ "gflops": peak(args.precision) }),
                // The peak of matrix products on a GPU is not measured.
                Device::Cuda(_) | Device::Wgpu => json!({ "gflops": null }),
            },
            _ => return Err(unknown(&line)),
        };
        say(answer.to_string());
    }
    Ok(())
}

fn load(loads: &Loads, pass: &str, count: &str) -> Result<serde_json::Value> {
    let pass = Pass::find(pass).ok_or_else(|| unknown(pass))?;
    let count = count.parse().map_err(|_| unknown(count))?;
    let Loaded { rows, elapsed } = loads.run(pass, count)?;
    Ok(json!({ "rows": rows, "seconds": elapsed.as_secs_f64() }))
}

fn run(steps: &mut Steps, count: &str) -> Result<serde_json::Value> {
    let count = count.parse().map_err(|_| unknown(count))?;
    let round = steps.run(count)?;
    Ok(json!({
        "steps": count,
        "rows": round.rows,
        "seconds": round.elapsed.as_secs_f64(),
        "gather": round.times.gather.as_secs_f64(),
        "passes": round.times.passes.as_secs_f64(),
        "optimiser": round.times.optimiser.as_secs_f64(),
        "tables": round.times.tables.as_secs_f64(),
    }))
}

fn unknown(line: &str) -> Error {
    Error::usage(
        "standard input",
        format!("`{line}` is no command"),
        "write `run N`, `peak` or `load first|ordered|shuffled N`",
    )
}
