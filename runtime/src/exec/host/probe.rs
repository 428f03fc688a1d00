//! Records where the time of a step goes: which label each operation has, and clocks for the executor's loops.

use std::sync::Arc;

use mtmd_schema::plan::{Op, Program, Source};
use mtmd_schema::{DomainId, Tower, key};

use super::job::Job;
use crate::bug::bug;
use crate::profile::{Kind, Label, LabelId, Line, Part, Pass, Recorder, Timeline};

/// The labels of everything that the host's executor does.
#[derive(Debug)]
pub struct Probe {
    recorder: Arc<Recorder>,
    towers: [TowerLabels; 2],
    /// By pass: rows into and out of a program's memory.
    rows: [LabelId; 2],
    /// The gradient of a program's output.
    heads: LabelId,
}

#[derive(Debug)]
struct TowerLabels {
    /// By program.
    programs: Vec<ProgramLabels>,
    /// By domain, then by pass: a chunk of its rows.
    chunks: Vec<[LabelId; 2]>,
}

#[derive(Debug)]
struct ProgramLabels {
    /// By pass, then by operation.
    ops: [Vec<LabelId>; 2],
    /// By pass, then by operation: its weights, made ready.
    weights: [Vec<LabelId>; 2],
    /// Moments of the BatchNorms; `None` without any.
    moments: Option<LabelId>,
}

impl Probe {
    /// Registers the labels of the recorder's model.
    pub fn new(recorder: &Arc<Recorder>) -> Self {
        let thread = |name: &str, pass, part| {
            recorder.label(Label {
                name: name.to_owned(),
                pass: Some(pass),
                kind: Kind::ThreadWork(vec![(Line::Part(part), 1.0)]),
            })
        };
        Self {
            towers: Tower::ALL.map(|tower| TowerLabels::new(recorder, tower)),
            rows: Pass::ALL.map(|pass| thread(Part::Rows.name(), pass, Part::Rows)),
            heads: thread("gradient of the output", Pass::Backward, Part::Heads),
            recorder: Arc::clone(recorder),
        }
    }

    /// Spans of this thread.
    pub fn timeline(&self) -> Timeline<'_> {
        self.recorder.timeline()
    }

    /// Starts on some rows of a job.
    pub fn chunk<E>(&self, job: &Job<'_, E>, pass: Pass, rows: usize) -> ChunkClock<'_> {
        let Some(chunk) = self.tower(job.tower).chunks.get(job.domain) else {
            bug!("a domain that the recorder's model has not");
        };
        ChunkClock {
            timeline: self.timeline(),
            chunk: *pass.of(chunk),
            ops: pass.of(&self.program(job).ops).as_slice(),
            heads: self.heads,
            copies: *pass.of(&self.rows),
            rows,
        }
    }

    /// Starts to make the weights of a job ready.
    pub fn weights<E>(&self, job: &Job<'_, E>, pass: Pass) -> WeightsProbe<'_> {
        WeightsProbe {
            recorder: &self.recorder,
            labels: pass.of(&self.program(job).weights).as_slice(),
        }
    }

    /// Ends the moments of a job's BatchNorms, which began with the timeline.
    pub fn moments<E>(&self, mut timeline: Timeline<'_>, job: &Job<'_, E>) {
        if let Some(label) = self.program(job).moments {
            timeline.lap(label, job.places.len());
        }
    }

    fn tower(&self, tower: Tower) -> &TowerLabels {
        let [query, item] = &self.towers;
        match tower {
            Tower::Query => query,
            Tower::Item => item,
        }
    }

    fn program<E>(&self, job: &Job<'_, E>) -> &ProgramLabels {
        match self.tower(job.tower).programs.get(job.at) {
            Some(labels) => labels,
            None => bug!("a program that the recorder's model has not"),
        }
    }
}

impl TowerLabels {
    fn new(recorder: &Recorder, tower: Tower) -> Self {
        let model = recorder.model();
        let plan = model.plan.tower(tower);
        let programs = plan.programs.iter();
        let axis = model.schema.axis(tower);
        let domains = (0..plan.domains.len()).map(DomainId);
        let chunks = domains.map(|domain| {
            let name = key::domain(tower, &axis.domain(domain).name);
            Pass::ALL.map(|pass| {
                recorder.label(Label {
                    name: name.clone(),
                    pass: Some(pass),
                    kind: Kind::Group,
                })
            })
        });
        Self {
            chunks: chunks.collect(),
            programs: programs
                .map(|program| ProgramLabels::new(recorder, tower, program))
                .collect(),
        }
    }
}

impl ProgramLabels {
    fn new(recorder: &Recorder, tower: Tower, program: &Program) -> Self {
        let label = |what: &str, sources: &[Source], pass| {
            let shares = Line::shares(Line::of_sources(tower, sources));
            let name = match shares.as_slice() {
                [] => bug!("{what} without a node"),
                [(line, _)] => format!("{}: {what}", recorder.line_name(*line)),
                [(line, _), rest @ ..] => {
                    let first = recorder.line_name(*line);
                    format!("{first} and {} more: {what}", rest.len())
                }
            };
            recorder.label(Label {
                name,
                pass: Some(pass),
                kind: Kind::ThreadWork(shares),
            })
        };
        let forward: Vec<(&Op, &[Source])> = program.forward_sources().collect();
        let backward: Vec<(&Op, &[Source])> = program.backward_sources().collect();
        let of = |what: &dyn Fn(&Op) -> String| {
            let labels = |ops: &[(&Op, &[Source])], pass| {
                let label = |(op, sources): &(&Op, &[Source])| label(&what(op), sources, pass);
                ops.iter().map(label).collect()
            };
            [
                labels(&forward, Pass::Forward),
                labels(&backward, Pass::Backward),
            ]
        };
        let norm = forward
            .iter()
            .find(|(op, _)| matches!(op, Op::BatchNorm { .. }));
        Self {
            ops: of(&|op| op.name().to_owned()),
            weights: of(&|op| format!("weights for {}", op.name())),
            moments: norm.map(|(_, sources)| label("moments", sources, Pass::Forward)),
        }
    }
}

/// Records the time of a chunk's operations.
#[derive(Debug)]
pub struct ChunkClock<'a> {
    timeline: Timeline<'a>,
    chunk: LabelId,
    /// By operation.
    ops: &'a [LabelId],
    copies: LabelId,
    heads: LabelId,
    rows: usize,
}

