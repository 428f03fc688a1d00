//! `report`: what a model is and takes, on one page.

use super::report::{self, Exit, Failure, Reporter};
use super::{Aim, Which, compile, files};
use std::path::PathBuf;

/// What `report` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Spec
    spec: PathBuf,
    /// Output format: `markdown` for a wiki or a pull request, `text` for a terminal, `html` with the drawing
    #[arg(long, value_enum, default_value = "markdown")]
    format: Format,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Markdown,
    Text,
    Html,
}

/// Prints the page.
pub(super) fn report(arguments: &Arguments, reporter: &mut Reporter) -> Result<Exit, Failure> {
    if arguments.output.is_none() {
        reporter.keep_stdout_free();
    }
    let Some(artefacts) = compile(&arguments.spec, &arguments.which, Aim::Look, reporter)? else {
        return Ok(Exit::Wrong);
    };
    let text = match arguments.format {
        Format::Markdown => artefacts.graph.report_markdown(),
        Format::Text => artefacts.graph.report_text(),
        Format::Html => artefacts.graph.report_html(),
    };
    match &arguments.output {
        Some(path) => files::write(path, &text)?,
        None => report::print(&text)?,
    }
    Ok(Exit::Fine)
}
