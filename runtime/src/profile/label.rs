//! What spans are of.

use mtmd_schema::Tower;
use mtmd_schema::plan::{NodeId, Source};

/// Index into the labels of a recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LabelId(pub(super) u32);

/// What a span is of. Registered once, with [`super::Recorder::label`].
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Name in the trace.
    pub name: String,
    /// The pass that it belongs to, if any.
    pub pass: Option<Pass>,
    /// How it counts.
    pub kind: Kind,
}

/// How the time of a span counts.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A whole step. Each step has one, and all other spans of the step are within it.
    Step,
    /// A pass that all threads of the host work on: what [`Kind::ThreadWork`] leaves of it is
    /// [`Part::Idle`].
    Pass,
    /// Work that all threads share, or that they wait for: its time counts whole. The shares sum to 1.
    Work(Vec<(Line, f64)>),
    /// Work of one of the host's threads within a [`Kind::Pass`]: of `n` threads it counts as `1 / n`.
    ThreadWork(Vec<(Line, f64)>),
    /// Encloses other spans in the trace, and counts as nothing.
    Group,
}

/// A pass over the rows of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// From rows to the towers' embeddings.
    Forward,
    /// From the embeddings' gradients to those of weights and fields.
    Backward,
}

impl Pass {
    /// Both, in their order.
    pub const ALL: [Self; 2] = [Self::Forward, Self::Backward];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }

    /// Its own of two that are in the order of [`Self::ALL`].
    pub const fn of<T>(self, [forward, backward]: &[T; 2]) -> &T {
        match self {
            Self::Forward => forward,
            Self::Backward => backward,
        }
    }
}

/// What time is spent on: a line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Line {
    /// A node of the graph, in all domains that have it.
    Node(Tower, NodeId),
    /// A part of a step that is not a node.
    Part(Part),
}

impl Line {
    /// The nodes that an operation is lowered from, each with its columns of the output.
    pub fn of_sources(tower: Tower, sources: &[Source]) -> impl Iterator<Item = (Self, f64)> {
        let node = move |source: &Source| (Self::Node(tower, source.node), source.columns as f64);
        sources.iter().map(node)
    }

    /// Shares of a span for [`Kind`]: each line once, its weights summed, all of them scaled to sum to 1.
    pub fn shares(weights: impl IntoIterator<Item = (Self, f64)>) -> Vec<(Self, f64)> {
        let mut shares: Vec<(Self, f64)> = Vec::new();
        for (line, weight) in weights {
            match shares.iter_mut().find(|(other, _)| *other == line) {
                Some((_, sum)) => *sum += weight,
                None => shares.push((line, weight)),
            }
        }
        let all: f64 = shares.iter().map(|(_, weight)| weight).sum();
        shares.iter_mut().for_each(|(_, weight)| *weight /= all);
        shares
    }
}

/// A part of a step that is not a node of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Waiting for the loader's next batch.
    Loader,
    /// Table rows, vectors and numbers into the inputs of the programs.
    Gather,
    /// Rows into and out of the memory of the programs.
    Rows,
    /// Logits, probabilities and losses, and their gradients.
    Heads,
    /// Sums of the gradients that threads and domains have found.
    Sums,
    /// The optimiser of the dense weights.
    Dense,
    /// The optimisers of the tables.
    Tables,
    /// The passes of a device that records no nodes.
    Device,
    /// Threads without work while others still run a pass.
    Idle,
}

impl Part {
    /// All, in the order of a step.
    pub const ALL: [Self; 9] = [
        Self::Loader,
        Self::Gather,
        Self::Rows,
        Self::Heads,
        Self::Sums,
        Self::Dense,
        Self::Tables,
        Self::Device,
        Self::Idle,
    ];

    /// Its name in the table and in the trace.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loader => "wait for the loader",
            Self::Gather => "gather table rows and data",
            Self::Rows => "copy rows in and out",
            Self::Heads => "heads and loss",
            Self::Sums => "sum gradients",
            Self::Dense => "AdamW of dense weights",
            Self::Tables => "optimisers of tables",
            Self::Device => "passes on the device",
            Self::Idle => "idle threads",
        }
    }
}

/// What is counted beside time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Rows of batches.
    Rows,
    /// Kernel launches on a device.
    Launches,
    /// Times that the host waits for a device.
    HostWaits,
    /// Bytes copied between host and device, both ways.
    CopiedBytes,
}

impl Counter {
    /// All.
    pub const ALL: [Self; 4] = [
        Self::Rows,
        Self::Launches,
        Self::HostWaits,
        Self::CopiedBytes,
    ];

    /// Its name in the table and in the trace.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Launches => "launches",
            Self::HostWaits => "host waits",
            Self::CopiedBytes => "bytes copied",
        }
    }
}