impl ChunkClock<'_> {
    /// An operation is done.
    pub fn op(&mut self, place: usize) {
        match self.ops.get(place) {
            Some(label) => self.timeline.lap(*label, self.rows),
            None => bug!("operation {place} of {}", self.ops.len()),
        }
    }

    /// Rows have been copied.
    pub fn rows(&mut self) {
        self.timeline.lap(self.copies, self.rows);
    }

    /// The gradient of the output has been written.
    pub fn heads(&mut self) {
        self.timeline.lap(self.heads, self.rows);
    }

    /// The chunk is done.
    pub fn end(self) {
        self.timeline.enclose(self.chunk, self.rows);
    }
}

/// Records the time in which the weights of a job are made ready.
#[derive(Debug, Clone, Copy)]
pub struct WeightsProbe<'a> {
    recorder: &'a Recorder,
    /// By operation.
    labels: &'a [LabelId],
}

impl<'a> WeightsProbe<'a> {
    /// Starts with an operation's.
    pub fn start(&self) -> Timeline<'a> {
        self.recorder.timeline()
    }

    /// The weights of an operation are ready.
    pub fn end(&self, mut timeline: Timeline<'a>, place: usize) {
        match self.labels.get(place) {
            Some(label) => timeline.lap(*label, 0),
            None => bug!("operation {place} of {}", self.labels.len()),
        }
    }
}

/// Records the parts of a step, if anything is recorded.
#[derive(Debug)]
pub struct StepClock<'a>(Option<Timeline<'a>>);

impl<'a> StepClock<'a> {
    /// Starts now.
    pub fn start(probe: Option<&'a Probe>) -> Self {
        Self(probe.map(Probe::timeline))
    }

    /// A pass is done.
    pub fn pass(&mut self, pass: Pass) {
        if let Some(timeline) = &mut self.0 {
            let label = timeline.recorder().pass(pass);
            timeline.lap(label, 0);
        }
    }

    /// A part is done.
    pub fn part(&mut self, part: Part) {
        if let Some(timeline) = &mut self.0 {
            let label = timeline.recorder().part(part);
            timeline.lap(label, 0);
        }
    }
}
