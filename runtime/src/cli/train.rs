//! `train`: from data to a model and its figures.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::args::TrainArgs;
use super::{NewLearner, eval, say, set_threads};
use crate::data::{self, Dataset, Parts, Statistics, Vocabularies};
use crate::error::{Error, Result};
use crate::evaluation::{Report, grouped};
use crate::schema::{Schema, Split, Training};
use crate::training::{
    Existing, Fit, Learner, RunFolder, State, checkpoint, duration, evaluate, has_rows,
};

pub fn train(schema: &'static Schema, args: &TrainArgs, new_learner: &NewLearner<'_>) -> Result<()> {
    let started = Instant::now();
    set_threads(args.threads)?;
    let device = args.device.open()?;
    let dataset = Dataset::open(schema, &args.data)?;
    let folder = open_folder(schema, args)?;
    let (mut state, vocabularies, saved) = if args.resume {
        resume(&folder, &dataset)?
    } else {
        let (state, vocabularies) = first_pass(&dataset, args)?;
        (state, vocabularies, None)
    };
    let mut learner = new_learner(&state.training, &device);
    match saved {
        Some((weights, optimiser)) => learner.import(weights, Some(optimiser))?,
        None => learner.set_biases(&biases(&state.statistics))?,
    }
    let parts = EvaluationParts::find(&dataset, &vocabularies, state.refit)?;
    let fit = Fit {
        dataset: &dataset,
        vocabularies: &vocabularies,
        folder: &folder,
        validate: parts.validate,
        quiet: args.quiet,
    };
    let validation = fit.run(learner.as_mut(), &mut state)?;
    let exported = learner.export()?;
    checkpoint::save_model(&folder.model(), schema, &vocabularies, exported.model)?;
    let report = final_report(learner.as_ref(), &dataset, &vocabularies, &parts, validation)?;
    eval::show(&report);
    eval::write_json(&folder.evaluation(), &report)?;
    say(format!(
        "\nTrained in {}. The model lies in {}, every figure in {}.",
        duration(started.elapsed().as_secs_f64()),
        folder.model().display(),
        folder.evaluation().display(),
    ));
    Ok(())
}

fn open_folder(schema: &Schema, args: &TrainArgs) -> Result<RunFolder> {
    let root = match &args.out {
        Some(out) => out.clone(),
        None => Path::new("runs").join(schema.name),
    };
    let existing = match (args.resume, args.force) {
        (true, _) => Existing::Resume,
        (false, true) => Existing::Replace,
        (false, false) => Existing::Refuse,
    };
    RunFolder::open(&root, existing)
}

fn first_pass(dataset: &Dataset, args: &TrainArgs) -> Result<(State, Arc<Vocabularies>)> {
    let schema = dataset.schema();
    let mut training: Training = schema.training.clone();
    training.epochs = args.epochs.unwrap_or(training.epochs);
    training.batch = args.batch.unwrap_or(training.batch);
    training.seed = args.seed.unwrap_or(training.seed);
    let parts = if args.refit { Parts::TRAIN | Parts::VALIDATE } else { Parts::TRAIN };
    let learned = dataset.learn(parts)?;
    say(data_report(schema, &learned));
    let state = State {
        max_rows: args.max_rows.map(|rows| rows as u64),
        checkpoint_every: args.checkpoint_every.map(|steps| steps as u64),
        ..State::new(schema, training, args.refit, dataset.rows(), learned.statistics)
    };
    Ok((state, Arc::new(learned.vocabularies)))
}

type Saved = (crate::weights::Weights, crate::weights::Weights);

/// Reads the last checkpoint of the run.
fn resume(
    folder: &RunFolder,
    dataset: &Dataset,
) -> Result<(State, Arc<Vocabularies>, Option<Saved>)> {
    let path: PathBuf = folder.resume_from()?;
    let (weights, vocabularies) = checkpoint::load_model(&path, dataset.schema())?;
    let (optimiser, state) = checkpoint::load_progress(&path)?;
    if state.data_rows != dataset.rows() {
        return Err(Error::data(
            "the data",
            format!(
                "{} rows, where the run began with {}",
                grouped(dataset.rows()),
                grouped(state.data_rows),
            ),
            "give the data that the run began with, or start a new run with `--force` or another `--out`",
        ));
    }
    say(format!("going on from {}", path.display()));
    Ok((state, Arc::new(vocabularies), Some((weights, optimiser))))
}

fn biases(statistics: &Statistics) -> Vec<f64> {
    statistics.tasks.iter().map(data::TaskStatistics::bias).collect()
}

/// Parts of the data that are scored.
struct EvaluationParts {
    /// Whether the validation rows are scored after every epoch.
    validate: bool,
    test: bool,
}

impl EvaluationParts {
    /// Those that the spec declares and the data has, told where the two differ.
    fn find(dataset: &Dataset, vocabularies: &Arc<Vocabularies>, refit: bool) -> Result<Self> {
        let (validate, test) = match dataset.schema().split {
            Split::Hash => (true, true),
            Split::Column { validate, test, .. } => (!validate.is_empty(), !test.is_empty()),
        };
        let present = |declared: bool, part: Parts| -> Result<bool> {
            let found = declared && has_rows(dataset, vocabularies, part)?;
            if declared && !found {
                say(format!("note: the data has no usable row to {part}"));
            }
            Ok(found)
        };
        Ok(Self {
            // What trains is no judge.
            validate: !refit && present(validate, Parts::VALIDATE)?,
            test: present(test, Parts::TEST)?,
        })
    }
}

/// The test rows' figures; without such rows the validation rows', and without those the training
/// rows'.
fn final_report(
    learner: &dyn Learner,
    dataset: &Dataset,
    vocabularies: &Arc<Vocabularies>,
    parts: &EvaluationParts,
    validation: Option<Report>,
) -> Result<Report> {
    if parts.test {
        return evaluate(learner, dataset, vocabularies, Parts::TEST, "test");
    }
    if let Some(validation) = validation {
        return Ok(validation);
    }
    if parts.validate {
        return evaluate(learner, dataset, vocabularies, Parts::VALIDATE, "validate");
    }
    evaluate(learner, dataset, vocabularies, Parts::TRAIN, "train")
}

/// What the first pass found.
fn data_report(schema: &Schema, learned: &data::Learned) -> String {
    let mut text = format!("{}\n", learned.report);
    for (task, found) in schema.tasks.iter().zip(&learned.statistics.tasks) {
        let mean = found.mean().map_or("-".to_owned(), |mean| format!("{mean:.4}"));
        text.push_str(&format!(
            "task {}: {} rows with a label, mean {mean}\n",
            task.name,
            grouped(found.rows),
        ));
    }
    for vocabulary in learned.vocabularies.learned() {
        let left = match (vocabulary.unfit, vocabulary.rare) {
            (0, 0) => String::new(),
            (unfit, rare) => format!(" ({} without room, {} too rare)", grouped(unfit), grouped(rare)),
        };
        text.push_str(&format!(
            "vocabulary {}: {} values{left}\n",
            vocabulary.table,
            grouped(vocabulary.values.len() as u64),
        ));
    }
    text
}
