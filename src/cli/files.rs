//! Reading specs and writing files, with errors that name the path.

use super::report::{Exit, Failure};
use crate::source::Source;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Reads a spec.
pub(super) fn read_spec(path: &Path) -> Result<Source, Failure> {
    Ok(Source::new(path.display().to_string(), read_text(path)?))
}

/// Reads a file that a spec uses; the error is for a label in the spec.
pub(super) fn read_used(path: &str) -> Result<String, String> {
    read_text(Path::new(path)).map_err(|failure| failure.message().to_owned())
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Failure::new(Exit::Misuse, format!("there is no file `{name}`")),
        _ if path.is_dir() => {
            Failure::new(Exit::Misuse, format!("`{name}` is a folder, not a spec"))
                .with_help("name the `.mtmd` files in it")
        }
        _ => Failure::new(Exit::Environment, format!("cannot read `{name}`: {error}")),
    })?;
    text(&name.to_string(), bytes)
}

/// A source of bytes, which should be UTF-8.
pub(super) fn source(name: &str, bytes: Vec<u8>) -> Result<Source, Failure> {
    Ok(Source::new(name, text(name, bytes)?))
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = error.as_bytes().iter().take(at);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        let message =
            format!("`{name}` is not UTF-8: byte {at}, in line {line}, begins no character");
        Failure::new(Exit::Wrong, message).with_help("save the file in UTF-8")
    })
}

/// The contents of a file; `None` if there is none.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => {
            let message = format!("cannot read `{}`: {error}", path.display());
            Err(Failure::new(Exit::Environment, message))
        }
    }
}

/// Writes a file whole or not at all, making the folders that it lies in. What is there already keeps its permissions.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    replace(path, text).map_err(|error| {
        let message = format!("cannot write `{}`: {error}", path.display());
        Failure::new(Exit::Environment, message)
    })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays, and what it leads to is written.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => {
            Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder"))
        }
        Ok(there) if there.is_file() => swap(path, text, Some(there.permissions())),
        // A pipe or a device is no file to put another in the place of, nor is a link to what is not there yet.
        Ok(_) => fs::write(path, text),
        Err(_) => {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            swap(path, text, None)
        }
    }
}

/// Writes beside the file and renames, so that a reader never sees half of it.
fn swap(path: &Path, text: &str, permissions: Option<fs::Permissions>) -> io::Result<()> {
    let temporary = temporary_path(path);
    let written = fs::File::create(&temporary)
        .and_then(|mut file| {
            // Before there is anything to read in it.
            if let Some(permissions) = permissions {
                file.set_permissions(permissions)?;
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Nothing half-written stays; the error that is reported is the first.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn temporary_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Removes a file.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    fs::remove_file(path).map_err(|error| {
        let message = format!("cannot remove `{}`: {error}", path.display());
        Failure::new(Exit::Environment, message)
    })
}
