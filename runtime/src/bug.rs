//! Broken invariants: they stop the program, with a message that says that it is a bug of mtmdc.

/// Stops with a message.
macro_rules! bug {
    ($($message:tt)*) => {
        $crate::bug::stop(format_args!($($message)*))
    };
}

/// Stops with a message unless the condition holds.
macro_rules! check {
    ($holds:expr, $($message:tt)*) => {
        match $holds {
            true => {}
            false => $crate::bug::stop(format_args!($($message)*)),
        }
    };
}

pub(crate) use {bug, check};

/// Stops with a message.
#[cold]
#[track_caller]
#[expect(clippy::panic, reason = "a broken invariant stops the program")]
pub fn stop(message: std::fmt::Arguments<'_>) -> ! {
    panic!("this is a bug of mtmdc: {message}")
}
