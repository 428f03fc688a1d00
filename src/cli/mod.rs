//! The command line: the only room that reads and writes files.

mod build;
mod check;
mod diff;
mod files;
mod fmt;
mod launch;
mod lsp;
mod new;
mod report;
mod shell;
mod summary;
mod warm_start;
mod workspace;

use crate::diagnostics::{Code, Level, Levels};
use crate::driver::compile::{Artefacts, compile_files};
use crate::driver::load::Read;
use crate::emit::File;
use crate::source::Source;
use clap::{Parser, Subcommand, ValueEnum};
use report::{Exit, Failure, MessageFormat, Reporter};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compiles a declarative spec to a multi-task multi-domain ranking model.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 fine; 1 something is wrong with the spec, the data \
    or the weights, or is stale; 2 misuse of the command line; 3 the environment or the run failed."
)]
struct Cli {
    /// How diagnostics are printed: `text` on stderr, `json` as JSON lines on stdout, `github` as
    /// annotations on stdout
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "text"
    )]
    message_format: MessageFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GraphFormat {
    Yaml,
    Svg,
    Dot,
    Mermaid,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Checks specs and reports every mistake
    Check(check::Arguments),
    /// Writes the graph and the crate of specs
    Build {
        /// Specs
        #[arg(required = true, value_name = "SPEC")]
        specs: Vec<PathBuf>,
        /// Folder in which each spec's crate is a folder of the model's name; the workspace's
        /// `generated` if not given
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Writes nothing; names what is stale or missing and exits with 1 if anything is
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Tells what changed between two specs, and what becomes of every weight
    Diff(diff::Arguments),
    /// Formats specs; a file with syntax errors is left as it is
    Fmt(fmt::Arguments),
    /// Prints the Domain Expert graph of a spec
    Graph {
        /// Spec
        spec: PathBuf,
        /// `yaml` is the graph whole, `svg` a drawing of it, `dot` and `mermaid` boxes and arrows
        #[arg(long, value_enum, default_value = "yaml")]
        format: GraphFormat,
        /// File to write in place of stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        which: Which,
    },
    /// Tells on one page what a model is and takes
    Report(summary::Arguments),
    /// Serves an editor over standard input and output, by the Language Server Protocol
    Lsp(lsp::Arguments),
    /// Makes a project of its own: a spec, the runtime, and what builds them
    New(new::Arguments),
    /// Prints the completions of a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Prints the manual as a page for `man`
    Man,
    /// Explains a diagnostic by its code or name
    Explain {
        /// Code, as `E0101`
        code: String,
    },
    /// Builds a spec's crate and trains its model
    Train(RunArguments),
    /// Builds a spec's crate and evaluates a trained model
    Eval(RunArguments),
    /// Builds a spec's crate and writes synthetic data for it
    Synth(RunArguments),
}

/// Which model of a spec, and how strictly.
#[derive(Debug, Default, clap::Args)]
struct Which {
    /// The model of this variant of the spec
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    #[command(flatten)]
    lints: Lints,
}

/// Levels of warnings.
#[derive(Debug, Default, clap::Args)]
struct Lints {
    /// Makes errors of these warnings; `warnings` stands for all
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    deny: Vec<String>,
    /// Hides these warnings
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    allow: Vec<String>,
    /// Shows these warnings, also those that are hidden unless asked for
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    warn: Vec<String>,
}

impl Lints {
    fn levels(&self) -> Result<Levels, Failure> {
        let mut levels = Levels::default();
        let lists = [
            (&self.allow, Level::Allow),
            (&self.warn, Level::Warning),
            (&self.deny, Level::Error),
        ];
        for (texts, level) in lists {
            for text in texts {
                match Code::find(text) {
                    _ if level == Level::Error && text == "warnings" => levels.deny_warnings = true,
                    Some(code) if code.level() != Level::Error => levels.codes.push((code, level)),
                    found => return Err(not_a_warning(text, found)),
                }
            }
        }
        Ok(levels)
    }
}

fn not_a_warning(text: &str, found: Option<Code>) -> Failure {
    let message = match found {
        Some(code) => format!("{code} is an error: its level cannot be changed"),
        None => format!("there is no warning `{text}`"),
    };
    let lints = Code::all()
        .iter()
        .filter(|code| code.level() != Level::Error);
    let ids: Vec<&str> = lints.map(|code| code.id()).collect();
    let help = format!("the warnings are {}", ids.join(", "));
    Failure::new(Exit::Misuse, message).with_help(help)
}

#[derive(Debug, clap::Args)]
struct RunArguments {
    /// Trains the model of this variant of the spec
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Spec
    spec: PathBuf,
    /// What the model's own program takes; `-- --help` lists it
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGS"
    )]
    arguments: Vec<OsString>,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut reporter = Reporter::new(cli.message_format);
    let result = match &cli.command {
        Command::Check(arguments) => check::check(arguments, &reporter),
        Command::Build {
            specs,
            out,
            check,
            which,
        } => build::build(specs, out.as_deref(), *check, which, &reporter),
        Command::Diff(arguments) => diff::diff(arguments, &mut reporter),
        Command::Fmt(arguments) => fmt::fmt(arguments, &mut reporter),
        Command::Graph {
            spec,
            format,
            output,
            which,
        } => graph(spec, *format, output.as_deref(), which, &mut reporter),
        Command::Report(arguments) => summary::report(arguments, &mut reporter),
        Command::Lsp(_) => lsp::serve(),
        Command::New(arguments) => new::new(arguments, &reporter),
        Command::Completions { shell } => shell::completions(*shell),
        Command::Man => shell::man(),
        Command::Explain { code } => explain(code),
        Command::Train(run) => launch::launch("train", run, &reporter),
        Command::Eval(run) => launch::launch("eval", run, &reporter),
        Command::Synth(run) => launch::launch("synth", run, &reporter),
    };
    let exit = result.unwrap_or_else(|failure| reporter.failure(&failure));
    exit.code()
}

