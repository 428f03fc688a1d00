//! Digests of a folder's files, so that damage is found before anything is made of it.
//!
//! XXH3 with 128 bits: against accidents, not against people, and faster than the disk.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

use twox_hash::XxHash3_128;

use crate::error::{Error, Result};

/// The file that holds the digests: a JSON object of names and digests.
pub const CHECKSUMS: &str = "checksums.json";

const FIX: &str = "use another checkpoint, or train again";

/// The digests of all files in a folder, by name.
///
/// # Errors
/// What the system refuses.
pub fn digests(folder: &Path) -> Result<BTreeMap<String, String>> {
    let refused = |source| Error::file(folder, "read its files", source);
    let mut digests = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        digests.insert(name, digest(&entry.path()).map_err(refused)?);
    }
    Ok(digests)
}

/// Writes the digests of all files in a folder.
///
/// # Errors
/// What the system refuses.
pub fn write(folder: &Path) -> Result<()> {
    let refused = |source| Error::file(folder, "write the checksums", source);
    let digests = digests(folder)?;
    let text = serde_json::to_string_pretty(&digests).map_err(|error| refused(error.into()))?;
    fs::write(folder.join(CHECKSUMS), text + "\n").map_err(refused)
}

/// Whether the folder has digests. A model that another program wrote has none.
pub fn are_there(folder: &Path) -> bool {
    folder.join(CHECKSUMS).exists()
}

/// The digest of a file in a folder: the one that was written, else its own.
///
/// # Errors
/// What the system refuses, and a list of digests that is none.
pub fn of(folder: &Path, name: &str) -> Result<String> {
    if are_there(folder)
        && let Some(digest) = read(folder)?.remove(name)
    {
        return Ok(digest);
    }
    let path = folder.join(name);
    digest(&path).map_err(|source| Error::file(&path, "read it", source))
}

/// Holds the files of a folder that `wanted` picks against their digests.
///
/// # Errors
/// The first file that is not what was written, or not there.
pub fn verify(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
    let digests = read(folder)?;
    for (name, written) in digests.iter().filter(|(name, _)| wanted(name)) {
        let path = folder.join(name);
        let found = match digest(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(damaged(&path, "this file is missing".to_owned()));
            }
            Err(error) => return Err(Error::file(&path, "read it", error)),
        };
        if found != *written {
            let cause = format!("this file is damaged: its checksum was {written} and is {found}");
            return Err(damaged(&path, cause));
        }
    }
    Ok(())
}

/// The digests that were written.
fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let path = folder.join(CHECKSUMS);
    let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::InvalidData => {
            damaged(&path, format!("the checksums cannot be read: {error}"))
        }
        _ => Error::file(&path, "read it", error),
    })?;
    serde_json::from_str(&text)
        .map_err(|error| damaged(&path, format!("no list of checksums: {error}")))
}

fn damaged(path: &Path, cause: String) -> Error {
    Error::weights(path.display().to_string(), cause, FIX)
}

fn digest(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = XxHash3_128::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("xxh3:{:032x}", hasher.finish_128())),
            length => hasher.write(buffer.get(..length).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_written_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::write(path.join("a"), "one").expect("written");
        fs::write(path.join("b"), "two").expect("written");
        write(path).expect("written");
        verify(path, |_| true).expect("whole");

        fs::write(path.join("b"), "twO").expect("written");
        let told = verify(path, |_| true).expect_err("damaged").to_string();
        assert!(told.contains("b: this file is damaged"), "{told}");
        verify(path, |name| name == "a").expect("the other is whole");
        fs::remove_file(path.join("b")).expect("removed");
        let told = verify(path, |_| true).expect_err("missing").to_string();
        assert!(told.contains("b: this file is missing"), "{told}");
        fs::write(path.join(CHECKSUMS), "{").expect("written");
        let told = verify(path, |_| true).expect_err("no list").to_string();
        assert!(told.contains(CHECKSUMS), "{told}");
    }

    #[test]
    fn the_digest_is_that_of_the_reference() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("empty");
        fs::write(&path, "").expect("written");
        let found = digest(&path).expect("read");
        assert_eq!(found, "xxh3:99aa06d3014798d86001c324468d497f");
    }
}
