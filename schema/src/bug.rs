//! Broken invariants of the compiler.

/// Stops at a broken invariant, which no spec can cause.
#[cold]
#[track_caller]
#[expect(
    clippy::panic,
    reason = "an invariant of ours is broken: any result would be wrong"
)]
pub fn bug(what: std::fmt::Arguments<'_>) -> ! {
    panic!("this is a bug of mtmdc, please report it: {what}")
}
