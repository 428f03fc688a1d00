//! The command line: the only room that reads and writes files.

mod build;
mod cargo;
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

use crate::diagnostics::{Code, Level, Levels, Severity};
use crate::driver::compile::{Artefacts, compile_files};
use crate::driver::load::Read;
use crate::emit::File;
use crate::plan;
use crate::source::Source;
use clap::{Parser, Subcommand, ValueEnum};
use report::{Exit, Failure, MessageFormat, Reporter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compile a declarative spec to a multi-task multi-domain ranking model
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 success; 1 errors in the spec, the data or the weights, or stale files; \
    2 wrong command line; 3 the environment or the run failed."
)]
struct Cli {
    /// Format of diagnostics
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
    Plan,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Report errors and lints; `--fix` applies the safe fixes
    Check(check::Arguments),
    /// Write the graph and the crate of each spec
    Build {
        /// Specs
        #[arg(required = true, value_name = "SPEC")]
        specs: Vec<PathBuf>,
        /// Folder to write to; each crate is in a subfolder with the model's name [default: the workspace's `generated`]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Write nothing; list stale and missing files, and exit with 1 if there are any
        #[arg(long)]
        check: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Compare two specs: what changed, and how each weight transfers
    Diff(diff::Arguments),
    /// Format specs; files with syntax errors are left unchanged
    Fmt(fmt::Arguments),
    /// Print the Domain Expert graph of a spec
    Graph {
        /// Spec
        spec: PathBuf,
        /// Output format: `yaml` is the complete graph, `svg` a drawing, `dot` and `mermaid` a flowchart, `plan` how the model
        /// runs
        #[arg(long, value_enum, default_value = "yaml")]
        format: GraphFormat,
        /// Write to this file instead of stdout
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        #[command(flatten)]
        which: Which,
    },
    /// Print a one-page summary of the model and its cost
    Report(summary::Arguments),
    /// Run the language server over standard input and output
    Lsp(lsp::Arguments),
    /// Create a new project with a starter spec
    New(new::Arguments),
    /// Print the completion script of a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Explain a diagnostic
    Explain {
        /// Code or name of the diagnostic, such as `E0101`
        code: String,
    },
    /// Build a spec's crate and train its model
    Train(launch::TrainArguments),
    /// Build a spec's crate and evaluate a trained model
    Eval(launch::Arguments<mtmd_options::Eval>),
    /// Build a spec's crate and write the scores of rows
    Predict(launch::Arguments<mtmd_options::Predict>),
    /// Build a spec's crate and write the embeddings of items, to be served
    Index(launch::Arguments<mtmd_options::Index>),
    /// Build a spec's crate and answer requests for scores over HTTP
    Serve(launch::Arguments<mtmd_options::Serve>),
    /// Build a spec's crate and write a trained model for other programs: ONNX files, weights and the encoding of its inputs
    Export(launch::Arguments<mtmd_options::Export>),
    /// Build a spec's crate and write synthetic data for it
    Synth(launch::Arguments<mtmd_options::Synth>),
    /// Build a spec's crate and measure its training throughput
    Bench(launch::Arguments<mtmd_options::Bench>),
}

/// Which model of a spec, and how strictly.
#[derive(Debug, Default, clap::Args)]
struct Which {
    /// Use this variant of the spec
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    #[command(flatten)]
    lints: Lints,
}

/// Levels of warnings.
#[derive(Debug, Default, clap::Args)]
struct Lints {
    /// Treat these warnings as errors; `warnings` means all of them
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    deny: Vec<String>,
    /// Hide these warnings
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    allow: Vec<String>,
    /// Show these warnings, including those that are hidden by default
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

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let mut reporter = Reporter::new(cli.message_format);
    let result = match cli.command {
        Command::Check(arguments) => check::check(&arguments, &reporter),
        Command::Build {
            specs,
            out,
            check,
            which,
        } => build::build(&specs, out.as_deref(), check, &which, &reporter),
        Command::Diff(arguments) => diff::diff(&arguments, &mut reporter),
        Command::Fmt(arguments) => fmt::fmt(&arguments, &mut reporter),
        Command::Graph {
            spec,
            format,
            output,
            which,
        } => graph(&spec, format, output.as_deref(), &which, &mut reporter),
        Command::Report(arguments) => summary::report(&arguments, &mut reporter),
        Command::Lsp(_) => lsp::serve(),
        Command::New(arguments) => new::new(&arguments, &reporter),
        Command::Completions { shell } => shell::completions(shell),
        Command::Man => shell::man(),
        Command::Explain { code } => explain(&code),
        Command::Train(arguments) => launch::train(arguments, &reporter),
        Command::Eval(arguments) => launch::eval(arguments, &reporter),
        Command::Predict(arguments) => launch::predict(arguments, &reporter),
        Command::Index(arguments) => launch::index(arguments, &reporter),
        Command::Serve(arguments) => launch::serve(arguments, &reporter),
        Command::Export(arguments) => launch::export(arguments, &reporter),
        Command::Synth(arguments) => launch::synth(arguments, &reporter),
        Command::Bench(arguments) => launch::bench(arguments, &reporter),
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
        GraphFormat::Plan => plan::print(&artefacts.graph, &artefacts.plan()),
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
    /// As the old side of a comparison: as [`Self::Look`], without its warnings, which nobody can act on and which the new
    /// side mostly repeats.
    Before,
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
        beyond_budget: aim != Aim::Build,
        ..which.lints.levels()?
    };
    let mut outcome = compile_files(root, read, &levels, variant);
    if aim == Aim::Before {
        let diagnostics = &mut outcome.diagnostics;
        diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
    }
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

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{Args, CommandFactory};
    use mtmd_options::{Bench, Eval, Export, Index, Predict, Serve, Synth, Train};
    use std::collections::BTreeSet;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// The other half is a test of the runtime: both take all options of `mtmd-options`.
    #[test]
    fn commands_that_run_a_program_have_the_shared_options() {
        fn shared<O: Args>() -> BTreeSet<String> {
            ids(&O::augment_args(clap::Command::new("shared")))
        }
        fn ids(command: &clap::Command) -> BTreeSet<String> {
            let ids = command.get_arguments().map(|option| option.get_id());
            ids.map(ToString::to_string).collect()
        }
        let model = ["spec", "variant", "deny", "allow", "warn"];
        let commands = [
            ("train", shared::<Train>(), &["dry_run"][..]),
            ("eval", shared::<Eval>(), &[]),
            ("predict", shared::<Predict>(), &[]),
            ("index", shared::<Index>(), &[]),
            ("serve", shared::<Serve>(), &[]),
            ("export", shared::<Export>(), &[]),
            ("synth", shared::<Synth>(), &[]),
            ("bench", shared::<Bench>(), &[]),
        ];
        let compiler = Cli::command();
        for (name, mut expected, own) in commands {
            expected.extend(model.iter().chain(own).map(ToString::to_string));
            let found = compiler.find_subcommand(name).map(ids);
            assert_eq!(found, Some(expected), "{name}");
        }
    }
}
