//! Arrow arrays in simpler forms.

pub(crate) mod calendar;
pub(crate) mod keys;
pub(crate) mod kinds;
pub(crate) mod numbers;
mod texts;
