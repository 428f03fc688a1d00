//! `train --warm-start`: a model that starts from another one's weights.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::wrapped::push_wrapped;
use crate::error::{Error, Result};
use crate::evaluation::grouped;
use crate::params::Reader;
use crate::params::transfer;
use crate::schema::transfer::{Dimension, Fate, ModelRef, Planned, Slice, Transfer};
use crate::schema::{Choice as _, Schema};
use crate::training::{RunFolder, Trainer, checkpoint};
use crate::vocab::{Earlier, Growth, Vocabularies, rows_by_value};

/// Keys that are named of a list at most.
const NAMED: usize = 12;

/// The weights to start from, and what is taken over of them.
pub struct WarmStart {
    folder: PathBuf,
    plan: Transfer,
    /// The plan as it was given, kept with the run.
    text: String,
    weights: Reader,
    earlier: Earlier,
    /// By vocabulary that continues; empty until [`Self::vocabularies`] has joined them.
    growths: Vec<Growth>,
}

impl WarmStart {
    /// The weights in the folder of `--warm-start`, with the plan of `--plan`; `None` without a folder.
    ///
    /// # Errors
    /// Files that cannot be read or are damaged, no plan, and a plan of other weights or of another model.
    pub fn read(
        schema: &Schema,
        folder: Option<&Path>,
        plan: Option<&Path>,
    ) -> Result<Option<Self>> {
        let Some(path) = folder else {
            return Ok(None);
        };
        let plan = plan.ok_or_else(|| {
            Error::usage(
                "--warm-start",
                "a warm start needs a plan",
                "run `mtmdc train SPEC --warm-start DIR`, which makes it, or add `--plan FILE`",
            )
        })?;
        let folder = checkpoint::find_model(path)?;
        let (weights, vocabularies) = checkpoint::open_model(&folder)?;
        let text = read_plan(plan)?;
        let plan = transfer::parse(&text).map_err(|cause| misplanned(&folder, cause))?;
        let found = weights.metadata.get("weights_hash");
        let found = found.map_or("?", String::as_str);
        for (what, found, planned) in [
            ("the weights", found, &plan.old),
            ("the model's weights", schema.weights_hash, &plan.new),
        ] {
            let ModelRef {
                model,
                weights_hash,
            } = planned;
            if found != weights_hash {
                let cause = format!(
                    "{what} have the hash {found}, the plan is for {weights_hash} (model `{model}`)"
                );
                return Err(misplanned(&folder, cause));
            }
        }
        Ok(Some(Self {
            earlier: Earlier::parse(&vocabularies)?,
            folder,
            plan,
            text,
            weights,
            growths: Vec::new(),
        }))
    }

    /// The vocabularies of the training rows after those of the weights: what has a row keeps it.
    ///
    /// # Errors
    /// A plan of another model.
    pub fn vocabularies(
        &mut self,
        schema: &Schema,
        learned: &Vocabularies,
    ) -> Result<Vocabularies> {
        let tables = self.plan.by_value();
        let tables = tables
            .map(|(to, from)| Ok((self.table(to)?.to_owned(), self.table(from)?.to_owned())))
            .collect::<Result<_>>()?;
        let moments = self.plan.moments.iter();
        let moments = moments.map(|carried| (carried.to.clone(), carried.from.clone()));
        let (continued, growths) =
            learned.after(schema, &self.earlier, &tables, &moments.collect())?;
        self.growths = growths;
        Ok(continued)
    }

    /// Gives a new trainer, whose biases are set, the weights that the plan transfers, and keeps the
    /// plan in the run's folder. Optimisers start afresh. Returns what is to be said of it.
    ///
    /// # Errors
    /// A plan that does not fit weights or model, all of it at once, and what the system refuses.
    pub fn start(
        self,
        trainer: &mut Trainer,
        vocabularies: &Vocabularies,
        folder: &RunFolder,
    ) -> Result<String> {
        let rows = self.rows(vocabularies)?;
        let told = self.told();
        let copied = transfer::apply(&self.plan, self.weights, &mut trainer.targets(), &rows);
        copied.map_err(|problems| {
            let list: Vec<String> = problems.iter().map(|it| format!("\n  {it}")).collect();
            misplanned(&self.folder, format!("it does not fit:{}", list.concat()))
        })?;
        trainer.scorer().require_zero_rows()?;
        let path = folder.warm_start();
        fs::write(&path, &self.text)
            .map_err(|source| Error::file(&path, "write the plan", source))?;
        Ok(told)
    }

    /// The rows that are copied of tables that go by value.
    fn rows(&self, vocabularies: &Vocabularies) -> Result<BTreeMap<String, Vec<Slice>>> {
        let mut rows = BTreeMap::new();
        for planned in &self.plan.weights {
            if let Some(fit) = planned.dims.iter().find(|fit| fit.by.is_some()) {
                let slices = self.rows_of(planned, fit, vocabularies)?;
                rows.insert(planned.key.clone(), slices);
            }
        }
        Ok(rows)
    }

