//! The workspace that holds the runtime and the generated crates.

use super::report::{Exit, Failure};
use std::path::{Path, PathBuf};

/// Finds the workspace: the nearest folder with `Cargo.toml` and `runtime`, upward from the
/// current folder, then from the spec's.
pub(super) fn find(spec: &Path) -> Result<PathBuf, Failure> {
    let current = std::env::current_dir().map_err(|error| {
        Failure::new(
            Exit::Environment,
            format!("cannot tell the current folder: {error}"),
        )
    })?;
    let spec = std::path::absolute(spec).unwrap_or_else(|_| current.join(spec));
    let folders = current.ancestors().chain(spec.ancestors().skip(1));
    let is_workspace = |folder: &&Path| {
        folder.join("Cargo.toml").is_file() && folder.join("runtime/Cargo.toml").is_file()
    };
    folders
        .into_iter()
        .find(is_workspace)
        .map(Path::to_owned)
        .ok_or_else(|| {
            let message = format!(
                "no workspace of mtmdc: neither `{}` nor the spec's folder lies in a folder with \
             `Cargo.toml` and `runtime/`",
                current.display()
            );
            Failure::new(Exit::Environment, message).with_help(
                "`mtmdc new NAME` makes a project; `mtmdc build --out DIR` writes a crate anywhere",
            )
        })
}

/// The path as a person would write it from the current folder.
pub(super) fn shorten(path: &Path) -> PathBuf {
    let current = std::env::current_dir().unwrap_or_default();
    match path.strip_prefix(current) {
        Ok(short) if !short.as_os_str().is_empty() => short.to_owned(),
        _ => path.to_owned(),
    }
}
