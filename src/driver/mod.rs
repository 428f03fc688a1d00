//! Text in, outcome out: no file is read or written here. Files that a spec uses come from a
//! function that the caller gives.

mod budget;
pub mod check;
pub mod compile;
pub mod fix;
pub mod load;
