//! Where the time of training steps goes: one set of records, for a table and for a trace.
//!
//! Whoever does work registers a [`Label`] for each kind of span once and then records [`Span`]s of it, by a
//! [`Timeline`] if it runs on a thread of the host. [`Recorder::end_step`] adds the spans of a step to the sums that
//! [`Recorder::costs`] splits by [`Line`], and keeps those of the last steps for [`Recorder::write_trace`].
//! Without a recorder nothing here runs and no clock is read.

mod costs;
mod label;
mod recorder;
mod trace;

pub use costs::{Cost, Costs};
pub use label::{Counter, Kind, Label, LabelId, Line, Part, Pass};
#[cfg(feature = "device")]
pub(crate) use recorder::lock;
pub use recorder::{Recorder, Span, TRACED_SPANS, TRACED_STEPS, Timeline, Track};
