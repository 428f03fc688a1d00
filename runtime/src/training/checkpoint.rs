//! Checkpoints and saved models: folders of safetensors, JSON and the graph.
//!
//! | file | what | in a model | in a checkpoint |
//! |---|---|---|---|
//! | `model.safetensors` | weights under graph paths; hashes of spec, weights and graph in the header | yes | yes |
//! | `vocabulary.json` | learned vocabularies | yes | yes |
//! | `graph.yaml` | the graph of the weights, to show what another model differs in | yes | yes |
//! | `golden.parquet` | some rows with their scores, to be given again before anything is served | yes | |
//! | `values.TABLE.txt` | values of a table whose vocabulary is a file of the spec, one a line | yes | yes |
//! | `optimiser.safetensors` | moments of dense parameters and tables | | yes |
//! | `state.json` | place in the run and in the data, hyperparameters, statistics of the rows, the best validation | | yes |
//! | `checksums.json` | digests of the other files, held against them before they are read | yes | yes |
//!
//! There is no other state: every random draw is a function of the seed and of a place (a table's row, an epoch's block).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use similar::TextDiff;
use twox_hash::XxHash3_128;

use super::checksums;
use super::folder;
use super::state::{FORMAT, State};
use super::trainer::Exported;
use crate::error::{Error, Result};
use crate::params::{Reader, Writer};
use crate::schema::{Course, Index, Schema, Table, Training};
use crate::vocab::Vocabularies;

pub(crate) const MODEL: &str = "model.safetensors";
const OPTIMISER: &str = "optimiser.safetensors";
const STATE: &str = "state.json";
pub(crate) const VOCABULARY: &str = "vocabulary.json";
pub(crate) const GRAPH: &str = "graph.yaml";

/// Lines of a graph's diff that an error shows.
const DIFF_LINES: usize = 60;

/// Writes a model, to be evaluated or served; `golden` writes its golden rows.
///
/// # Errors
/// What `golden` and the system refuse; the folder is then as it was.
pub fn save_model(
    path: &Path,
    schema: &Schema,
    vocabularies: &Vocabularies,
    weights: Writer<'_>,
    golden: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    folder::write_folder(path, |path| {
        write_model(path, schema, vocabularies, weights)?;
        golden(path)?;
        checksums::write(path)
    })
}

/// Writes a checkpoint, to be gone on from.
///
/// # Errors
/// What the system refuses; the folder is then as it was.
pub fn save_checkpoint(
    path: &Path,
    schema: &Schema,
    vocabularies: &Vocabularies,
    exported: Exported<'_>,
    state: &State,
) -> Result<()> {
    let Exported { model, optimiser } = exported;
    folder::write_folder(path, |path| {
        write_model(path, schema, vocabularies, model)?;
        optimiser.save(&path.join(OPTIMISER))?;
        let text = serde_json::to_string_pretty(state).map_err(|error| {
            Error::run(
                "the state of the run",
                error.to_string(),
                "report this as a bug",
            )
        })?;
        write_text(&path.join(STATE), &text)?;
        checksums::write(path)
    })
}

/// Holds every file of a checkpoint against its digest.
///
/// # Errors
/// The first file that is not what was written, or not there.
pub fn verify(path: &Path) -> Result<()> {
    checksums::verify(path, |_| true)
}

/// Reads weights and vocabularies of this schema from a model or a checkpoint. The spec that they were
/// trained with may differ in how it trains and judges.
///
/// # Errors
/// Files that cannot be read or are damaged, and weights that mean something else: the message then
/// holds the difference between the two graphs.
pub fn load_model(path: &Path, schema: &Schema) -> Result<(Reader, Vocabularies)> {
    verify_model(path)?;
    read_model(path, schema)
}

/// The same for a folder that [`verify`] has accepted.
///
/// # Errors
/// Those of [`load_model`].
pub fn read_model(path: &Path, schema: &Schema) -> Result<(Reader, Vocabularies)> {
    let (weights, vocabularies) = read_files(path)?;
    require_weights(path, schema, &weights.metadata)?;
    Ok((weights, Vocabularies::from_json(schema, &vocabularies)?))
}

/// Opens weights, and reads the text of their vocabularies, whatever spec they belong to.
///
/// # Errors
/// Files that cannot be read or are damaged.
pub fn open_model(path: &Path) -> Result<(Reader, String)> {
    verify_model(path)?;
    read_files(path)
}

/// What tells a model's weights and vocabularies from all others: equal for copies.
///
/// # Errors
/// Files that cannot be read.
pub fn identity(path: &Path) -> Result<String> {
    let mut hash = XxHash3_128::new();
    for name in [MODEL, VOCABULARY] {
        hash.write(checksums::of(path, name)?.as_bytes());
    }
    Ok(format!("{:032x}", hash.finish_128()))
}

fn verify_model(path: &Path) -> Result<()> {
    match checksums::are_there(path) {
        true => checksums::verify(path, |name| name == MODEL || name == VOCABULARY),
        false => Ok(()),
    }
}

fn read_files(path: &Path) -> Result<(Reader, String)> {
    let weights = Reader::open(&path.join(MODEL))?;
    Ok((weights, read_text(&path.join(VOCABULARY))?))
}

/// Refuses to go on with a run of a spec that trains or judges in another way.
///
/// # Errors
/// Weights of another spec.
pub fn require_spec(path: &Path, schema: &Schema, weights: &Reader) -> Result<()> {
    let found = header(&weights.metadata, "spec_hash");
    if found == schema.spec_hash {
        return Ok(());
    }
    Err(Error::weights(
        path.display().to_string(),
        format!(
            "the run began with other settings (spec {found}, now {})",
            schema.spec_hash
        ),
        "take the change back to go on; or start another run from these weights by `--warm-start`",
    ))
}

