//! Where a file's bytes come from, and what becomes of the Parquet reader's errors and panics.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::{Arc, Mutex, Once, PoisonError};

use arrow_schema::ArrowError;
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;

use crate::error::{Error, Result};

/// Where the bytes of a file come from.
pub(crate) trait ByteSource: ChunkReader + 'static {
    fn failure(&self) -> Failure {
        Failure::default()
    }
}

impl ByteSource for File {}

/// Why bytes could not be fetched: the Parquet reader's own error does not tell.
#[derive(Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    #[cfg(feature = "cloud")]
    pub(crate) fn set(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn take(&self) -> Option<Error> {
        let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take()
    }
}

/// Runs a part of the Parquet reader, which panics on some damaged files.
pub(crate) fn guarded<T, E: ReaderError>(
    path: &Path,
    failure: &Failure,
    read: impl FnOnce() -> std::result::Result<T, E>,
) -> Result<T> {
    silence();
    let outer = GUARDED.replace(true);
    // What was in use when the reader panicked is not used again: the error ends the pass.
    let read = catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(outer);
    let error = match read {
        Ok(Ok(read)) => return Ok(read),
        Ok(Err(error)) => error.at(path),
        Err(_) => damaged(path, &"its parts contradict each other"),
    };
    Err(failure.take().unwrap_or(error))
}

/// An error of the reader, told apart by its kind: a file may be sound and still not be readable.
pub(crate) trait ReaderError {
    fn at(self, path: &Path) -> Error;
}

impl ReaderError for ParquetError {
    fn at(self, path: &Path) -> Error {
        match self {
            Self::NYI(cause) | Self::ArrowError(cause) => unsupported(path, &cause),
            Self::External(source) => match source.downcast::<io::Error>() {
                // The system has refused; a decompressor's errors have no code of the system.
                Ok(source) if source.raw_os_error().is_some() => {
                    Error::file(path, "read the data", *source)
                }
                Ok(source) => damaged(path, &source),
                Err(source) => damaged(path, &source),
            },
            other => damaged(path, &other),
        }
    }
}

impl ReaderError for ArrowError {
    fn at(self, path: &Path) -> Error {
        match self {
            Self::NotYetImplemented(cause) => unsupported(path, &cause),
            Self::IoError(_, source) if source.raw_os_error().is_some() => {
                Error::file(path, "read the data", source)
            }
            other => damaged(path, &other),
        }
    }
}

thread_local! {
    /// Whether a panic of this thread becomes an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics that become errors off the terminal; the others go the way they went.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = take_hook();
        set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                hook(panic);
            }
        }));
    });
}

/// A file whose bytes are not a whole Parquet file.
pub(crate) fn damaged(path: &Path, error: &impl ToString) -> Error {
    Error::data(
        path.display().to_string(),
        format!(
            "not a whole Parquet file, or a damaged one: {}",
            error.to_string()
        ),
        "write the file again, or leave it out of the data",
    )
}

/// A sound file that uses what the reader does not know.
fn unsupported(path: &Path, cause: &str) -> Error {
    Error::data(
        path.display().to_string(),
        format!("the file uses a part of Parquet that is not supported: {cause}"),
        "write the file again with plain types and encodings",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_broken_bytes_are_called_damaged() {
        let path = Path::new("a.parquet");
        let told = |error: ParquetError| error.at(path).to_string();
        let broken = [
            ParquetError::EOF("short".to_owned()),
            ParquetError::General("odd".to_owned()),
            ParquetError::External(Box::new(io::Error::other("bad block"))),
        ];
        for error in broken {
            let text = told(error);
            assert!(text.contains("damaged"), "{text}");
        }
        for error in [
            ParquetError::NYI("new".to_owned()),
            ParquetError::ArrowError("new".to_owned()),
        ] {
            let text = told(error);
            assert!(text.contains("not supported: new"), "{text}");
        }
        let refused = ParquetError::External(Box::new(io::Error::from_raw_os_error(5))).at(path);
        assert_eq!(refused.exit_code(), 3, "{refused}");
    }
}
