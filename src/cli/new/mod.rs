//! `new`: a project of its own, which builds wherever it lies.

mod bundle;
mod columns;
mod draft;
mod lock;
mod place;
mod stage;
mod words;

use super::report::{Exit, Failure, Reporter};
use super::{Aim, Which, compile_source, crate_files, files};
use crate::source::Source;
use std::path::{Path, PathBuf};

const README: &str = include_str!("templates/README.md");
const WORKFLOW: &str = include_str!("templates/workflow.yml");
const SPEC: &str = include_str!("templates/spec.mtmd");

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder of the project; its last component is the name of the model
    #[arg(value_name = "NAME")]
    path: PathBuf,
    /// Draft the spec from the columns of these Parquet files
    #[arg(long, value_name = "FILE", num_args = 1..)]
    from: Vec<PathBuf>,
}

pub(super) fn new(arguments: &Arguments, reporter: &Reporter) -> Result<Exit, Failure> {
    let folder = &arguments.path;
    let name = name_of(folder)?;
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let message = format!("`{}` is there already, and not empty", folder.display());
        return Err(Failure::new(Exit::Misuse, message).with_help("choose another name"));
    }
    let spec = match arguments.from.as_slice() {
        [] => SPEC.replace("NAME", &name),
        from => drafted(&name, folder, from, reporter)?,
    };
    // Before anything is written, so that a draft that is no spec leaves nothing behind.
    let spec_path = format!("specs/{name}.mtmd");
    let source = Source::new(folder.join(&spec_path).display().to_string(), &*spec);
    let compiled = compile_source(
        source,
        &files::read_used,
        &Which::default(),
        Aim::Build,
        reporter,
    )?;
    let Some(artefacts) = compiled else {
        let message = "the draft of these columns has errors, and no project is made";
        let help = "leave out `--from`, and write the spec by hand";
        return Err(Failure::new(Exit::Wrong, message).with_help(help));
    };
    let train = match arguments.from.is_empty() {
        true => format!(
            "mtmdc synth specs/{name}.mtmd --out data      # made-up rows, until there are real ones\n\
             mtmdc train specs/{name}.mtmd --data data"
        ),
        false => format!("mtmdc train specs/{name}.mtmd"),
    };
    let readme = README.replace("TRAIN", &train).replace("NAME", &name);
    let own = [
        (&*spec_path, spec),
        ("Cargo.lock", lock::project(&name)),
        ("README.md", readme),
        (".gitignore", "/target\n/data\n/runs\n".to_owned()),
        (".github/workflows/mtmd.yml", WORKFLOW.to_owned()),
    ];
    let written = bundle::files().into_iter().chain(own);
    let mut texts: Vec<(String, String)> = written
        .map(|(path, text)| (path.to_owned(), text))
        .collect();
    let generated = format!("generated/{name}");
    for file in crate_files(&artefacts)? {
        texts.push((format!("{generated}/{}", file.path), file.text));
    }
    stage::write(folder, &texts)?;
    reporter.note(&format!("built: {}", folder.join(generated).display()));
    reporter.note(&format!(
        "`{}` is a project now: its README says how to go on",
        folder.display()
    ));
    Ok(Exit::Fine)
}

/// A spec of what the columns of the files hold.
fn drafted(
    name: &str,
    folder: &Path,
    from: &[PathBuf],
    reporter: &Reporter,
) -> Result<String, Failure> {
    let sample = columns::read(from)?;
    let data = place::data_path(folder, from)?;
    let spec = draft::spec(name, &data, &sample.columns)?;
    if !sample.partial.is_empty() {
        let names: Vec<String> = sample
            .partial
            .iter()
            .map(|name| words::in_comment(name))
            .collect();
        let names = names.join(", ");
        reporter.note(&format!("left out, for not every file has them: {names}"));
    }
    Ok(spec)
}

/// The model's name: the last part of the path.
fn name_of(folder: &Path) -> Result<String, Failure> {
    let name = folder.file_name().map(|name| name.to_string_lossy());
    let Some(name) = name else {
        let message = format!("`{}` ends with no name", folder.display());
        return Err(Failure::new(Exit::Misuse, message));
    };
    match crate::sema::objection(crate::sema::NameKind::Model, &name) {
        None => Ok(name.into_owned()),
        Some(objection) => Err(Failure::new(Exit::Misuse, objection)
            .with_help("a model is named in `snake_case`, as `home_ads`")),
    }
}
