//! The costs of steps as text.

use crate::evaluation::{grouped, write_aligned};
use crate::profile::{Cost, Costs, Line};

/// The costs as a table: nodes of the graph, the other parts of a step, and their sum. `name` is that of a line.
pub fn cost_table(costs: &Costs, name: impl Fn(Line) -> String) -> String {
    let headings = [
        "ms per step",
        "forward",
        "backward",
        "total",
        "share",
        "calls",
    ];
    let mut lines = vec![headings.map(str::to_owned).to_vec()];
    let line = |cost: &Cost| {
        let mut line = vec![name(cost.line)];
        line.extend([cost.forward, cost.backward].map(of_pass));
        line.extend(totals(cost.total, costs.step));
        line.push(match cost.calls > 0.0 {
            true => format!("{:.0}", cost.calls.ceil()),
            false => String::new(),
        });
        line
    };
    lines.extend(costs.nodes.iter().map(line));
    lines.push(sum("all nodes", &costs.nodes, costs.step));
    lines.push(Vec::new());
    lines.extend(costs.parts.iter().map(line));
    let rest = |name: &str, seconds| {
        let mut line = vec![name.to_owned(), String::new(), String::new()];
        line.extend(totals(seconds, costs.step));
        line
    };
    lines.push(rest("other", costs.other));
    lines.push(rest("step", costs.step));
    let mut text = title(costs);
    write_aligned(&mut text, 1, &lines);
    text.push_str(&notes(costs));
    text
}

/// What the table is of.
fn title(costs: &Costs) -> String {
    let counters = costs.counters.iter().map(|(counter, mean)| {
        let mean = grouped(mean.round() as u64);
        format!("{mean} {}", counter.name())
    });
    let counters: Vec<String> = counters.collect();
    let steps = grouped(costs.steps);
    format!(
        "profile of {steps} steps, each on average {}\n",
        counters.join(", ")
    )
}

/// What its times mean.
fn notes(costs: &Costs) -> String {
    let threads = match costs.threads {
        1 => String::new(),
        threads => {
            format!("; in a pass, the time of one of {threads} threads counts as 1/{threads}")
        }
    };
    format!(
        "  Times are wall time{threads}.\n  Nodes that run as one operation share its time by their columns of the output.\n"
    )
}

/// The sum of some lines.
fn sum(name: &str, costs: &[Cost], step: f64) -> Vec<String> {
    let of = |time: fn(&Cost) -> f64| costs.iter().map(time).sum();
    let mut line = vec![name.to_owned()];
    line.extend([of(|cost| cost.forward), of(|cost| cost.backward)].map(of_pass));
    line.extend(totals(of(|cost| cost.total), step));
    line
}

/// Milliseconds in a pass; nothing where there are none.
fn of_pass(seconds: f64) -> String {
    match seconds == 0.0 {
        true => String::new(),
        false => milliseconds(seconds),
    }
}

/// Milliseconds, and their share of a step.
fn totals(seconds: f64, step: f64) -> [String; 2] {
    let share = 100.0 * seconds / step.max(f64::MIN_POSITIVE);
    [milliseconds(seconds), format!("{share:.1} %")]
}

fn milliseconds(seconds: f64) -> String {
    format!("{:.3}", seconds * 1e3)
}
