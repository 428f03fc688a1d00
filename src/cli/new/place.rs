//! Where the data of a new project lies, as its spec says it.

use crate::cli::report::{Exit, Failure};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the files, from the folder of the project's specs.
pub(super) fn data_path(project: &Path, files: &[PathBuf]) -> Result<String, Failure> {
    let data = absolute(&one_folder(files)?)?;
    let specs = real(&absolute(project)?).join("specs");
    let common = data
        .components()
        .zip(specs.components())
        .take_while(|(one, other)| one == other)
        .count();
    let up = specs.components().skip(common).map(|_| Some(".."));
    let down = data.components().skip(common);
    let down = down.map(|part| part.as_os_str().to_str());
    let parts: Option<Vec<&str>> = up.chain(down).collect();
    let Some(parts) = parts else {
        let message = format!(
            "the path of the data, `{}`, is not UTF-8, and a spec is",
            data.display()
        );
        return Err(Failure::new(Exit::Misuse, message).with_help("rename the folder"));
    };
    Ok(parts.join("/"))
}

/// The folder that all files lie in.
fn one_folder(files: &[PathBuf]) -> Result<PathBuf, Failure> {
    let mut folders = files.iter().map(|file| match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    });
    let first = folders.next().unwrap_or(Path::new("."));
    let same = |folder: &&Path| fs::canonicalize(folder).ok() == fs::canonicalize(first).ok();
    match folders.find(|folder| !same(folder)) {
        None => Ok(first.to_owned()),
        Some(other) => {
            let message = format!(
                "the files lie in several folders, `{}` and `{}`: a spec names one, and only the files right in it are read",
                first.display(),
                other.display()
            );
            let help = "put the files, or links to them, into one folder";
            Err(Failure::new(Exit::Misuse, message).with_help(help))
        }
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let message = format!("cannot tell where `{}` is: {error}", path.display());
        Failure::new(Exit::Environment, message)
    })
}

/// The path without the links and the `..` in it, as far as it is there: `..` leads out of the folder that a link
/// leads to, not of the one that holds the link.
fn real(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|ancestor| {
        let rest = path.strip_prefix(ancestor).ok()?;
        Some(fs::canonicalize(ancestor).ok()?.join(rest))
    });
    known.unwrap_or_else(|| path.to_owned())
}
