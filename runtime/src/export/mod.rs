//! Exports: a trained model as a folder that other programs can serve.
//!
//! | file | content |
//! |---|---|
//! | `model.safetensors` | the weights |
//! | `query.SURFACE.onnx`, `item.PRODUCT.onnx` | from features to the tasks' vectors |
//! | `pair.onnx` | from vectors to probabilities |
//! | `encoder.json` | how raw values become the inputs of these, with test vectors |
//! | `vocabulary.json`, `values.TABLE.txt` | the vocabularies, as in a model |
//! | `graph.yaml` | the graph of the whole model |
//! | `manifest.json` | hashes of the model and digests of the files |
//!
//! The export of a whole model has the files of a model folder, and can be read as one.

mod encoder;
mod manifest;
pub mod onnx;
mod slice;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::params::Writer;
use crate::schema::{Compiled, Index, Schema, TableLookup, Tower, key};
use crate::score::Scorer;
use crate::score::golden::GOLDEN;
use crate::training::{checkpoint, checksums, folder};
use crate::vocab::{Vocabularies, number_key};
use encoder::Encoder;
use manifest::Manifest;
use onnx::{OnnxFile, Weights};
use slice::Slice;

/// The file that lists the others. A folder that has one is an export.
const MANIFEST: &str = "manifest.json";
const ENCODER: &str = "encoder.json";

/// Files of a model folder that an export has unchanged, where the model has them.
const COPIED: [&str; 1] = [GOLDEN];

/// What is exported, and how.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// This surface alone; `None`: all of them.
    pub surface: Option<&'a str>,
    /// This product alone; `None`: all of them.
    pub product: Option<&'a str>,
    /// Where embeddings are looked up.
    pub tables: TableLookup,
    /// Whether the ONNX files contain their weights.
    pub embed: bool,
    /// Whether an earlier export is replaced.
    pub replace: bool,
}

/// Exports the model in the folder `from`, that of a model, a checkpoint or a run, to the folder `to`, which is written whole or
/// not at all.
///
/// # Errors
/// A model that cannot be read or belongs to another spec, a folder that exists, names that the spec does not declare, and what
/// the system refuses.
pub fn export(
    model: &'static Compiled,
    from: &Path,
    to: &Path,
    settings: Settings<'_>,
) -> Result<()> {
    let slice = Slice::new(&model.schema, settings.surface, settings.product)?;
    require_free(to, settings.replace)?;
    let from = checkpoint::find_model(from)?;
    let (weights, vocabularies) = checkpoint::load_model(&from, &model.schema)?;
    let metadata = weights.metadata.clone();
    let scorer = Scorer::load(model, weights)?;
    let mut weights = Writer::default();
    weights.metadata = metadata;
    scorer.write(&mut weights);
    folder::write_folder(to, |folder| {
        copy(&from, folder)?;
        write_declared(folder, &model.schema, &slice, &vocabularies)?;
        let graphs = onnx::files(model, &scorer.index, &slice, settings.tables);
        let mut manifest = Manifest::new(&model.schema, &slice, &graphs, settings.tables);
        write_weights(
            folder,
            &model.schema,
            &slice,
            (graphs, settings.embed),
            weights,
        )?;
        manifest.files = checksums::digests(folder)?;
        write_json(folder, MANIFEST, &manifest)
    })
}

/// Requires that nothing is at the path, or an export that may be replaced.
fn require_free(to: &Path, replace: bool) -> Result<()> {
    let refused = |cause, fix| Err(Error::usage(to.display().to_string(), cause, fix));
    if !to.exists() {
        return Ok(());
    }
    match (to.join(MANIFEST).exists(), replace) {
        (true, true) => Ok(()),
        (true, false) => refused(
            "this folder already contains an export",
            "add `--force` to replace it, or choose another folder with `--out`",
        ),
        (false, _) => refused(
            "this path exists, and is not an export",
            "choose a folder that does not exist with `--out`",
        ),
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    for name in COPIED {
        let path = from.join(name);
        if path.exists() {
            fs::copy(&path, to.join(name))
                .map_err(|source| Error::file(&path, "copy it", source))?;
        }
    }
    Ok(())
}

/// Writes what follows from the spec and the vocabularies.
fn write_declared(
    folder: &Path,
    schema: &'static Schema,
    slice: &Slice,
    vocabularies: &Vocabularies,
) -> Result<()> {
    write(folder, checkpoint::GRAPH, schema.graph)?;
    let tables = slice.tables(schema).into_iter();
    let tables: Vec<_> = tables.map(|table| schema.table(table)).collect();
    for table in &tables {
        if let Index::Lines { lines, .. } = &table.index {
            write(folder, &checkpoint::lines_file(table), lines)?;
        }
    }
    let numbers = Tower::ALL.into_iter().flat_map(|tower| {
        let features = slice.features(schema, tower);
        features.map(move |(_, feature)| number_key(tower, &feature.name))
    });
    let numbers: BTreeSet<String> = numbers.collect();
    let learned = vocabularies.part_to_json(
        |name| tables.iter().any(|table| table.name == name),
        |number| numbers.contains(number),
    )?;
    write(folder, checkpoint::VOCABULARY, &learned)?;
    write_json(folder, ENCODER, &Encoder::new(schema, slice, vocabularies)?)
}

/// Writes the weights and the graphs, which refer to them.
fn write_weights(
    folder: &Path,
    schema: &Schema,
    slice: &Slice,
    (graphs, embed): (Vec<OnnxFile>, bool),
    mut weights: Writer<'_>,
) -> Result<()> {
    if slice.is_part {
        let tables = slice.tables(schema).into_iter();
        let mut wanted: BTreeSet<String> = tables
            .map(|table| key::table(&schema.table(table).name))
            .collect();
        wanted.extend(graphs.iter().flat_map(OnnxFile::keys).map(str::to_owned));
        weights.keep(|key| wanted.contains(key));
        // No model has these weights: a loader refuses them with this.
        let hash = format!("a part of {}", schema.weights_hash);
        weights.metadata.insert("weights_hash".to_owned(), hash);
    }
    let metadata = [
        ("model", &*schema.name),
        ("spec_hash", schema.spec_hash),
        ("weights_hash", schema.weights_hash),
        ("graph_hash", schema.graph_hash),
    ];
    let places = weights.places();
    let path = folder.join(checkpoint::MODEL);
    weights.save(&path)?;
    let stored = match embed {
        true => Weights::Embedded(&path),
        false => Weights::Beside(checkpoint::MODEL, &places),
    };
    let mut graphs = graphs.into_iter();
    graphs.try_for_each(|graph| graph.write(folder, stored, &metadata))
}

fn write_json(folder: &Path, name: &str, content: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(content)
        .map_err(|error| Error::run(name, error.to_string(), "report this as a bug"))?;
    write(folder, name, &(text + "\n"))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|source| Error::file(&path, "write it", source))
}
