//! Where the time of a device goes: what its launches are of, and how long each took by the device's own clock.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cubecl::future::block_on;
use cubecl::logging::{LaunchObservation, LaunchObserver, TimingRequest};
use cubecl::profile::{ProfileDuration, ProfileTicks};
use mtmd_schema::plan::Plan;

use super::launches::{Launch, Launches};
use crate::bug::bug;
use crate::profile::{
    Counter, Kind, Label, LabelId, Line, Part, Pass, Recorder, Span, Track, lock,
};

/// What the launches that come next are of.
#[derive(Debug, Clone, Copy)]
pub enum Doing {
    /// A launch of the forward pass.
    Forward(usize),
    /// One of the backward pass.
    Backward(usize),
    /// BatchNorm's moments.
    Moments,
    /// A part of a step that is not a node.
    Part(Part),
}

/// Watches the launches of steps.
pub struct Watch {
    recorder: Arc<Recorder>,
    forward: Vec<LabelId>,
    backward: Vec<LabelId>,
    moments: LabelId,
    seen: Mutex<Seen>,
    /// Launches are seen as long as this is there.
    observation: Mutex<Option<LaunchObservation>>,
}

struct Seen {
    /// Whether a step is under way: what is launched between steps, to validate, is none of them.
    in_step: bool,
    doing: LabelId,
    launches: Vec<(LabelId, ProfileDuration)>,
}

impl Watch {
    /// Watches the launches of a plan from now on.
    pub fn new(plan: &Plan, launches: &Launches, recorder: &Arc<Recorder>) -> Arc<Self> {
        let labels = |of: &[Launch], pass| {
            let label = |launch: &Launch| {
                let what = format!("{:?}", launch.kind);
                label(recorder, plan, (&what, Some(pass)), &launch.shares)
            };
            of.iter().map(label).collect()
        };
        let moments = match &launches.moments.shares[..] {
            [] => recorder.part(Part::Rows),
            shares => label(recorder, plan, ("Moments", Some(Pass::Forward)), shares),
        };
        let watch = Arc::new(Self {
            forward: labels(&launches.forward, Pass::Forward),
            backward: labels(&launches.backward, Pass::Backward),
            moments,
            seen: Mutex::new(Seen {
                in_step: false,
                doing: recorder.part(Part::Device),
                launches: Vec::new(),
            }),
            observation: Mutex::new(None),
            recorder: Arc::clone(recorder),
        });
        let observer = Arc::clone(&watch);
        *lock(&watch.observation) = Some(LaunchObservation::new(observer));
        watch
    }

    /// What the launches that come next are of.
    pub fn doing(&self, doing: Doing) {
        let of = |labels: &[LabelId], at: usize| match labels.get(at) {
            Some(label) => *label,
            None => bug!("launch {at} of {}", labels.len()),
        };
        lock(&self.seen).doing = match doing {
            Doing::Forward(at) => of(&self.forward, at),
            Doing::Backward(at) => of(&self.backward, at),
            Doing::Moments => self.moments,
            Doing::Part(part) => self.recorder.part(part),
        };
    }

    /// Begins a step; returns when, in nanoseconds of the recorder's clock.
    pub fn begin(&self) -> u64 {
        lock(&self.seen).in_step = true;
        self.recorder.now()
    }

    /// Records the launches of a step that began at `start`, all of which have ended. The last of them is taken to have ended just now: the device's clock is not the host's. Where the
    /// device has no clock, all of them are one span.
    pub fn record(&self, start: u64) {
        let end = self.recorder.now();
        let launches = {
            let mut seen = lock(&self.seen);
            seen.in_step = false;
            std::mem::take(&mut seen.launches)
        };
        let resolved = launches
            .into_iter()
            .filter_map(|(label, profile)| Some((label, block_on(profile.resolve())?)));
        let resolved: Vec<(LabelId, ProfileTicks)> = resolved.collect();
        // No launch of this process was before it.
        let now = Instant::now();
        let epoch = now.checked_sub(Duration::from_secs(1 << 24)).unwrap_or(now);
        let since = |ticks: &ProfileTicks| {
            let [start, end] = [
                ticks.start_duration_since(epoch),
                ticks.end_duration_since(epoch),
            ];
            [start, end].map(|time| time.as_nanos() as u64)
        };
        let last = resolved.iter().map(|(_, ticks)| since(ticks)[1]).max();
        let Some(last) = last else {
            let label = self.recorder.part(Part::Device);
            self.recorder.record([span(label, start, end)]);
            return;
        };
        // Their windows may touch by the clock's grain; spans of a track follow one another.
        let mut before = start;
        let spans = resolved.iter().map(|(label, ticks)| {
            let [began, ended] = since(ticks).map(|time| end.saturating_sub(last - time));
            let (began, ended) = (began.max(before), ended.max(before));
            before = ended;
            span(*label, began, ended)
        });
        self.recorder.record(spans.collect::<Vec<_>>());
    }

    /// Counts what went between host and device.
    pub fn count(&self, waits: u64, bytes: u64) {
        self.recorder.count(Counter::HostWaits, waits);
        self.recorder.count(Counter::CopiedBytes, bytes);
    }
}

impl LaunchObserver for Watch {
    fn launched(&self, _kernel: &'static str) {
        if lock(&self.seen).in_step {
            self.recorder.count(Counter::Launches, 1);
        }
    }

    fn timing(&self) -> TimingRequest {
        match lock(&self.seen).in_step {
            true => TimingRequest::Deferred,
            false => TimingRequest::None,
        }
    }

    fn profiled(&self, _kernel: &'static str, profile: ProfileDuration) {
        let mut seen = lock(&self.seen);
        let doing = seen.doing;
        seen.launches.push((doing, profile));
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// A label of launches, named by the node that has most of them.
fn label(
    recorder: &Recorder,
    plan: &Plan,
    (what, pass): (&str, Option<Pass>),
    shares: &[(Line, f64)],
) -> LabelId {
    let most = shares.iter().max_by(|one, other| one.1.total_cmp(&other.1));
    let name = match most {
        Some((Line::Node(tower, node), _)) => match plan.tower(*tower).nodes.get(node.0) {
            Some(node) => format!("{what}: {} {}", tower.name(), node.path),
            None => bug!("no node {} of the {} tower", node.0, tower.name()),
        },
        Some((Line::Part(part), _)) => format!("{what}: {}", part.name()),
        None => bug!("a launch of nothing"),
    };
    let name = match shares.len() {
        1 => name,
        count => format!("{name} and {} more", count - 1),
    };
    recorder.label(Label {
        name,
        pass,
        kind: Kind::Work(shares.to_vec()),
    })
}

fn span(label: LabelId, start: u64, end: u64) -> Span {
    Span {
        label,
        track: Track::Device(0),
        start,
        nanos: end - start,
        rows: 0,
    }
}
