//! Records spans, step by step.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::label::{Counter, Kind, Label, LabelId, Line, Part, Pass};
use crate::bug::{bug, check};
use crate::schema::Compiled;

/// Most steps that a trace has: the last ones.
pub const TRACED_STEPS: usize = 20;

/// Most spans that a trace has; of more it has fewer steps, but always the last one.
pub const TRACED_SPANS: usize = 200_000;

/// A stretch of time that something took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What it is of.
    pub label: LabelId,
    /// Where it ran.
    pub track: Track,
    /// Nanoseconds from the recorder's start to its beginning.
    pub start: u64,
    /// Nanoseconds that it took.
    pub nanos: u64,
    /// Rows that it worked on; 0 where that has no meaning.
    pub rows: u32,
}

/// What runs one thing at a time. The spans of a track are nested or follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// The thread that runs the training loop.
    Loop,
    /// A thread of the pool.
    Worker(u32),
    /// A device's queue.
    Device(u32),
}

/// The spans of a step.
#[derive(Debug, Default)]
pub(super) struct StepSpans {
    pub spans: Vec<Span>,
    /// By counter, in the order of [`Counter::ALL`].
    pub counters: [u64; Counter::ALL.len()],
}

/// The spans of all steps with one label.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Total {
    pub spans: u64,
    pub nanos: u64,
}

#[derive(Debug, Default)]
pub(super) struct Records {
    /// The step under way.
    pending: Vec<Span>,
    /// The last steps, for the trace.
    pub last: VecDeque<StepSpans>,
    /// Spans of these.
    kept: usize,
    /// Steps that have ended.
    pub steps: u64,
    /// By label: the sums over these steps.
    pub totals: Vec<Total>,
    /// By counter: the sums over these steps.
    pub counters: [u64; Counter::ALL.len()],
}

/// Records where the time of training steps goes. Threads may share it.
#[derive(Debug)]
pub struct Recorder {
    pub(super) model: &'static Compiled,
    began: Instant,
    /// Threads that share a pass on the host.
    pub(super) threads: usize,
    labels: Mutex<Vec<Label>>,
    records: Mutex<Records>,
    counters: [AtomicU64; Counter::ALL.len()],
}

impl Recorder {
    /// A recorder of the steps of a model, whose passes on the host are shared by so many threads.
    pub fn new(model: &'static Compiled, threads: usize) -> Self {
        let label = |name: &str, pass, kind| Label {
            name: name.to_owned(),
            pass,
            kind,
        };
        let mut labels = vec![label("step", None, Kind::Step)];
        labels.extend(Pass::ALL.map(|pass| label(pass.name(), Some(pass), Kind::Pass)));
        labels.extend(Part::ALL.map(|part| {
            let work = Kind::Work(vec![(Line::Part(part), 1.0)]);
            label(part.name(), None, work)
        }));
        Self {
            model,
            began: Instant::now(),
            threads: threads.max(1),
            labels: Mutex::new(labels),
            records: Mutex::default(),
            counters: Default::default(),
        }
    }

