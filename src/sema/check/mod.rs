//! Checks of what several declarations say together.

pub(super) mod leaks;
pub(super) mod lints;
pub(super) mod unresolved;
