//! A warm start: the weights of an old model that go into a new one, as the plan of the compiler says.

mod apply;

pub use apply::{TransferTarget, apply};

use crate::schema::transfer::{LAYOUT, Transfer};

/// Reads a plan.
///
/// # Errors
/// Why the text is not one, in words.
pub fn parse(text: &str) -> Result<Transfer, String> {
    let plan: Transfer = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match plan.schema {
        LAYOUT => Ok(plan),
        other => Err(format!(
            "its layout is {other}; this version reads {LAYOUT}"
        )),
    }
}

#[cfg(test)]
mod tests;
