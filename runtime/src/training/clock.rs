//! Measures the time that each part takes.

use std::time::{Duration, Instant};

use crate::profile::{Part, Recorder, Timeline};

/// Time since the last look.
pub struct Clock<'a> {
    last: Instant,
    timeline: Option<Timeline<'a>>,
}

impl<'a> Clock<'a> {
    /// Starts now. What is measured is recorded as well, if there is a recorder.
    pub fn start(recorder: Option<&'a Recorder>) -> Self {
        Self {
            last: Instant::now(),
            timeline: recorder.map(Recorder::timeline),
        }
    }

    /// Time since the last lap, or the start: that of a part.
    pub fn lap(&mut self, part: Part) -> Duration {
        if let Some(timeline) = &mut self.timeline {
            let label = timeline.recorder().part(part);
            timeline.lap(label, 0);
        }
        self.since()
    }

    /// The same of what has been recorded by itself.
    pub fn skip(&mut self) -> Duration {
        if let Some(timeline) = &mut self.timeline {
            timeline.skip();
        }
        self.since()
    }

    fn since(&mut self) -> Duration {
        let now = Instant::now();
        now.duration_since(std::mem::replace(&mut self.last, now))
    }
}
