//! Checks across several declarations.

pub(super) mod leaks;
pub(super) mod lints;
pub(super) mod unresolved;