fn graph(
    path: &Path,
    format: GraphFormat,
    output: Option<&Path>,
    which: &Which,
    reporter: &mut Reporter,
) -> Result<Exit, Failure> {
    if output.is_none() {
        reporter.keep_stdout_free();
    }
    let Some(artefacts) = compile(path, which, Aim::Look, reporter)? else {
        return Ok(Exit::Wrong);
    };
    let text = match format {
        GraphFormat::Yaml => artefacts.graph.to_yaml(),
        GraphFormat::Svg => artefacts.graph.to_svg(),
        GraphFormat::Dot => artefacts.graph.to_dot(),
        GraphFormat::Mermaid => artefacts.graph.to_mermaid(),
    };
    match output {
        Some(path) => files::write(path, &text)?,
        None => report::print(&text)?,
    }
    Ok(Exit::Fine)
}

/// What a spec is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// Its crate.
    Build,
    /// To be looked at; it may be beyond its budget.
    Look,
}

/// Compiles and reports; `None` if the spec has errors.
fn compile(
    path: &Path,
    which: &Which,
    aim: Aim,
    reporter: &Reporter,
) -> Result<Option<Artefacts>, Failure> {
    let root = files::read_spec(path)?;
    compile_source(root, &files::read_used, which, aim, reporter)
}

/// As [`compile`], of a text whose other files `read` reads.
fn compile_source(
    root: Source,
    read: &Read<'_>,
    which: &Which,
    aim: Aim,
    reporter: &Reporter,
) -> Result<Option<Artefacts>, Failure> {
    let name = root.name().to_owned();
    let variant = which.variant.as_deref();
    let levels = Levels {
        beyond_budget: aim == Aim::Look,
        ..which.lints.levels()?
    };
    let outcome = compile_files(root, read, &levels, variant);
    reporter.diagnostics(&outcome.source, &outcome.diagnostics);
    match variant {
        Some(variant) if !outcome.variants.iter().any(|other| other == variant) => {
            let message = format!("`{name}` has no variant `{variant}`");
            let help = match &outcome.variants[..] {
                [] => format!("it has none: declare `variant {variant} {{ … }}`"),
                names => format!("its variants are {}", names.join(", ")),
            };
            Err(Failure::new(Exit::Misuse, message).with_help(help))
        }
        _ => Ok(outcome.artefacts),
    }
}

/// The files of a spec's crate.
fn crate_files(artefacts: &Artefacts) -> Result<Vec<File>, Failure> {
    artefacts.files().map_err(|error| {
        let message = format!("internal error: {error}");
        let help = "this is a mistake of mtmdc, not of the spec: please report it with the spec";
        Failure::new(Exit::Environment, message).with_help(help)
    })
}

fn explain(code: &str) -> Result<Exit, Failure> {
    match Code::find(code) {
        Some(code) => {
            report::print(code.explanation())?;
            Ok(Exit::Fine)
        }
        None => {
            let message = format!("there is no diagnostic `{code}`");
            let help = "the code of a diagnostic stands in brackets before its message";
            Err(Failure::new(Exit::Misuse, message).with_help(help))
        }
    }
}
