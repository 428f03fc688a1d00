//! The plan of a warm start: what a spec's model takes over from the model in a folder.

use super::files;
use super::report::{Exit, Failure};
use crate::graph::Graph;
use crate::graph::diff::{Diff, diff};
use std::path::{Path, PathBuf};

/// Compares a graph with that of the weights in a folder of a model, a checkpoint or a run.
pub(super) fn plan(folder: &Path, graph: &Graph) -> Result<Diff, Failure> {
    let model = find(folder)?;
    let path = model.join("graph.yaml");
    let wrong = |reason: &str| {
        let message = format!("`{}` cannot be started from: {reason}", path.display());
        Failure::new(Exit::Wrong, message).with_help(
            "give another folder; weights of another version of mtmdc are read by that version",
        )
    };
    let bytes = files::read_if_there(&path)?.unwrap_or_default();
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
    let values = |table: &str| {
        let path = model.join(format!("values.{table}.txt"));
        let bytes = files::read_if_there(&path).ok().flatten()?;
        String::from_utf8(bytes).ok()
    };
    let old = Graph::from_yaml(&text, &values).map_err(|reason| wrong(&reason))?;
    Ok(diff(&old, graph))
}

/// The folder that holds the weights, as the model's own program looks for it: the one that was
/// named, or the model in it, also where a kill left it in the middle of being replaced.
fn find(folder: &Path) -> Result<PathBuf, Failure> {
    let candidates = [
        folder.to_owned(),
        folder.join("model"),
        folder.join("model.old"),
    ];
    let is_model = |folder: &&PathBuf| {
        let holds = |file: &str| folder.join(file).is_file();
        holds("model.safetensors") && holds("graph.yaml")
    };
    let found = candidates.iter().find(is_model).cloned();
    found.ok_or_else(|| {
        let message = format!(
            "no model to start from lies in `{}`: it has no `model.safetensors` with a `graph.yaml`",
            folder.display()
        );
        Failure::new(Exit::Wrong, message)
            .with_help("give the folder of a model, of a checkpoint, or of a run that has ended")
    })
}
