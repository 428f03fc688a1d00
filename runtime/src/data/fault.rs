//! Why a row cannot be used.

/// Why a row cannot be used.
#[derive(Debug)]
pub(super) struct Fault {
    /// The column at fault.
    pub column: &'static str,
    /// The error there.
    pub cause: String,
    /// What the user can do.
    pub fix: &'static str,
}

impl Fault {
    /// A value that cannot be used.
    pub(super) fn bad(column: &'static str, cause: String) -> Self {
        Self {
            column,
            cause,
            fix: "repair the data, or write `rows { bad skip }` in the spec to leave such rows out and count them; \
                  `--on-bad-row skip` does so for this run (rows are counted from 0)",
        }
    }
}
