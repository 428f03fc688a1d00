//! Broken invariants of mtmdc. They stop the program, with a message that says that it is a bug: any result would
//! be wrong, and no spec or data can cause them.

/// Stops with a message, which is formatted.
#[macro_export]
macro_rules! bug {
    ($($message:tt)*) => {
        $crate::bug::stop(format_args!($($message)*))
    };
}

/// Stops with a message, which is formatted, unless the condition holds.
#[macro_export]
macro_rules! check {
    ($holds:expr, $($message:tt)*) => {
        match $holds {
            true => {}
            false => $crate::bug::stop(format_args!($($message)*)),
        }
    };
}

/// The entries of two lists side by side; stops with a message unless the lists are equally long.
#[track_caller]
pub fn zip_equal<A, B>(one: A, other: B) -> std::iter::Zip<A::IntoIter, B::IntoIter>
where
    A: IntoIterator<IntoIter: ExactSizeIterator>,
    B: IntoIterator<IntoIter: ExactSizeIterator>,
{
    let (one, other) = (one.into_iter(), other.into_iter());
    check!(
        one.len() == other.len(),
        "lists of {} and {} entries side by side",
        one.len(),
        other.len()
    );
    one.zip(other)
}

/// Stops with a message.
#[cold]
#[track_caller]
#[expect(clippy::panic, reason = "a broken invariant stops the program")]
pub fn stop(message: std::fmt::Arguments<'_>) -> ! {
    panic!("this is a bug of mtmdc: {message}; please report it")
}
