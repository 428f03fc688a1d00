//! What the command line prints, and what it exits with.

use crate::diagnostics::{self, Code, Diagnostic};
use crate::source::{Source, beside};
use serde_json::json;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// How a command ends; of several ends the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// All is well.
    Fine,
    /// Something is wrong with a spec, or is stale.
    Wrong,
    /// The command line makes no sense.
    Misuse,
    /// The environment or the run failed.
    Environment,
}

impl Exit {
    pub(super) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Fine => 0,
            Self::Wrong => 1,
            Self::Misuse => 2,
            Self::Environment => 3,
        })
    }
}

/// Something that is wrong outside a spec's text.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    message: String,
    help: Option<String>,
}

impl Failure {
    pub(super) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            help: None,
        }
    }

    /// What is wrong, in one line.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }
}

/// How diagnostics are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum MessageFormat {
    /// Text for people, on stderr
    Text,
    /// JSON lines for tools, on stdout
    Json,
    /// GitHub annotations for pull requests, on stdout
    Github,
}

/// Prints diagnostics and failures.
#[derive(Debug)]
pub(super) struct Reporter {
    format: MessageFormat,
    color: bool,
    stdout_is_taken: bool,
    /// Diagnostics printed so far, by file, place, code and message: each is printed once, although specs share files and
    /// one spec may be compiled several times, also under another spelling of its path.
    said: RefCell<BTreeSet<(String, usize, Code, String)>>,
}

impl Reporter {
    pub(super) fn new(format: MessageFormat) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let color = !no_color && io::stderr().is_terminal();
        Self {
            format,
            color,
            stdout_is_taken: false,
            said: RefCell::default(),
        }
    }

    /// Sends diagnostics to stderr, because the command's result goes to stdout.
    pub(super) fn keep_stdout_free(&mut self) {
        self.stdout_is_taken = true;
    }

    pub(super) fn diagnostics(&self, source: &Source, diagnostics: &[Diagnostic]) {
        let mut said = self.said.borrow_mut();
        let news = diagnostics.iter().filter(|diagnostic| {
            let start = diagnostic.primary.span.start;
            let (file, whole) = source.file(start);
            let place = start.saturating_sub(whole.start);
            let message = diagnostic.message.clone();
            said.insert((beside("", file), place, diagnostic.code, message))
        });
        let diagnostics: Vec<Diagnostic> = news.cloned().collect();
        let text = match self.format {
            MessageFormat::Json => diagnostics::render_json(source, &diagnostics),
            MessageFormat::Github => diagnostics::render_github(source, &diagnostics),
            MessageFormat::Text => diagnostics::render_text(source, &diagnostics, self.color),
        };
        self.emit(&text);
    }

    pub(super) fn failure(&self, failure: &Failure) -> Exit {
        self.emit(&match self.format {
            MessageFormat::Json => {
                let line = json!({
                    "schema": 1,
                    "severity": "error",
                    "message": failure.message,
                    "helps": failure.help.iter().collect::<Vec<_>>(),
                });
                format!("{line}\n")
            }
            MessageFormat::Github => {
                let help = failure.help.iter().map(|help| format!("\n{help}"));
                let text = format!("{}{}", failure.message, help.collect::<String>());
                format!("::error::{}\n", diagnostics::github_data(&text))
            }
            MessageFormat::Text => self.failure_text(failure),
        });
        failure.exit
    }

    fn failure_text(&self, failure: &Failure) -> String {
        let [bold_red, bold, plain] = if self.color {
            ["\u{1b}[1;31m", "\u{1b}[1m", "\u{1b}[0m"]
        } else {
            [""; 3]
        };
        let help = failure
            .help
            .iter()
            .map(|help| format!("  = {bold}help{plain}: {help}\n"));
        let help: String = help.collect();
        let message = &failure.message;
        format!("{bold_red}error{plain}{bold}: {message}{plain}\n{help}")
    }

    /// Says what was done; tools need not know.
    pub(super) fn note(&self, message: &str) {
        if self.format == MessageFormat::Text {
            self.emit(&format!("{message}\n"));
        }
    }

    fn emit(&self, text: &str) {
        // There is no one left to tell if this fails.
        let _ = if self.format != MessageFormat::Text && !self.stdout_is_taken {
            io::stdout().write_all(text.as_bytes())
        } else {
            io::stderr().write_all(text.as_bytes())
        };
    }
}

/// Prints a command's result. A reader that has enough of it is no error.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Environment,
            format!("cannot write to stdout: {error}"),
        )),
        _ => Ok(()),
    }
}
