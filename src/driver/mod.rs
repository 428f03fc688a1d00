//! Text in, outcome out: no file is read or written here.

mod check;
mod compile;

pub use check::{Checked, check};
pub use compile::{Artefacts, Outcome, compile};
