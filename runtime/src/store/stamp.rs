//! What shows that a file on disk is still the one that was opened.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::error::Error;

/// A file's length and the time of its last change. Not its number: file systems that stand for an object store may give another
/// one at every look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            length: found.len(),
            modified: found.modified().ok(),
        })
    }
}

/// A file or an object that is no longer the one whose footer was read.
pub(crate) fn changed(path: &Path, what: &str) -> Error {
    Error::data(
        path.display().to_string(),
        format!("the {what} has changed since this run opened it"),
        "run again, and write nothing to the data while it is read",
    )
}
