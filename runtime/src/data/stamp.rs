//! What shows that a file on disk is still the one that was opened.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::error::Error;

/// A file's length, the time of its last change and, where the system has one, its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    /// That of a file that was renamed into its place is another.
    #[cfg(unix)]
    number: (u64, u64),
}

impl Stamp {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            length: found.len(),
            modified: found.modified().ok(),
            #[cfg(unix)]
            number: {
                use std::os::unix::fs::MetadataExt as _;
                (found.dev(), found.ino())
            },
        })
    }
}

/// A file or an object that is no longer the one whose footer was read.
pub(super) fn changed(path: &Path, what: &str) -> Error {
    Error::data(
        path.display().to_string(),
        format!("the {what} has changed since this run opened it"),
        "run again, and write nothing to the data while it is read",
    )
}
