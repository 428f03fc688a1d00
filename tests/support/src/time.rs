//! Time on the processor: other work on the machine does not count.

use std::time::Duration;

use cpu_time::ThreadTime;

/// The time that a thread needs for the fastest of `runs` runs.
pub fn fastest(runs: usize, mut act: impl FnMut()) -> Duration {
    let times = (0..runs).map(|_| {
        let started = ThreadTime::now();
        act();
        started.elapsed()
    });
    times.min().expect("a run")
}
