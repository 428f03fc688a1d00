//! The time of steps by what it is spent on.

use super::label::{Counter, Kind, Line, Part, Pass};
use super::recorder::Recorder;
use crate::bug::bug;
use mtmd_schema::plan::{GraphNode, NodeId, Scope};
use mtmd_schema::{Tower, key};

/// The mean time of a step, by line. Times are in seconds of wall time: while a pass is shared by `n` threads, a
/// second of one thread counts as `1 / n`. So all lines and [`Self::other`] sum to [`Self::step`].
#[derive(Debug, Clone, PartialEq)]
pub struct Costs {
    /// Steps that the means are of.
    pub steps: u64,
    /// Threads that share a pass.
    pub threads: usize,
    /// Time of a step.
    pub step: f64,
    /// Nodes of the graph that ran, the costliest first.
    pub nodes: Vec<Cost>,
    /// Other parts of a step, the costliest first.
    pub parts: Vec<Cost>,
    /// What no line has of a step's time.
    pub other: f64,
    /// By counter: the mean of a step.
    pub counters: Vec<(Counter, f64)>,
}

/// The mean cost of a line in a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// What it is of.
    pub line: Line,
    /// Seconds in the forward pass.
    pub forward: f64,
    /// Seconds in the backward pass.
    pub backward: f64,
    /// Seconds in the whole step, those of both passes included.
    pub total: f64,
    /// Spans.
    pub calls: f64,
}

impl Cost {
    const fn none(line: Line) -> Self {
        Self {
            line,
            forward: 0.0,
            backward: 0.0,
            total: 0.0,
            calls: 0.0,
        }
    }

    fn add(&mut self, pass: Option<Pass>, seconds: f64) {
        self.total += seconds;
        match pass {
            Some(Pass::Forward) => self.forward += seconds,
            Some(Pass::Backward) => self.backward += seconds,
            None => {}
        }
    }
}

/// The costs of some lines.
struct Lines(Vec<Cost>);

impl Lines {
    fn of(&mut self, line: Line) -> &mut Cost {
        let known = self.0.iter().position(|cost| cost.line == line);
        let place = known.unwrap_or_else(|| {
            self.0.push(Cost::none(line));
            self.0.len() - 1
        });
        match self.0.get_mut(place) {
            Some(cost) => cost,
            None => bug!("line {place}, which was just found, is lost"),
        }
    }
}

impl Recorder {
    /// The mean costs of the steps that have ended; `None` before the first one.
    pub fn costs(&self) -> Option<Costs> {
        let (labels, records) = (self.labels(), self.records());
        if records.steps == 0 {
            return None;
        }
        let steps = records.steps as f64;
        let threads = self.threads as f64;
        let mut lines = Lines(Vec::new());
        let mut step = 0.0;
        for (label, total) in labels.iter().zip(&records.totals) {
            if total.spans == 0 {
                continue;
            }
            let calls = total.spans as f64 / steps;
            let seconds = total.nanos as f64 / 1e9 / steps;
            let idle = Line::Part(Part::Idle);
            let (shares, seconds) = match &label.kind {
                Kind::Step => {
                    step += seconds;
                    continue;
                }
                Kind::Pass => {
                    lines.of(idle).add(label.pass, seconds);
                    continue;
                }
                Kind::Group => continue,
                Kind::Work(shares) => (shares, seconds),
                Kind::ThreadWork(shares) => {
                    lines.of(idle).add(label.pass, -seconds / threads);
                    (shares, seconds / threads)
                }
            };
            for (line, share) in shares {
                let cost = lines.of(*line);
                cost.add(label.pass, seconds * share);
                cost.calls += calls;
            }
        }
        let mut all = lines.0;
        all.sort_by(|one, other| other.total.total_cmp(&one.total));
        let sum: f64 = all.iter().map(|cost| cost.total).sum();
        let (nodes, parts) = all
            .into_iter()
            .partition(|cost| matches!(cost.line, Line::Node(..)));
        let counters = Counter::ALL.into_iter().zip(records.counters);
        let counters = counters.filter(|(_, count)| *count > 0);
        Some(Costs {
            steps: records.steps,
            threads: self.threads,
            step,
            nodes,
            parts,
            other: step - sum,
            counters: counters
                .map(|(of, count)| (of, count as f64 / steps))
                .collect(),
        })
    }

    /// Name of a line. That of a node is its key of weights without the domain.
    pub fn line_name(&self, line: Line) -> String {
        match line {
            Line::Part(part) => part.name().to_owned(),
            Line::Node(tower, id) => {
                let GraphNode { path, scope } = self.node(tower, id);
                let holder = match scope {
                    Scope::Own => tower.name().to_owned(),
                    Scope::Tower => key::shared(tower),
                };
                key::join(&holder, path)
            }
        }
    }

    fn node(&self, tower: Tower, id: NodeId) -> &'static GraphNode {
        let nodes = &self.model.plan.tower(tower).nodes;
        match nodes.get(id.0) {
            Some(node) => node,
            None => bug!("node {} of {}", id.0, nodes.len()),
        }
    }
}
