//! `fmt`: lays specs out in the one way that there is.

use super::files;
use super::report::{self, Exit, Failure, Reporter};
use crate::source::Source;
use crate::syntax;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Specs; `-` formats standard input to standard output
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    /// Write nothing; list unformatted files, and exit with 1 if there are any
    #[arg(long)]
    check: bool,
}

pub(super) fn fmt(arguments: &Arguments, reporter: &mut Reporter) -> Result<Exit, Failure> {
    let mut exit = Exit::Fine;
    for path in &arguments.specs {
        let found = if path == Path::new("-") {
            standard_input(arguments.check, reporter)
        } else {
            file(path, arguments.check, reporter)
        };
        exit = exit.max(found.unwrap_or_else(|failure| reporter.failure(&failure)));
    }
    Ok(exit)
}

fn file(path: &Path, check: bool, reporter: &Reporter) -> Result<Exit, Failure> {
    let source = files::read_spec(path)?;
    let Some(text) = format(&source, reporter) else {
        return Ok(Exit::Wrong);
    };
    if text == source.text() {
        return Ok(Exit::Fine);
    }
    if check {
        return Err(unformatted(&source, &text, &path.display().to_string()));
    }
    files::write(path, &text)?;
    reporter.note(&format!("formatted: {}", path.display()));
    Ok(Exit::Fine)
}

fn standard_input(check: bool, reporter: &mut Reporter) -> Result<Exit, Failure> {
    reporter.keep_stdout_free();
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(|error| {
        Failure::new(
            Exit::Environment,
            format!("cannot read standard input: {error}"),
        )
    })?;
    let source = files::source("<stdin>", bytes)?;
    let Some(text) = format(&source, reporter) else {
        return Ok(Exit::Wrong);
    };
    if check && text != source.text() {
        return Err(unformatted(&source, &text, "-"));
    }
    if !check {
        report::print(&text)?;
    }
    Ok(Exit::Fine)
}

/// The formatted text; `None` if the text has syntax errors, which are reported.
fn format(source: &Source, reporter: &Reporter) -> Option<String> {
    match syntax::format(source) {
        Ok(text) => Some(text),
        Err(diagnostics) => {
            reporter.diagnostics(source, &diagnostics);
            None
        }
    }
}

/// `argument` is what names the text on the command line.
fn unformatted(source: &Source, text: &str, argument: &str) -> Failure {
    let lines = source.text().split('\n').zip(text.split('\n'));
    let same = lines.take_while(|(old, new)| old == new).count();
    let message = format!(
        "`{}` is not formatted, from line {}",
        source.name(),
        same + 1
    );
    let help = match argument {
        "-" => "`mtmdc fmt -` writes it formatted".to_owned(),
        path => format!("run `mtmdc fmt {path}`"),
    };
    Failure::new(Exit::Wrong, message).with_help(help)
}
