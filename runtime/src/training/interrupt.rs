//! SIGINT and SIGTERM: the first asks a run to stop where it can go on later, the second ends it at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level;

use crate::error::{Error, Result};

/// Which signal has come, if any.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// Number of the signal; 0: none.
    signal: Arc<AtomicUsize>,
    /// Whether the next signal does what it does by default.
    at_once: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens to the process's signals from now on, until this is dropped.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn listen() -> Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            interrupt.register(signal).map_err(|source| {
                Error::run(
                    "the signals",
                    format!("cannot be listened to: {source}"),
                    "report this as a bug",
                )
            })?;
        }
        Ok(interrupt)
    }

    /// The first signal raises the flag, and a later one that finds it raised ends the process. Both are
    /// one step: of two signals that arrive together, each in a thread of its own, one is the second.
    fn register(&self, signal: i32) -> io::Result<()> {
        let (at_once, came) = (Arc::clone(&self.at_once), Arc::clone(&self.signal));
        let number = usize::try_from(signal).unwrap_or_default();
        let answer = move || {
            if at_once.swap(true, Ordering::SeqCst) {
                // It does not return where the default ends the process, as it does for both signals.
                let _ = low_level::emulate_default_handler(signal);
            }
            came.store(number, Ordering::SeqCst);
        };
        #[expect(
            unsafe_code,
            reason = "the handler swaps and stores atomics and resets the signal: all async-signal-safe"
        )]
        // SAFETY: see the reason above; it takes no lock, allocates nothing and cannot panic.
        unsafe { low_level::register(signal, answer) }?;
        Ok(())
    }

    /// The signal that has come.
    pub fn signal(&self) -> Option<Signal> {
        let number = i32::try_from(self.signal.load(Ordering::Relaxed)).ok()?;
        match number {
            SIGINT => Some(Signal::Interrupt),
            SIGTERM => Some(Signal::Terminate),
            _ => None,
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.at_once.store(true, Ordering::Relaxed);
    }
}

/// A signal that asks a run to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as by Ctrl-C.
    Interrupt,
    /// SIGTERM, as by a scheduler.
    Terminate,
}

impl Signal {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// What a process that it ended exits with: 128 and its number.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}
