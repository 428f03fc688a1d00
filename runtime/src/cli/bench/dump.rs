//! `--dump`: graph, batches, weights and what steps make of them, as safetensors, so that another implementation can be fed
//! the same and compared.
//!
//! - `graph.yaml`, `batch.N.safetensors`: see [`batches`].
//! - `weights.safetensors` and, after one step and after all, `weights.1.…` and `weights.last.…`; `optimiser.1.safetensors`
//!   has the moments after the first step: the first moment is a tenth of the gradient, clipped.
//! - `scores.safetensors`, `scores.last.safetensors`: of the first batch, in evaluation, by task `rows`, `lp` and `lq`.
//! - `oracle.json`: learning rates' factor; by step the norm of the dense gradients and the loss by task.

use std::fs;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize};
use serde_json::json;

use super::steps::{FACTOR, Steps};
use crate::bug::zip_equal;
use crate::data::batch::{Batch, Column, TowerBatch};
use crate::error::{Error, Result};
use crate::evaluation::TaskPredictions;
use crate::params::Writer;
use crate::schema::{Schema, Tower};
use crate::training::{Exported, StepReport};

/// How much further than the benchmark's steps the oracle's go, so that rounding does not hide what they do.
const STRIDE: f64 = 10.0;

/// Writes the graph, and one file a batch: `surface`, `product`, `labels/TASK`, `weights/TASK` by row; `query/…` and
/// `item/…` by place: `order` (the row at each place), `domains` (where each domain's places begin, and the end), and for
/// each feature `NAME`, of lists `NAME/offsets`, `NAME/ids` and, where entries have weights, `NAME/weights`.
pub fn batches<'a>(
    schema: &Schema,
    batches: impl Iterator<Item = &'a Batch>,
    folder: &Path,
) -> Result<()> {
    if let Some(request) = &schema.rows.request {
        return Err(Error::usage(
            &*request.place,
            "a dump has each row for itself, and this spec shares query rows by request",
            "dump a variant without `request`",
        ));
    }
    fs::create_dir_all(folder)
        .map_err(|source| Error::file(folder, "create the folder", source))?;
    write(&folder.join("graph.yaml"), schema.graph.as_bytes())?;
    for (index, batch) in batches.enumerate() {
        let mut arrays = Arrays::default();
        arrays.indices("surface", batch.surface.iter().copied());
        arrays.indices("product", batch.product.iter().copied());
        let columns = [("labels", &batch.labels), ("weights", &batch.weights)];
        for (kind, columns) in columns {
            for (task, column) in zip_equal(&*schema.tasks, columns) {
                arrays.numbers(format!("{kind}/{}", task.name), column, None);
            }
        }
        arrays.tower(schema, Tower::Query, "query", &batch.query);
        arrays.tower(schema, Tower::Item, "item", &batch.item);
        arrays.save(&folder.join(format!("batch.{index}.safetensors")))?;
    }
    Ok(())
}

/// Writes weights and scores before and after `count` steps, which go round the batches, and what the steps reported.
pub fn oracle(schema: &Schema, steps: &mut Steps, count: usize, folder: &Path) -> Result<()> {
    let save = |name: &str, weights: Writer<'_>| weights.save(&folder.join(name));
    let factor = FACTOR * STRIDE;
    save("weights.safetensors", steps.trainer().export().model)?;
    scores(schema, steps, &folder.join("scores.safetensors"))?;
    let mut reports = Vec::with_capacity(count);
    for index in 0..count {
        let report = steps.step(factor)?;
        reports.push(json(schema, &report));
        if index == 0 {
            let Exported { model, optimiser } = steps.trainer().export();
            save("weights.1.safetensors", model)?;
            save("optimiser.1.safetensors", optimiser)?;
        }
    }
    save("weights.last.safetensors", steps.trainer().export().model)?;
    scores(schema, steps, &folder.join("scores.last.safetensors"))?;
    let oracle = json!({ "factor": factor, "steps": reports });
    write(&folder.join("oracle.json"), oracle.to_string().as_bytes())
}

fn json(schema: &Schema, report: &StepReport) -> serde_json::Value {
    let tasks = zip_equal(&*schema.tasks, &report.tasks);
    let losses: serde_json::Map<String, serde_json::Value> = tasks
        .filter_map(|(task, loss)| loss.map(|loss| (task.name.to_string(), json!(loss.mean))))
        .collect();
    json!({ "norm": report.norm, "losses": losses })
}

fn scores(schema: &Schema, steps: &mut Steps, path: &Path) -> Result<()> {
    let predictions = steps.score();
    let mut arrays = Arrays::default();
    for (task, TaskPredictions { rows, lp, lq }) in zip_equal(&*schema.tasks, &predictions) {
        arrays.indices(format!("{}/rows", task.name), rows.iter().copied());
        arrays.numbers(format!("{}/lp", task.name), lp, None);
        arrays.numbers(format!("{}/lq", task.name), lq, None);
    }
    arrays.save(path)
}

/// Named arrays on their way to a file.
#[derive(Default)]
struct Arrays(Vec<(String, Dtype, Vec<usize>, Vec<u8>)>);

impl Arrays {
    fn indices<T: Into<u32>>(&mut self, name: impl Into<String>, values: impl Iterator<Item = T>) {
        let bytes: Vec<u8> = values
            .flat_map(|value| value.into().to_le_bytes())
            .collect();
        let shape = vec![bytes.len() / size_of::<u32>()];
        self.0.push((name.into(), Dtype::U32, shape, bytes));
    }

    /// `[values]`, or `[values / width, width]`. Without values, nothing.
    fn numbers(&mut self, name: impl Into<String>, values: &[f32], width: Option<usize>) {
        if values.is_empty() {
            return;
        }
        let shape = match width {
            Some(width) => vec![values.len() / width.max(1), width],
            None => vec![values.len()],
        };
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.0
            .push((name.into(), Dtype::F32, shape, bytes.collect()));
    }

    fn tower(&mut self, schema: &Schema, tower: Tower, name: &str, batch: &TowerBatch) {
        let starts = batch.domains.iter().map(|places| places.start as u32);
        let end = batch.order.len() as u32;
        self.indices(format!("{name}/domains"), starts.chain([end]));
        self.indices(format!("{name}/order"), batch.order.iter().copied());
        for (feature, column) in zip_equal(schema.features(tower), &batch.columns) {
            let key = format!("{name}/{}", feature.name);
            match column {
                Column::Ids(ids) => self.indices(key, ids.iter().copied()),
                Column::Lists {
                    offsets,
                    ids,
                    weights,
                } => {
                    self.indices(format!("{key}/offsets"), offsets.iter().copied());
                    self.indices(format!("{key}/ids"), ids.iter().copied());
                    self.numbers(format!("{key}/weights"), weights, None);
                }
                Column::Vectors { width, values } => self.numbers(key, values, Some(*width)),
                Column::Numbers(values) => self.numbers(key, values, None),
            }
        }
    }

    fn save(&self, path: &Path) -> Result<()> {
        let failed = |error: safetensors::SafeTensorError| {
            Error::run("the dump", error.to_string(), "report this as a bug")
        };
        let views = self.0.iter().map(|(name, dtype, shape, bytes)| {
            let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(failed)?;
            Ok((name.as_str(), view))
        });
        let views = views.collect::<Result<Vec<_>>>()?;
        write(path, &serialize(views, None).map_err(failed)?)
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(|source| Error::file(path, "write the file", source))
}