/// Reads the rest of a checkpoint that [`verify`] has accepted: the optimisers' moments and the state.
///
/// # Errors
/// Files that cannot be read, or are of another version of the layout.
pub fn load_progress(path: &Path, schema: &Schema) -> Result<(Reader, State)> {
    let optimiser = Reader::open(&path.join(OPTIMISER))?;
    let path = path.join(STATE);
    let text = read_text(&path)?;
    let damaged = |error: serde_json::Error| {
        Error::weights(
            path.display().to_string(),
            format!("no state of a run: {error}"),
            "use another checkpoint, or train again with `--force`",
        )
    };
    let StateFormat { format } = serde_json::from_str(&text).map_err(damaged)?;
    if format != FORMAT {
        return Err(Error::weights(
            path.display().to_string(),
            format!("layout {format} of another version; this one reads {FORMAT}"),
            "go on with the version that wrote it, or train again with `--force`",
        ));
    }
    let mut state: State = serde_json::from_str(&text).map_err(damaged)?;
    // The command line changes whole numbers only. The others are the spec's, to the last bit, which
    // a trip through JSON would not promise.
    let Training {
        batch,
        epochs,
        seed,
        course,
        ..
    } = state.training;
    state.training = Training {
        batch,
        epochs,
        seed,
        course: Course {
            min_delta: schema.training.course.min_delta,
            select: schema.training.course.select.clone(),
            ..course
        },
        ..schema.training.clone()
    };
    Ok((optimiser, state))
}

/// The part of a state that says what the others are.
#[derive(Deserialize)]
struct StateFormat {
    format: u32,
}

fn write_model(
    path: &Path,
    schema: &Schema,
    vocabularies: &Vocabularies,
    mut weights: Writer<'_>,
) -> Result<()> {
    for (key, value) in [
        ("model", &*schema.name),
        ("spec_hash", schema.spec_hash),
        ("weights_hash", schema.weights_hash),
        ("graph_hash", schema.graph_hash),
    ] {
        weights.metadata.insert(key.to_owned(), value.to_owned());
    }
    weights.save(&path.join(MODEL))?;
    write_text(&path.join(VOCABULARY), &vocabularies.to_json()?)?;
    for table in schema.tables.iter() {
        if let Index::Lines { lines, .. } = &table.index {
            write_text(&path.join(lines_file(table)), lines)?;
        }
    }
    write_text(&path.join(GRAPH), schema.graph)
}

/// The name of the file that has the vocabulary of a table, one value a line.
pub fn lines_file(table: &Table) -> String {
    format!("values.{}.txt", table.name)
}

/// An entry of the header, `?` if there is none.
fn header<'a>(header: &'a BTreeMap<String, String>, key: &str) -> &'a str {
    header.get(key).map_or("?", String::as_str)
}

fn require_weights(
    path: &Path,
    schema: &Schema,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let found = header(metadata, "weights_hash");
    if found == schema.weights_hash {
        return Ok(());
    }
    let name = header(metadata, "model");
    let diff = match read_text(&path.join(GRAPH)) {
        Ok(graph) => format!(":\n{}", graph_diff(&graph, schema.graph)),
        Err(_) => format!(" (no `{GRAPH}` beside the weights shows the difference)"),
    };
    Err(Error::weights(
        path.display().to_string(),
        format!(
            "weights of another model (`{name}`, weights {found}), not of this one (`{}`, weights {}){diff}",
            schema.name, schema.weights_hash,
        ),
        "use the spec that the weights were trained with, or start from them by `mtmdc train SPEC --warm-start DIR`",
    ))
}

/// A unified diff, cut to a length that can be read.
fn graph_diff(weights: &str, spec: &str) -> String {
    let diff = TextDiff::from_lines(weights, spec);
    let text = diff
        .unified_diff()
        .context_radius(1)
        .header("weights", "spec")
        .to_string();
    let lines: Vec<&str> = text.lines().collect();
    let mut shown: Vec<String> = lines
        .iter()
        .take(DIFF_LINES)
        .map(|line| format!("  {line}"))
        .collect();
    if lines.len() > DIFF_LINES {
        shown.push(format!("  … and {} lines more", lines.len() - DIFF_LINES));
    }
    shown.join("\n")
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|source| Error::file(path, "write it", source))
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|source| Error::file(path, "read it", source))
}

/// The folder that `--model` means: a model, a checkpoint, or a run with a model in it.
///
/// # Errors
/// A folder that is none of these.
pub fn find_model(path: &Path) -> Result<PathBuf> {
    let inner = folder::whole(&path.join("model"));
    let candidates = [path.to_owned(), inner];
    let found = candidates
        .into_iter()
        .find(|folder| folder.join(MODEL).exists());
    found.ok_or_else(|| {
        Error::weights(
            path.display().to_string(),
            format!("no `{MODEL}` lies there"),
            "give the folder of a model, of a checkpoint, or of a run that has ended",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_diff_is_cut() {
        let old: String = (0..500).map(|i| format!("a{i}\n")).collect();
        let new: String = (0..500).map(|i| format!("b{i}\n")).collect();
        let diff = graph_diff(&old, &new);
        assert_eq!(diff.lines().count(), DIFF_LINES + 1);
        assert!(diff.ends_with("lines more"));
    }

    #[test]
    fn a_short_diff_is_whole() {
        let diff = graph_diff("a: 1\nb: 2\n", "a: 1\nb: 3\n");
        assert!(diff.contains("-b: 2") && diff.contains("+b: 3"), "{diff}");
    }
}
