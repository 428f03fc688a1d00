//! Folders that are there whole or not at all.
//!
//! Architecture invariant: a kill at any moment, or a full disk, leaves every folder under its
//! final name complete. Files are written into a sibling folder with a temporary name, synced, and
//! the folder is renamed; a folder under a temporary name is never read.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Suffix of a folder that is being written.
const TEMPORARY: &str = ".writing";
/// Suffix of a folder that is being replaced.
const REPLACED: &str = ".old";

/// Writes the folder `path` by `write`, which fills the folder it is handed. A folder that stood
/// there is replaced only once the new one is whole.
///
/// # Errors
/// What `write` and the system refuse; the folder at `path` is then as it was.
pub fn write_folder(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let temporary = with_suffix(path, TEMPORARY);
    remove(&temporary)?;
    fs::create_dir_all(&temporary)
        .map_err(|source| Error::file(&temporary, "create the folder", source))?;
    let written = write(&temporary)
        .and_then(|()| sync(&temporary))
        .and_then(|()| {
            let replaced = with_suffix(path, REPLACED);
            if path.exists() {
                remove(&replaced)?;
                rename(path, &replaced)?;
            }
            rename(&temporary, path)?;
            remove(&replaced)
        });
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&temporary);
        return written;
    }
    sync_entry(path.parent())
}

/// The folder at `path`, or the one that a kill left in the middle of being replaced.
pub fn whole(path: &Path) -> PathBuf {
    let replaced = with_suffix(path, REPLACED);
    if !path.exists() && replaced.exists() {
        replaced
    } else {
        path.to_owned()
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Removes a folder, if there is one.
///
/// # Errors
/// What the system refuses.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file(path, "remove the folder", source))
        }
        _ => Ok(()),
    }
}

/// Ends what a kill left of writing the folder `path`: a half-written one is removed, and one that was being replaced takes its
/// place again, unless the new one has it. No other process may write there.
///
/// # Errors
/// What the system refuses.
pub fn settle(path: &Path) -> Result<()> {
    remove(&with_suffix(path, TEMPORARY))?;
    let replaced = with_suffix(path, REPLACED);
    match path.exists() {
        true => remove(&replaced),
        false if replaced.exists() => rename(&replaced, path),
        false => Ok(()),
    }
}

/// The name of the folder that one of this name is written or replaced for.
pub fn unsettled(name: &str) -> Option<&str> {
    [TEMPORARY, REPLACED]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|source| Error::file(to, "put the folder in its place", source))
}

/// Syncs every file of the folder, and the folder.
fn sync(folder: &Path) -> Result<()> {
    let refused = |source| Error::file(folder, "write the folder to the disk", source);
    for entry in fs::read_dir(folder).map_err(refused)? {
        let path = entry.map_err(refused)?.path();
        // Some systems sync only what was opened to be written.
        File::options()
            .append(true)
            .open(&path)
            .and_then(|file| file.sync_all())
            .map_err(refused)?;
    }
    sync_entry(Some(folder))
}

/// Makes the entries of a folder last, where the system can.
fn sync_entry(folder: Option<&Path>) -> Result<()> {
    let folder = match folder {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder)
            .and_then(|file| file.sync_all())
            .map_err(|source| Error::file(folder, "write the folder to the disk", source))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path.join("file")).expect("the file is there")
    }

    #[test]
    fn a_failed_write_leaves_the_folder_as_it_was() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("model");
        let write = |content: &'static str| {
            move |folder: &Path| {
                fs::write(folder.join("file"), content)
                    .map_err(|source| Error::file(folder, "write", source))
            }
        };
        write_folder(&path, write("first")).expect("written");
        let failed = write_folder(&path, |folder| {
            write("half")(folder)?;
            Err(Error::run("here", "no more", "none"))
        });
        assert!(failed.is_err());
        assert_eq!(text(&path), "first");
        write_folder(&path, write("second")).expect("written");
        assert_eq!(text(&path), "second");
        let names: Vec<_> = fs::read_dir(root.path())
            .expect("listed")
            .flatten()
            .collect();
        assert_eq!(names.len(), 1, "nothing temporary is left");
    }

    #[test]
    fn a_kill_between_the_renames_is_survived() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("model");
        fs::create_dir(with_suffix(&path, REPLACED)).expect("made");
        fs::create_dir(with_suffix(&path, TEMPORARY)).expect("made");
        assert_eq!(whole(&path), with_suffix(&path, REPLACED));
        write_folder(&path, |_| Ok(())).expect("written");
        assert_eq!(whole(&path), path);
    }

    #[test]
    fn what_a_kill_left_is_settled() {
        let root = tempfile::tempdir().expect("a folder");
        let [gone, there] = ["gone", "there"].map(|name| root.path().join(name));
        for folder in [&gone, &there] {
            fs::create_dir(with_suffix(folder, REPLACED)).expect("made");
            fs::create_dir(with_suffix(folder, TEMPORARY)).expect("made");
        }
        fs::write(with_suffix(&gone, REPLACED).join("file"), "old").expect("written");
        fs::create_dir(&there).expect("made");
        settle(&gone).expect("settled");
        settle(&there).expect("settled");
        settle(&root.path().join("nowhere")).expect("nothing to settle");
        assert_eq!(text(&gone), "old");
        let left = fs::read_dir(root.path()).expect("listed").count();
        assert_eq!((left, there.exists()), (2, true));
    }
}
