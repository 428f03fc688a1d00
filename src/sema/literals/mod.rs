//! Literals of a spec, with their places.

pub(super) mod number;
pub(super) mod raw;

use crate::source::Span;

/// A string of the spec, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub text: String,
    pub span: Span,
}