    /// The model.
    pub fn model(&self) -> &'static Compiled {
        self.model
    }

    /// Label of a whole step.
    pub const fn step(&self) -> LabelId {
        LabelId(0)
    }

    /// Label of a pass that all threads work on.
    pub const fn pass(&self, pass: Pass) -> LabelId {
        LabelId(1 + pass as u32)
    }

    /// Label of a part of a step that all threads share, or wait for.
    pub const fn part(&self, part: Part) -> LabelId {
        LabelId(1 + Pass::ALL.len() as u32 + part as u32)
    }

    /// Registers a label.
    pub fn label(&self, label: Label) -> LabelId {
        if let Kind::Work(shares) | Kind::ThreadWork(shares) = &label.kind {
            let sum: f64 = shares.iter().map(|(_, share)| share).sum();
            check!((sum - 1.0).abs() < 1e-6, "shares of {label:?} sum to {sum}");
        }
        let mut labels = lock(&self.labels);
        labels.push(label);
        match u32::try_from(labels.len() - 1) {
            Ok(id) => LabelId(id),
            Err(_) => bug!("{} labels", labels.len()),
        }
    }

    /// Nanoseconds from the recorder's start to now.
    pub fn now(&self) -> u64 {
        self.began.elapsed().as_nanos() as u64
    }

    /// Spans of this thread, from now on.
    pub fn timeline(&self) -> Timeline<'_> {
        let track = match rayon::current_thread_index() {
            Some(index) => Track::Worker(index as u32),
            None => Track::Loop,
        };
        let now = self.now();
        Timeline {
            recorder: self,
            track,
            began: now,
            last: now,
            spans: Vec::new(),
        }
    }

    /// Records spans of the step under way, such as those that a device has measured.
    pub fn record(&self, spans: impl IntoIterator<Item = Span>) {
        lock(&self.records).pending.extend(spans);
    }

    /// Counts something in the step under way.
    pub fn count(&self, counter: Counter, by: u64) {
        if let Some(count) = self.counters.get(counter as usize) {
            count.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// Ends the step under way, whose spans have all been recorded. A step that fails is never ended: its spans
    /// count as nothing.
    pub fn end_step(&self) {
        let labels = lock(&self.labels).len();
        let mut records = lock(&self.records);
        let spans = std::mem::take(&mut records.pending);
        let mut counters = [0; Counter::ALL.len()];
        for (to, count) in counters.iter_mut().zip(&self.counters) {
            *to = count.swap(0, Ordering::Relaxed);
        }
        records.steps += 1;
        for (sum, count) in records.counters.iter_mut().zip(counters) {
            *sum += count;
        }
        records.totals.resize(labels, Total::default());
        for span in &spans {
            let Some(total) = records.totals.get_mut(span.label.0 as usize) else {
                bug!("a span of another recorder's label");
            };
            total.spans += 1;
            total.nanos += span.nanos;
        }
        records.kept += spans.len();
        records.last.push_back(StepSpans { spans, counters });
        while records.last.len() > TRACED_STEPS
            || (records.last.len() > 1 && records.kept > TRACED_SPANS)
        {
            let dropped = records.last.pop_front().unwrap_or_default();
            records.kept -= dropped.spans.len();
        }
    }

    /// Steps that have ended.
    pub fn steps(&self) -> u64 {
        lock(&self.records).steps
    }

    pub(super) fn labels(&self) -> MutexGuard<'_, Vec<Label>> {
        lock(&self.labels)
    }

    pub(super) fn records(&self) -> MutexGuard<'_, Records> {
        lock(&self.records)
    }
}

/// A thread that panicked while it held the lock ends the program; until then its records are whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spans of one thread, which are handed to the recorder together when this is dropped.
#[derive(Debug)]
pub struct Timeline<'r> {
    recorder: &'r Recorder,
    track: Track,
    /// When this was made.
    began: u64,
    /// End of the last span.
    last: u64,
    spans: Vec<Span>,
}

impl<'r> Timeline<'r> {
    /// The recorder.
    pub fn recorder(&self) -> &'r Recorder {
        self.recorder
    }

    /// Records a span from the end of the last one to now.
    pub fn lap(&mut self, label: LabelId, rows: usize) {
        let start = self.skip();
        self.push(label, start, rows);
    }

    /// Leaves out the time from the end of the last span to now; returns when it began.
    pub fn skip(&mut self) -> u64 {
        std::mem::replace(&mut self.last, self.recorder.now())
    }

    /// Records a span around all others of this timeline, and ends it.
    pub fn enclose(mut self, label: LabelId, rows: usize) {
        self.skip();
        let start = self.began;
        self.push(label, start, rows);
    }

    fn push(&mut self, label: LabelId, start: u64, rows: usize) {
        self.spans.push(Span {
            label,
            track: self.track,
            start,
            nanos: self.last - start,
            rows: rows as u32,
        });
    }
}

impl Drop for Timeline<'_> {
    fn drop(&mut self) {
        self.recorder.record(self.spans.drain(..));
    }
}
