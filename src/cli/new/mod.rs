//! `new`: a project of its own, which builds wherever it lies.

mod bundle;
mod columns;
mod draft;
mod lock;

use super::report::{Exit, Failure, Reporter};
use super::{Which, build, files};
use std::path::{Path, PathBuf};

const README: &str = include_str!("templates/README.md");
const WORKFLOW: &str = include_str!("templates/workflow.yml");
const SPEC: &str = include_str!("templates/spec.mtmd");

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder of the project; its last part is the model's name
    #[arg(value_name = "NAME")]
    path: PathBuf,
    /// Drafts the spec from the columns of these Parquet files
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
        from => draft::spec(&name, &data_path(folder, from), &columns::read(from)?)?,
    };
    let train = match arguments.from.is_empty() {
        true => format!(
            "mtmdc synth specs/{name}.mtmd --out data      # made-up rows, until there are real ones\n\
             mtmdc train specs/{name}.mtmd --data data"
        ),
        false => format!("mtmdc train specs/{name}.mtmd"),
    };
    let readme = README.replace("TRAIN", &train).replace("NAME", &name);
    for (path, text) in bundle::files() {
        files::write(&folder.join(path), &text)?;
    }
    let spec_path = folder.join(format!("specs/{name}.mtmd"));
    for (path, text) in [
        (spec_path.clone(), spec.as_str()),
        (folder.join("Cargo.lock"), &lock::project(&name)),
        (folder.join("README.md"), &readme),
        (folder.join(".gitignore"), "/target\n/data\n/runs\n"),
        (folder.join(".github/workflows/mtmd.yml"), WORKFLOW),
    ] {
        files::write(&path, text)?;
    }
    let out = folder.join("generated");
    let built = build::build(&[spec_path], Some(&out), false, &Which::default(), reporter)?;
    reporter.note(&format!(
        "`{}` is a project now: its README says how to go on",
        folder.display()
    ));
    Ok(built)
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

/// What the spec calls its data: the folder of the files, from the spec's own folder. An absolute path is no
/// use to others, but it is where the data lies.
fn data_path(folder: &Path, from: &[PathBuf]) -> String {
    let first = from.first().and_then(|path| path.parent());
    let data = std::path::absolute(first.unwrap_or(Path::new(""))).unwrap_or_default();
    let specs = std::path::absolute(folder.join("specs")).unwrap_or_default();
    let common = data
        .components()
        .zip(specs.components())
        .take_while(|(one, other)| one == other)
        .count();
    let up = specs.components().skip(common).map(|_| "..".to_owned());
    let down = data.components().skip(common);
    let down = down.map(|part| part.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<String> = up.chain(down).collect();
    parts.join("/")
}
