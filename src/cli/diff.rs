//! `diff`: what changed between two specs, two revisions of one, or a spec and its variant.

use super::report::{self, Exit, Failure, Reporter};
use super::{Aim, Which, compile, compile_source, files};
use crate::graph::diff::diff as compare;
use crate::source::Source;
use clap::builder::NonEmptyStringValueParser;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `diff` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The old spec; with `--git` or `--variant`, the only one
    old: PathBuf,
    /// The new spec
    #[arg(required_unless_present_any = ["git", "variant"], conflicts_with = "git")]
    new: Option<PathBuf>,
    /// Compare with the spec in this git revision
    #[arg(long, value_name = "REVISION", value_parser = NonEmptyStringValueParser::new())]
    git: Option<String>,
    /// Output format: `text` for a terminal, `markdown` for a pull request, `json` for tools
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Markdown,
    Json,
}

/// Compares two specs.
pub(super) fn diff(arguments: &Arguments, reporter: &mut Reporter) -> Result<Exit, Failure> {
    reporter.keep_stdout_free();
    let which = &arguments.which;
    let old = &arguments.old;
    let new = arguments.new.as_deref().unwrap_or(old);
    let before = match (&arguments.git, &arguments.new) {
        (Some(revision), _) => {
            let root = revised(old, revision)?;
            let read = |path: &str| {
                let path = path.strip_prefix(&format!("{revision}:")).unwrap_or(path);
                let source = revised(Path::new(path), revision);
                source
                    .map(|source| source.text().to_owned())
                    .map_err(|failure| failure.message().to_owned())
            };
            compile_source(root, &read, which, Aim::Before, reporter)?
        }
        // A spec against its own variant.
        (None, None) => compile(old, &Which::default(), Aim::Before, reporter)?,
        (None, Some(_)) => compile(old, which, Aim::Before, reporter)?,
    };
    let after = compile(new, which, Aim::Look, reporter)?;
    let (Some(before), Some(after)) = (before, after) else {
        return Ok(Exit::Wrong);
    };
    let found = compare(&before.graph, &after.graph);
    report::print(&match arguments.format {
        Format::Text => found.to_text(),
        Format::Markdown => found.to_markdown(),
        Format::Json => found.to_json(),
    })?;
    Ok(Exit::Fine)
}

/// A file as it was in a revision of the repository that it lies in, under git's name of it, so that no message
/// about it is taken for one about today's file.
fn revised(path: &Path, revision: &str) -> Result<Source, Failure> {
    let name = path.display().to_string();
    let (folder, rest) = existing_folder(path);
    let object = format!("{revision}:./{}", rest.display());
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["show", "--end-of-options", &object])
        .output();
    let output = output.map_err(|error| {
        Failure::new(Exit::Environment, format!("cannot run git: {error}"))
            .with_help("`--git` reads old specs through git")
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let reason = said.lines().next().unwrap_or("git does not say why");
        let message = format!("cannot read `{name}` in revision `{revision}`: {reason}");
        return Err(Failure::new(Exit::Misuse, message));
    }
    files::source(&format!("{revision}:{name}"), output.stdout)
}

/// The nearest folder above a file that is there now, and the path from it.
fn existing_folder(path: &Path) -> (PathBuf, PathBuf) {
    let mut folder = path.parent();
    while let Some(parent) = folder
        && !parent.as_os_str().is_empty()
        && !parent.is_dir()
    {
        folder = parent.parent();
    }
    match folder {
        Some(parent) if !parent.as_os_str().is_empty() => {
            let rest = path.strip_prefix(parent).unwrap_or(path);
            (parent.to_owned(), rest.to_owned())
        }
        _ => (PathBuf::from("."), path.to_owned()),
    }
}
