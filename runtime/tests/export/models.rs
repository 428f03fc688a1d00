//! The models that are exported: every spec of the repository, with small tables, and small ones of every architecture and of
//! every kind of input.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use mtmd::data::{Dataset, Parts, RowReader, Scan, synth};
use mtmd::export::{Settings, export};
use mtmd::params::Writer;
use mtmd::schema::{Compiled, Precision, Schema, Spec, TableLookup};
use mtmd::score::ScoringBatch;
use mtmd::training::{Trainer, checkpoint};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use support::rng::Rng;
use support::specs;

/// Rows of a table at most.
const TABLE_ROWS: usize = 300;
/// Rows of data.
const ROWS: u64 = 257;

/// The default settings of an export.
pub const WHOLE: Settings<'_> = Settings {
    surface: None,
    product: None,
    tables: TableLookup::Inside,
    embed: false,
    replace: false,
};

/// A spec, compiled as for a generated crate, its tables cut.
fn compiled(mut spec: Spec) -> &'static Compiled {
    for table in spec.tables.to_mut() {
        let needed = 1 + table.oov + table.index.given().unwrap_or(0);
        table.rows = match table.index {
            mtmd::schema::Index::Buckets => table.rows,
            _ => table.rows.min(TABLE_ROWS.max(needed)),
        };
    }
    let (graph, plan) = specs::lowered_spec(&spec);
    let schema = Schema {
        spec_hash: graph.spec_hash.clone().leak(),
        weights_hash: graph.weights_hash.clone().leak(),
        graph_hash: graph.hash().leak(),
        graph: graph.to_yaml().leak(),
        spec: graph.spec,
    };
    Box::leak(Box::new(Compiled { schema, plan }))
}

/// The models of a spec's text and of its variants.
fn of_text(path: &str, text: &str) -> Vec<&'static Compiled> {
    let specs = specs::with_variants(path, text).into_iter();
    specs.map(compiled).collect()
}

/// The models of the repository's specs.
pub fn of_specs() -> Vec<&'static Compiled> {
    let files = specs::all().into_iter();
    let first = |file: specs::SpecFile| of_text(&file.path, &file.text).swap_remove(0);
    files.map(first).collect()
}

/// Small models of every architecture.
pub fn of_architectures() -> Vec<&'static Compiled> {
    let path = "tests/parity/graphs/small.mtmd";
    of_text(path, &specs::read(path).expect("a spec"))
}

/// A model with every kind of input.
pub fn of_inputs() -> &'static Compiled {
    of_text("inputs.mtmd", include_str!("inputs.mtmd")).swap_remove(0)
}

/// A model with random weights in a folder, its data, and its scores of them.
pub struct Model {
    pub compiled: &'static Compiled,
    folder: PathBuf,
}

impl Model {
    /// Saves a model, and the scores of `rows`; without them, of synthetic ones.
    pub fn new(root: &Path, compiled: &'static Compiled, rows: Option<RecordBatch>) -> Self {
        let schema = &compiled.schema;
        let model = Self {
            compiled,
            folder: root.join(&*schema.name),
        };
        fs::create_dir_all(&model.folder).expect("a folder");
        match rows {
            None => {
                let files = synth(schema, ROWS, 5, 1, &model.folder.join("synth")).expect("rows");
                fs::rename(&files[0], model.data()).expect("a file");
            }
            Some(rows) => {
                let file = fs::File::create(model.data()).expect("a file");
                let mut writer = ArrowWriter::try_new(file, rows.schema(), None).expect("a writer");
                writer.write(&rows).expect("rows");
                writer.close().expect("a file");
            }
        }
        let reader = RowReader::new(Dataset::open(schema, &[model.data()]).expect("data"));
        let vocabularies = reader
            .learn(Parts::TRAIN)
            .expect("vocabularies")
            .vocabularies;
        let mut trainer = Trainer::new(compiled, &schema.training, Precision::Float32);
        for (key, target) in trainer.targets() {
            let width = target.shape.iter().skip(1).product::<usize>().max(1);
            let mut values = weight(&key, &target.shape).into_iter();
            for row in target.values.chunks_mut(target.stride.max(1)) {
                let row = row[target.start..][..width].iter_mut();
                row.zip(values.by_ref()).for_each(|(to, value)| *to = value);
            }
        }
        let scorer = trainer.into_scorer();
        let mut weights = Writer::default();
        scorer.write(&mut weights);
        checkpoint::save_model(&model.model(), schema, &vocabularies, weights, |_| Ok(()))
            .expect("a model");
        let scan = Scan {
            parts: Parts::TRAIN | Parts::VALIDATE | Parts::TEST,
            batch: 64,
            shuffle: None,
            skip: 0,
        };
        let batches = reader
            .batches(&Arc::new(vocabularies), scan)
            .expect("batches");
        // By task, then by row of the file: ln P.
        let mut scores: BTreeMap<&str, BTreeMap<u64, f32>> = BTreeMap::new();
        for batch in batches {
            let batch = ScoringBatch::new(&compiled.plan, batch.expect("a batch"));
            for (task, found) in schema.tasks.iter().zip(scorer.score(&batch)) {
                let to = scores.entry(&task.name).or_default();
                let rows = found
                    .rows
                    .iter()
                    .map(|row| batch.batch.origins[*row as usize].row);
                to.extend(rows.zip(found.lp));
            }
        }
        let rows: usize = scores.values().map(BTreeMap::len).sum();
        assert!(rows > 0, "{}: no row is scored", schema.name);
        let scores: Value = json!(scores);
        fs::write(model.folder.join("scores.json"), scores.to_string()).expect("scores");
        model
    }

    /// The Parquet file.
    fn data(&self) -> PathBuf {
        self.folder.join("rows.parquet")
    }

    /// The folder of the model.
    pub fn model(&self) -> PathBuf {
        self.folder.join("model")
    }

    /// Exports it; returns the folder.
    pub fn export(&self, name: &str, settings: Settings<'_>) -> PathBuf {
        let to = self.folder.join(name);
        export(self.compiled, &self.model(), &to, settings).expect("an export");
        to
    }
}

/// Random elements of an array that depend on its key alone.
fn weight(key: &str, shape: &[usize]) -> Vec<f32> {
    let mut rng = Rng::new(mtmd::hash::hash_text(key));
    let scaled = |u: f64| match shape {
        _ if key.starts_with("tables.") => u,
        _ if key.ends_with(".running_var") => 1.0 + 0.5 * u,
        [_, inputs] => u * (3.0 / *inputs as f64).sqrt(),
        _ if key.ends_with(".norm.weight") => 1.0 + 0.25 * u,
        _ => 0.25 * u,
    };
    let count = shape.iter().product();
    let mut values: Vec<f32> = std::iter::repeat_with(|| scaled(rng.signed()) as f32)
        .take(count)
        .collect();
    if let (true, [_, dim]) = (key.starts_with("tables."), shape) {
        values[..*dim].fill(0.0);
    }
    values
}
