//! Text in, outcome out: no file is read or written here.

pub mod check;
pub mod compile;
