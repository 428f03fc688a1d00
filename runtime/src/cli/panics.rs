//! Panics of the libraries below, as errors: none reaches the user.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};

/// Runs `action`; a panic comes back as its message and place.
///
/// The panic hook is the process's: this is for the outermost call of a command, and for the first
/// use of a device before any other thread runs.
pub fn catch<T>(action: impl FnOnce() -> T) -> Result<T, String> {
    let told = Arc::new(Mutex::new(None));
    let teller = Arc::clone(&told);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let mut told = teller.lock().unwrap_or_else(PoisonError::into_inner);
        // The first panic is the cause; those of threads that waited for it follow.
        told.get_or_insert_with(|| {
            let message = info.payload_as_str().unwrap_or("no message");
            match info.location() {
                Some(place) => format!("{message} ({place})"),
                None => message.to_owned(),
            }
        });
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(action));
    panic::set_hook(before);
    outcome.map_err(|_| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.take().unwrap_or_else(|| "no message".to_owned())
    })
}
