//! How far a run has come: a bar on a terminal, now and then a line elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::evaluation::grouped;

/// Shortest and longest time between two lines where there is no terminal. In between it is a twentieth of the run so
/// far: a log of hours is no longer to read than one of minutes.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));

/// Shows a run's progress on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    told: Instant,
    /// Steps of the run, and those done before this process began.
    total: u64,
    before: u64,
    /// Rows that this process has trained.
    rows: u64,
    /// Time that trained nothing: validations and checkpoints.
    rest: Duration,
    quiet: bool,
}

/// What a step adds to the picture.
#[derive(Clone, Copy)]
pub struct Tick<'a> {
    /// Steps done.
    pub step: u64,
    /// Epoch under way, from 1.
    pub epoch: u64,
    /// Epochs in all.
    pub epochs: u64,
    /// Rows of the step.
    pub rows: u64,
    /// The latest losses.
    pub losses: &'a dyn Fn() -> String,
}

/// Where a run is, in words.
struct Standing {
    epoch: String,
    step: String,
    pace: String,
}

impl Progress {
    /// Shows nothing yet. `quiet` shows nothing ever.
    pub fn start(total: u64, before: u64, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(total).with_position(before);
            // The bar takes what its line leaves, from 50 columns on; the losses are cut where they are many.
            let style =
                ProgressStyle::with_template("{wide_bar} {percent:>3} %  {prefix}\n{wide_msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Self {
            bar,
            started: now,
            told: now,
            total,
            before,
            rows: 0,
            rest: Duration::ZERO,
            quiet,
        }
    }

    /// A step is done.
    pub fn tick(&mut self, tick: Tick<'_>) {
        self.rows += tick.rows;
        if let Some(bar) = &self.bar {
            bar.set_position(tick.step);
            // Often enough for the eye, too seldom to cost anything.
            if self.told.elapsed() > Duration::from_millis(100) {
                let Standing { epoch, step, pace } = self.standing(tick);
                bar.set_prefix(format!("{epoch}  {pace}"));
                bar.set_message(format!("{step}  {}", (tick.losses)()));
                self.told = Instant::now();
            }
        } else if !self.quiet && self.told.elapsed() > self.interval() {
            let percent = 100 * tick.step / self.total.max(1);
            let Standing { epoch, step, pace } = self.standing(tick);
            let losses = (tick.losses)();
            eprintln!("{percent:>3} %  {epoch}  {step}  {pace}  {losses}");
            self.told = Instant::now();
        }
    }

    fn interval(&self) -> Duration {
        (self.started.elapsed() / 20).clamp(INTERVAL.0, INTERVAL.1)
    }

    /// So much time has trained nothing. It counts towards what is left, not towards the speed.
    pub fn rested(&mut self, time: Duration) {
        self.rest += time;
    }

    /// Writes text between the lines of progress.
    pub fn print(&self, text: &str) {
        if !self.quiet {
            self.write(text);
        }
    }

    /// Writes a warning between the lines of progress, `quiet` or not.
    pub fn warn(&self, text: &str) {
        self.write(&format!("warning: {text}"));
    }

    fn write(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Takes the bar away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }

    fn standing(&self, tick: Tick<'_>) -> Standing {
        let elapsed = self.started.elapsed().as_secs_f64();
        let done = tick.step.saturating_sub(self.before).max(1) as f64;
        let left = self.total.saturating_sub(tick.step) as f64 * elapsed / done;
        let trained = elapsed - self.rest.as_secs_f64();
        let speed = self.rows as f64 / trained.max(1e-9);
        Standing {
            epoch: format!("epoch {}/{}", tick.epoch, tick.epochs),
            step: format!("step {}/{}", grouped(tick.step), grouped(self.total)),
            pace: format!("{} rows/s  {} left", grouped(speed as u64), duration(left)),
        }
    }
}

/// Seconds as `1h 02m`, `3m 05s` or `7s`.
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds:02}s"),
        (hours, minutes, _) => format!("{hours}h {minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        for (seconds, text) in [(0.4, "0s"), (65.0, "1m 05s"), (3_720.0, "1h 02m")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