    /// The same of one table, whose rows are `fit`.
    fn rows_of(
        &self,
        planned: &Planned,
        fit: &Dimension,
        vocabularies: &Vocabularies,
    ) -> Result<Vec<Slice>> {
        let Planned { key, from, .. } = planned;
        let from = from.as_deref().ok_or_else(|| {
            let cause = format!("`{key}` goes by value, but comes from no weight");
            misplanned(&self.folder, cause)
        })?;
        let earlier = self.earlier.values(self.table(from)?)?;
        let name = self.table(key)?;
        let mut learned = vocabularies.learned();
        let now = learned.find(|vocabulary| vocabulary.table == name);
        let now = now.ok_or_else(|| {
            let cause = format!("`{key}` goes by value, but table `{name}` has no vocabulary");
            misplanned(&self.folder, cause)
        })?;
        let others = fit.others.map(|piece| piece.from..piece.from + piece.width);
        // Rows without a value too, so that what is kept is kept to the last bit.
        let whole = kept_rows(planned).map(Slice::whole);
        let pieces = whole.into_iter();
        let pieces = pieces.chain(rows_by_value(earlier, &now.values, others));
        Ok(pieces.chain(fit.others).collect())
    }

    /// Name of a table by the key of its weight.
    fn table<'k>(&self, key: &'k str) -> Result<&'k str> {
        let name = key.strip_prefix("tables.");
        let name = name.and_then(|name| name.strip_suffix(".weight"));
        name.ok_or_else(|| {
            let cause = format!("`{key}` goes by value, but is no table's weight");
            misplanned(&self.folder, cause)
        })
    }

    /// How many weights have each fate, and all that is lost.
    fn told(&self) -> String {
        let old = &self.plan.old.model;
        let mut text = format!("\nstarts from {} (model `{old}`)\n", self.folder.display());
        for &fate in Fate::ALL {
            let of = self.plan.weights.iter().filter(|it| it.fate == fate);
            let shapes: Vec<&[usize]> = of.map(|planned| &*planned.shape).collect();
            if !shapes.is_empty() {
                text.push_str(&line(fate.word(), &shapes));
            }
        }
        let dropped = &self.plan.dropped;
        if !dropped.is_empty() {
            let shapes: Vec<&[usize]> = dropped.iter().map(|it| &*it.shape).collect();
            text.push_str(&line("dropped", &shapes));
            let more = dropped.len().saturating_sub(NAMED);
            let more = (more > 0).then(|| format!("and {more} more, named in warm_start.json"));
            let keys = dropped.iter().take(NAMED).map(|it| it.key.clone());
            push_wrapped(&mut text, "  ", keys.chain(more));
        }
        let growths = self.growths.iter().map(|growth| {
            let notes = [
                (growth.added, "new"),
                (growth.lost, "dropped for want of room"),
            ];
            let notes = notes.into_iter().filter(|(count, _)| *count > 0);
            let notes = notes.map(|(count, what)| format!("{} {what}", grouped(count as u64)));
            let entry = format!("{} {}", growth.table, grouped(growth.kept as u64));
            match &*notes.collect::<Vec<_>>().join("; ") {
                "" => entry,
                notes => format!("{entry} ({notes})"),
            }
        });
        push_wrapped(&mut text, "values that keep their rows: ", growths);
        text.push_str("the optimisers' moments start at zero\n");
        text
    }
}

/// How many rows a table has, if the plan takes it over as it is.
fn kept_rows(planned: &Planned) -> Option<usize> {
    let is_kept = matches!(planned.fate, Fate::Kept | Fate::Renamed);
    planned.shape.first().copied().filter(|_| is_kept)
}

fn line(fate: &str, shapes: &[&[usize]]) -> String {
    let entries: u64 = shapes
        .iter()
        .map(|shape| shape.iter().map(|&size| size as u64).product::<u64>())
        .sum();
    format!(
        "  {fate:<8} {:>7} weights  {:>13} numbers\n",
        grouped(shapes.len() as u64),
        grouped(entries)
    )
}

fn read_plan(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        let read = io::stdin().lock().read_to_string(&mut text);
        read.map_err(|source| Error::file("standard input", "read the plan", source))?;
        return Ok(text);
    }
    fs::read_to_string(path).map_err(|source| Error::file(path, "read the plan", source))
}

fn misplanned(folder: &Path, cause: impl Into<String>) -> Error {
    Error::weights(
        format!("the plan of a warm start from {}", folder.display()),
        cause,
        "let `mtmdc train SPEC --warm-start DIR` make the plan, and give it a folder that no other program changes",
    )
}
