//! What happens to a kind of message.

/// What happens to a kind of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Nothing is built. An error stays one, whatever is asked for.
    Error,
    /// It is shown, and the build goes on.
    Warning,
    /// It is not shown.
    Allow,
}
