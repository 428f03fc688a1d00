//! `check`: every mistake of specs, and the fixes of those that have one.

use super::report::{Exit, Failure, Reporter};
use super::{Lints, files};
use crate::diagnostics::{Levels, counted, has_errors};
use crate::driver::{check::check_files, fix};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Specs, or parts that specs use
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Apply the safe fixes, and report what remains
    #[arg(long)]
    fix: bool,
    /// Apply all other fixes too; they may change the meaning of the spec
    #[arg(long, requires = "fix")]
    unsafe_fixes: bool,
    #[command(flatten)]
    lints: Lints,
}

pub(super) fn check(arguments: &Arguments, reporter: &Reporter) -> Result<Exit, Failure> {
    let levels = arguments.lints.levels()?;
    let mut exit = Exit::Fine;
    let mut unread = vec![];
    if arguments.fix {
        for path in &arguments.specs {
            if let Err(failure) = mend(path, &levels, arguments.unsafe_fixes, reporter) {
                exit = exit.max(reporter.failure(&failure));
                unread.push(path);
            }
        }
    }
    // After all fixes: a part that several specs use is not what the first of them made of it.
    for path in arguments.specs.iter().filter(|path| !unread.contains(path)) {
        let found = look(path, &levels, reporter);
        exit = exit.max(found.unwrap_or_else(|failure| reporter.failure(&failure)));
    }
    Ok(exit)
}

fn look(path: &Path, levels: &Levels, reporter: &Reporter) -> Result<Exit, Failure> {
    let root = files::read_spec(path)?;
    let checked = check_files(root, &files::read_used, levels);
    reporter.diagnostics(&checked.source, &checked.diagnostics);
    Ok(match has_errors(&checked.diagnostics) {
        true => Exit::Wrong,
        false => Exit::Fine,
    })
}

fn mend(path: &Path, levels: &Levels, all: bool, reporter: &Reporter) -> Result<(), Failure> {
    let root = files::read_spec(path)?;
    let fixed = fix::fix(&root, &files::read_used, levels, all);
    for (name, text) in &fixed.texts {
        files::write(Path::new(name), text)?;
    }
    if fixed.applied > 0 {
        let names: Vec<&str> = fixed.texts.keys().map(String::as_str).collect();
        reporter.note(&format!(
            "{} applied: {}",
            counted(fixed.applied, "fix"),
            names.join(", ")
        ));
    }
    Ok(())
}
