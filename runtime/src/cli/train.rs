//! `train`: from data to a model and its figures.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mtmd_options::Train;
use mtmd_schema::TablePlace;

use super::args::apply_rows;
use super::warm_start::WarmStart;
use super::wrapped::push_wrapped;
use super::{device, eval, say, set_threads, warn};
use crate::bug::zip_equal;
use crate::data::{self, Dataset, Parts, RowReader};
use crate::error::{Error, Result};
use crate::evaluation::{Report, grouped};
use crate::exec::Backend;
use crate::params::{Reader, Writer};
use crate::profile::Recorder;
use crate::schema::{Compiled, Metric, Precision, Schema, Split, Training};
use crate::score::{Scorer, evaluate, evaluate_and_count, golden, has_rows};
use crate::training::{
    Existing, Files, Fit, Interrupt, RunFolder, State, Trainer, checkpoint, cost_table, duration,
    set_first_values,
};
use crate::vocab::Vocabularies;

pub fn train(model: &'static Compiled, args: &Train, plan: Option<&Path>) -> Result<()> {
    let started = Instant::now();
    let schema = &model.schema;
    set_threads(args.machine.threads)?;
    let backend = device::open(args.machine.device, args.tables)?;
    let mut warm = WarmStart::read(schema, args.warm_start.as_deref(), plan)?;
    let dataset = Dataset::open(schema, &args.data)?;
    let folder = open_folder(schema, args)?;
    let reader = apply_rows(&args.bad_rows, dataset, existing(args))?;
    let (mut state, vocabularies, saved) = if args.resume {
        resume(&folder, &reader, args)?
    } else {
        let (state, vocabularies) = first_pass(&reader, args, warm.as_mut())?;
        (state, vocabularies, None)
    };
    let (training, precision) = (&state.training, state.precision);
    let mut trainer = match saved {
        Some((weights, optimiser)) => {
            Trainer::resume(model, training, precision, weights, optimiser)?
        }
        None => {
            let mut trainer = Trainer::new(model, training, precision);
            set_first_values(&mut trainer, &state.statistics, &vocabularies);
            trainer
        }
    };
    trainer.run_on(&backend);
    let asked = (args.tables, backend == Backend::Host);
    if asked == (TablePlace::Device, false) && trainer.table_place() == TablePlace::Host {
        say("note: the device has no room for the tables in one array; they stay in host memory");
    }
    let recorder = args.profile.then(|| record(&mut trainer, model));
    if let Some(warm) = warm {
        say(warm.start(&mut trainer, &vocabularies, &folder)?);
    }
    let parts = EvaluationParts::find(&reader, &vocabularies, state.refit)?;
    let interrupt = Interrupt::listen()?;
    let fit = Fit {
        reader: &reader,
        vocabularies: &vocabularies,
        folder: &folder,
        validate: parts.validate,
        quiet: args.quiet,
        recorder: recorder.as_deref(),
        interrupt: &interrupt,
    };
    let fitted = fit.run(&mut trainer, &mut state);
    let profiled = recorder.map_or(Ok(()), |recorder| show_profile(&recorder, &folder));
    // The first error is the one to tell.
    fitted.and(profiled)?;
    // What follows is done again by `--resume`: a signal may end it.
    drop(interrupt);
    let scorer = choose(model, trainer, &folder, (&state, &backend))?;
    let mut weights = Writer::default();
    scorer.write(&mut weights);
    checkpoint::save_model(&folder.model(), schema, &vocabularies, weights, |path| {
        let scorer = scorer.ready();
        golden::write(&scorer, &reader, &vocabularies, parts.golden(), path)
    })?;
    let report = final_report(&scorer, &reader, &vocabularies, &parts)?;
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

/// Records where the time of the trainer's steps goes.
fn record(trainer: &mut Trainer, model: &'static Compiled) -> Arc<Recorder> {
    let recorder = Arc::new(Recorder::new(model, rayon::current_num_threads()));
    trainer.record(&recorder);
    recorder
}

/// Prints where the time of the steps went, and writes the trace.
fn show_profile(recorder: &Recorder, folder: &RunFolder) -> Result<()> {
    let Some(costs) = recorder.costs() else {
        say("profile: no step was made");
        return Ok(());
    };
    recorder.write_trace(&folder.profile())?;
    say(cost_table(&costs, |line| recorder.line_name(line)));
    say(format!(
        "The last steps are in {}, for https://ui.perfetto.dev or chrome://tracing.",
        folder.profile().display()
    ));
    say("");
    Ok(())
}

fn open_folder(schema: &Schema, args: &Train) -> Result<RunFolder> {
    let root = match &args.out {
        Some(out) => out.clone(),
        None => Path::new("runs").join(&*schema.name),
    };
    RunFolder::open(&root, existing(args))
}

/// What becomes of what a run left.
fn existing(args: &Train) -> Existing {
    match (args.resume, args.force) {
        (true, _) => Existing::Resume,
        (false, true) => Existing::Replace,
        (false, false) => Existing::Refuse,
    }
}

fn first_pass(
    reader: &RowReader,
    args: &Train,
    warm: Option<&mut WarmStart>,
) -> Result<(State, Arc<Vocabularies>)> {
    let schema = reader.schema();
    require_validation(schema, args)?;
    let mut training: Training = schema.training.clone();
    training.epochs = args.epochs.unwrap_or(training.epochs);
    training.batch = args.batch.unwrap_or(training.batch);
    training.seed = args.seed.unwrap_or(training.seed);
    let parts = if args.refit {
        Parts::TRAIN | Parts::VALIDATE
    } else {
        Parts::TRAIN
    };
    let mut learned = reader.learn(parts)?;
    if let Some(warm) = warm {
        learned.vocabularies = warm.vocabularies(schema, &learned.vocabularies)?;
    }
    say(data_report(schema, &learned));
    learned.warnings().iter().for_each(warn);
    let steps = |given: Option<usize>| given.map(|steps| steps as u64);
    let course = &mut training.course;
    course.checkpoint_every = steps(args.checkpoint_every).or(course.checkpoint_every);
    course.validate_every = steps(args.validate_every).or(course.validate_every);
    course.patience = steps(args.patience).or(course.patience);
    course.keep = args.keep.unwrap_or(course.keep);
    let state = State {
        max_rows: steps(args.max_rows),
        precision: args.precision.unwrap_or(Precision::DEFAULT),
        ..State::new(
            schema,
            training,
            args.refit,
            Files::of(reader),
            learned.statistics,
        )
    };
    Ok((state, Arc::new(learned.vocabularies)))
}

/// Refuses settings of validations where no row validates.
fn require_validation(schema: &Schema, args: &Train) -> Result<()> {
    let (validates, _) = judged(schema);
    let asked = [
        ("--patience", args.patience),
        ("--validate-every", args.validate_every),
    ];
    match asked
        .iter()
        .find(|(_, given)| !validates && given.is_some())
    {
        None => Ok(()),
        Some((option, _)) => Err(Error::usage(
            *option,
            "no row validates: the spec's `split` has no `validate`",
            "leave it out, or give the split a part that validates",
        )),
    }
}

/// Whether the spec has rows that validate, and rows that test.
fn judged(schema: &Schema) -> (bool, bool) {
    match &schema.rows.split {
        Split::Hash => (true, true),
        Split::Column { validate, test, .. } => (!validate.is_empty(), !test.is_empty()),
    }
}

type Saved = (Reader, Reader);

/// The model that a run ends with: the weights of its best validation. Prints which they are.
fn choose(
    model: &'static Compiled,
    trainer: Trainer,
    folder: &RunFolder,
    (state, backend): (&State, &Backend),
) -> Result<Scorer> {
    let schema = &model.schema;
    let Some(best) = &state.best else {
        return Ok(trainer.into_scorer());
    };
    let scorer = if best.step == state.step {
        trainer.into_scorer()
    } else {
        let path = folder.checkpoint(best.step);
        match checkpoint::load_model(&path, schema) {
            Ok((weights, _)) => {
                // Not both at once.
                drop(trainer);
                let mut scorer = Scorer::load(model, weights)?;
                scorer.run_on(backend);
                scorer
            }
            Err(error) => {
                warn(format!(
                    "the best checkpoint is lost, and the model is that of the last step: {error}"
                ));
                return Ok(trainer.into_scorer());
            }
        }
    };
    let figure = match &schema.training.course.select {
        None => "loss".to_owned(),
        Some(select) => {
            let task = &schema.task(select.task).name;
            let name = match select.metric {
                Metric::LogMae => "LogMAE",
                Metric::Mae => "MAE",
                Metric::Kl => "KL",
                Metric::Auc => "AUC",
            };
            format!("{name} of {task}")
        }
    };
    say(format!(
        "the model is that of step {} (epoch {}): {figure} {:.4}, the best of {} {}{}",
        grouped(best.step),
        best.epoch,
        best.value,
        grouped(state.validations),
        if state.validations == 1 {
            "validation"
        } else {
            "validations"
        },
        if state.stopped {
            "; the training ended early"
        } else {
            ""
        },
    ));
    say("");
    Ok(scorer)
}

/// Refuses to go on with other files than the run began with: its place in the data means other rows there. With `others`
/// as many rows are enough.
fn require_files(state: &mut State, dataset: &Dataset, others: bool) -> Result<()> {
    let found = Files::of(dataset);
    let began = &state.files;
    let fix = "give the data that the run began with, in the same order, or start a new run with `--force` or another `--out`";
    if found.rows != began.rows {
        let cause = format!(
            "{} rows, where the run began with {}",
            grouped(found.rows),
            grouped(began.rows),
        );
        return Err(Error::data("the data", cause, fix));
    }
    let count = (found.fingerprints.len(), began.fingerprints.len());
    let pairs = found.fingerprints.iter().zip(&began.fingerprints);
    let mut pairs = pairs.zip(dataset.files());
    let other = pairs.find(|((found, began), _)| found != began);
    let place = match other {
        Some((_, path)) => path.display().to_string(),
        None if count.0 != count.1 => "the data".to_owned(),
        None => return Ok(()),
    };
    if others {
        state.files = found;
        return Ok(());
    }
    let cause = match count.0 == count.1 {
        true => "not the file that the run began with at this place".to_owned(),
        false => format!("{} files, where the run began with {}", count.0, count.1),
    };
    let fix = format!("{fix}; if what changed does not matter, add `--other-files`");
    Err(Error::data(place, cause, fix))
}

/// Reads the last whole checkpoint of the run.
fn resume(
    folder: &RunFolder,
    dataset: &Dataset,
    args: &Train,
) -> Result<(State, Arc<Vocabularies>, Option<Saved>)> {
    let (path, damaged) = folder.resume_from()?;
    for cause in damaged {
        warn(format!("set aside, damaged: {cause}"));
    }
    let (weights, vocabularies) = checkpoint::read_model(&path, dataset.schema())?;
    checkpoint::require_spec(&path, dataset.schema(), &weights)?;
    let (optimiser, mut state) = checkpoint::load_progress(&path, dataset.schema())?;
    require_files(&mut state, dataset, args.other_files)?;
    say(format!("going on from {}", path.display()));
    Ok((state, Arc::new(vocabularies), Some((weights, optimiser))))
}

/// Parts of the data that are scored.
struct EvaluationParts {
    /// Whether the validation rows are scored after every epoch.
    validate: bool,
    test: bool,
}

impl EvaluationParts {
    /// Those that the spec declares and the data has, told where the two differ.
    fn find(reader: &RowReader, vocabularies: &Arc<Vocabularies>, refit: bool) -> Result<Self> {
        let (validate, test) = judged(reader.schema());
        let present = |declared: bool, part: Parts| -> Result<bool> {
            let found = declared && has_rows(reader, vocabularies, part)?;
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

impl EvaluationParts {
    /// The part whose rows become golden.
    fn golden(&self) -> Parts {
        match (self.validate, self.test) {
            (true, _) => Parts::VALIDATE,
            (false, true) => Parts::TEST,
            (false, false) => Parts::TRAIN,
        }
    }
}

/// The test rows' figures; without such rows the validation rows', and without those the training
/// rows'.
fn final_report(
    scorer: &Scorer,
    reader: &RowReader,
    vocabularies: &Arc<Vocabularies>,
    parts: &EvaluationParts,
) -> Result<Report> {
    if parts.test {
        let found = evaluate_and_count(scorer, reader, vocabularies, Parts::TEST, "test");
        let (report, rows) = found?;
        eval::tell_bad_rows(rows.as_ref());
        return Ok(report);
    }
    if parts.validate {
        return evaluate(scorer, reader, vocabularies, Parts::VALIDATE, "validate");
    }
    evaluate(scorer, reader, vocabularies, Parts::TRAIN, "train")
}

/// What the first pass found.
fn data_report(schema: &Schema, learned: &data::Learned) -> String {
    let mut text = format!("{}\n", learned.report);
    for (task, found) in zip_equal(&*schema.tasks, &learned.statistics.tasks) {
        let mean = found
            .mean()
            .map_or("-".to_owned(), |mean| format!("{mean:.4}"));
        text.push_str(&format!(
            "task {}: {} rows with a label, mean {mean}\n",
            task.name,
            grouped(found.rows),
        ));
    }
    let vocabularies = learned.vocabularies.learned().map(|vocabulary| {
        let values = grouped(vocabulary.values.len() as u64);
        let mut entry = format!("{} {values}", vocabulary.table);
        if vocabulary.unfit > 0 {
            entry.push_str(&format!(
                " (no room for {} more)",
                grouped(vocabulary.unfit)
            ));
        }
        if vocabulary.rare > 0 {
            entry.push_str(&format!(" ({} too rare)", grouped(vocabulary.rare)));
        }
        if vocabulary.short > 0 {
            let short = grouped(vocabulary.short);
            entry.push_str(&format!(" (counts up to {short} too low)"));
        }
        entry
    });
    push_wrapped(&mut text, "vocabularies: ", vocabularies);
    text
}
