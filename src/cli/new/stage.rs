//! A project, written whole or not at all.

use crate::cli::files;
use crate::cli::report::{Exit, Failure};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder in which a project is made before it has its place; what is still in it at the end is removed.
struct Stage(PathBuf);

impl Drop for Stage {
    fn drop(&mut self) {
        // The error that is reported is the one that ended the work.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Writes the files, by their paths in the project, to a folder that is not there yet or is empty.
pub(super) fn write(project: &Path, texts: &[(String, String)]) -> Result<(), Failure> {
    let refused = |error: io::Error| {
        let message = format!("cannot make `{}`: {error}", project.display());
        Failure::new(Exit::Environment, message)
    };
    let stage = Stage(stage_of(project));
    fs::create_dir_all(&stage.0).map_err(refused)?;
    for (path, text) in texts {
        files::write(&stage.0.join(path), text)?;
    }
    take_place(&stage, project).map_err(refused)
}

/// Beside the project; in it if it is there, since what lies beside may be another disk.
fn stage_of(project: &Path) -> PathBuf {
    let name = project.file_name().unwrap_or_default().to_string_lossy();
    let name = format!(".{name}.{}.tmp", std::process::id());
    match project.is_dir() {
        true => project.join(name),
        false => project.with_file_name(name),
    }
}

fn take_place(stage: &Stage, project: &Path) -> io::Result<()> {
    if !project.is_dir() {
        return fs::rename(&stage.0, project);
    }
    for entry in fs::read_dir(&stage.0)? {
        let entry = entry?;
        fs::rename(entry.path(), project.join(entry.file_name()))?;
    }
    Ok(())
}
