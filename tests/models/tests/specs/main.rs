//! Every generated model at full size, and small ones of architectures that no spec has, against NumPy in float64, which is
//! built from `graph.yaml` alone (`tests/parity/fixtures_specs.py`): scores, the loss of the whole and by task, BatchNorm's
//! running statistics, and slopes of the loss along fixed directions. There is a slope for each tensor, tables and what
//! domains share among them; in large models for each tensor of two domains of a tower, and one for each other domain.
//! A slope is one number for a tensor: a gradient that is wrong in a direction across the fixed one alone would pass. Gradients
//! by element are compared with finite differences in float64 by the runtime's tests of its executor.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "a broken fixture fails the test"
)]

mod batch;
mod slopes;
mod small;

use std::collections::BTreeSet;
use std::path::Path;

use batch::batch;
use model_tests::{Fixture, MODELS, assert_close, each_model, set_weights, weight};
use mtmd::data::batch::Batch;
use mtmd::exec::heads;
use mtmd::exec::host::{Executor, Step, TowerRows};
use mtmd::params::{Array, Params, Reader, Writer};
use mtmd::schema::Precision;
use mtmd::schema::{Compiled, Tower};
use mtmd::score::{self, ScoringBatch};
use mtmd::tables::{Inputs, Tables};
use mtmd::training::Trainer;

/// Rounding of float32 in ln P and ln (1 - P). Measured: 1.9e-5 in `video`, 5.2e-6 at most elsewhere.
const SCORES: f64 = 5e-5;

/// The same in losses and running statistics. Measured: 2.4e-6 at most.
const STEP: f64 = 1e-5;

macro_rules! tests {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn agrees_with_numpy() {
                    super::agrees_with_numpy(&::$name::MODEL);
                }
            }
        )*
    };
}

each_model!(tests);

#[test]
fn small_models_agree_with_numpy() {
    for model in small::models() {
        agrees_with_numpy(model);
        tables_step_along_their_gradients(model);
    }
}

/// The graph that NumPy reads is the one that the compiler builds from the spec today.
#[test]
fn graphs_of_small_models_are_fresh() {
    let mut names = BTreeSet::new();
    for model in small::models() {
        let name = format!("{}.yaml", model.schema.name);
        let path = small::folder().join(&name);
        let found = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            found == model.schema.graph,
            "{name} is stale: run `mtmdc graph tests/parity/graphs/small.mtmd -o tests/parity/graphs/{name}`, with \
             `--variant` if it is of one, then `python tests/parity/fixtures_specs.py`"
        );
        names.insert(name);
    }
    assert_eq!(files(&small::folder(), "yaml"), names);
}

/// No spec is forgotten.
#[test]
fn every_spec_has_a_model_here() {
    let specs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs");
    let names = MODELS
        .iter()
        .map(|model| format!("{}.mtmd", model.schema.name));
    assert_eq!(files(&specs, "mtmd"), names.collect());
}

/// Names of a folder's files with this ending.
fn files(folder: &Path, ending: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|it| it == ending));
    let name = |path: std::path::PathBuf| path.file_name().map(|it| it.to_string_lossy().into());
    paths.filter_map(name).collect()
}

fn agrees_with_numpy(model: &'static Compiled) {
    let name = &model.schema.name;
    let fixture = Fixture::open(name);
    assert_eq!(
        fixture.metadata("graph_hash"),
        model.schema.graph_hash,
        "the fixture of {name} is stale: run `python tests/parity/fixtures_specs.py {name}`"
    );
    let scores = scores_agree(model, &fixture);
    let (step, (slopes, of)) = steps_agree(model, &fixture);
    fixture.assert_all_read();
    println!("{name}: scores {scores:.1e}, step {step:.1e}, slopes {slopes:.1e} ({of})");
}

