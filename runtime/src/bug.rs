//! Broken invariants: they stop the program, with a message that says that it is a bug of mtmdc.

pub(crate) use mtmd_schema::bug::zip_equal;
pub(crate) use mtmd_schema::{bug, check};