/// The scores of evaluation, through tables and executor. Returns the largest distance.
fn scores_agree(model: &'static Compiled, fixture: &Fixture) -> f64 {
    let Compiled { schema, plan } = model;
    let mut trainer = Trainer::new(model, &schema.training, Precision::Float32);
    set_weights(&mut trainer.targets());
    let batch = ScoringBatch::new(plan, batch(schema, fixture));
    let all = trainer.scorer().score(&batch);
    assert_eq!(all.len(), schema.tasks.len(), "tasks");
    let mut furthest = 0.0_f64;
    for (task, scores) in schema.tasks.iter().zip(all) {
        let key = |part: &str| format!("evaluation/{}/{part}", task.name);
        assert_eq!(
            scores.rows,
            fixture.indices(&key("rows")),
            "{}",
            key("rows")
        );
        for (part, actual) in [("lp", scores.lp), ("lq", scores.lq)] {
            let distance = assert_close(&key(part), &actual, fixture.floats(&key(part)), SCORES);
            furthest = furthest.max(distance);
        }
    }
    furthest
}

/// A training step: its batch and what it gives.
fn step(model: &'static Compiled, fixture: &Fixture) -> (Batch, Step<f32>) {
    let Compiled { schema, plan } = model;
    let batch = batch(schema, fixture);
    let mut tables = Tables::read_only(schema, plan);
    set_weights(&mut tables.targets());
    let mut inputs = Inputs::default();
    tables.gather(&batch, &mut inputs);
    let mut params = Params::zeros(plan);
    set_weights(&mut params.targets(&score::index(model)));
    let rows = Tower::ALL.map(|tower| TowerRows::new(batch.tower(tower), inputs.of(tower)));
    let mut step = Step::default();
    let heads = heads::training(plan, &batch);
    Executor::new(plan).step(&params, rows, &heads, Precision::Float32, &mut step);
    (batch, step)
}

/// The loss of a training step, the running statistics after it, and the slopes along its gradient. Returns the largest
/// distances, of the former and of the slopes.
fn steps_agree(model: &'static Compiled, fixture: &Fixture) -> (f64, (f64, String)) {
    let (batch, step) = step(model, fixture);
    let mut furthest = 0.0_f64;
    let mut check = |key: &str, actual: &[f32]| {
        let distance = assert_close(key, actual, fixture.floats(key), STEP);
        furthest = furthest.max(distance);
    };
    check("training/loss", &[step.loss as f32]);
    assert_eq!(step.tasks.len(), model.schema.tasks.len(), "tasks");
    for (task, loss) in model.schema.tasks.iter().zip(&step.tasks) {
        let key = format!("training/{}", task.name);
        assert_eq!(loss.is_some(), fixture.has(&key), "{key}");
        if let Some(loss) = loss {
            check(&key, &[loss.mean as f32]);
        }
    }
    let mut gradients = slopes::of_tables(model, &batch, &step.fields);
    let after = Params {
        values: step.gradient,
        statistics: step.statistics,
    };
    let index = score::index(model);
    for entry in index.entries() {
        let key = index.key(&entry);
        let values = after.of(&entry);
        let statistic = format!("running/{key}");
        match entry.array {
            Array::Values => {
                gradients.insert(key, values.to_vec());
            }
            Array::Statistics if fixture.has(&statistic) => check(&statistic, values),
            // The domain has no row.
            Array::Statistics => assert_eq!(values, weight(&key, entry.shape), "{key}"),
        }
    }
    (furthest, slopes::check(fixture, &gradients))
}

/// The optimiser's first moment of every table after a first step is a tenth of the gradient.
fn tables_step_along_their_gradients(model: &'static Compiled) {
    let Compiled { schema, plan } = model;
    let (batch, step) = step(model, &Fixture::open(&schema.name));
    let mut tables = Tables::new(schema, plan, &schema.training);
    let uses = tables.layout().uses(&batch);
    tables.step(&uses, [&step.fields[0], &step.fields[1]], 1.0);
    tables.flush();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.safetensors");
    let mut writer = Writer::default();
    tables.write_state(&mut writer);
    writer.save(&path).expect("a file");
    let mut reader = Reader::open(&path).expect("the file");
    let gradients = slopes::of_tables(model, &batch, &step.fields);
    for table in schema.tables.iter() {
        let gradient = &gradients[&format!("tables.{}.weight", table.name)];
        let expected: Vec<f64> = gradient.iter().map(|&it| 0.1 * f64::from(it)).collect();
        let mut moment = vec![0.0; gradient.len()];
        let key = format!("tables.{}.weight.exp_avg", table.name);
        assert!(reader.read(&key, &[table.rows, table.dim], &mut moment));
        assert_close(&key, &moment, &expected, 1e-5);
    }
}
