//! The Open Inference Protocol, version 2: rows in, the probability of each task out.

#![expect(
    clippy::indexing_slicing,
    reason = "a key of a JSON object is made where it is not there"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, RecordBatch, new_null_array};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::{Call, Refusal, number, told};
use super::features::RequestRows;
use super::metrics::Stage;
use super::tensors::{Parameters, Tensor, description};
use crate::bug::{bug, zip_equal};
use crate::schema::{Schema, TaskId};
use crate::score::ScoringBatch;

/// `POST /v2/models/NAME/infer`.
#[derive(Debug, Deserialize)]
struct InferRequest {
    id: Option<String>,
    inputs: Vec<Tensor>,
    outputs: Option<Vec<OutputRequest>>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Debug, Deserialize)]
struct OutputRequest {
    name: String,
    #[serde(default)]
    parameters: Parameters,
}

/// An answer: JSON, and what stands behind it.
#[derive(Debug)]
pub struct Inferred {
    /// The JSON.
    pub head: Vec<u8>,
    /// The outputs that were wanted as bytes, one after another.
    pub bytes: Vec<u8>,
}

/// Names, inputs and outputs of the model.
pub fn metadata(schema: &Schema, rows: &RequestRows, weights: &str) -> Json {
    let inputs: Vec<Json> = rows
        .columns()
        .fields()
        .iter()
        .map(|field| description(field))
        .collect();
    let outputs = schema.tasks.iter();
    let outputs: Vec<Json> = outputs
        .map(|task| json!({ "name": &*task.name, "datatype": "FP32", "shape": [-1] }))
        .collect();
    json!({
        "name": &*schema.name,
        "versions": [weights],
        "platform": "mtmdc",
        "inputs": inputs,
        "outputs": outputs,
    })
}

impl Call<'_> {
    /// Scores rows. The first `head` bytes of the body are JSON, all of them if it is `None`.
    ///
    /// # Errors
    /// What cannot be answered, and why.
    pub fn infer(&self, body: &[u8], head: Option<usize>) -> Result<Inferred, Refusal> {
        let started = Instant::now();
        let (json, bytes) = match head {
            None => (body, &[][..]),
            Some(head) => body.split_at_checked(head).ok_or_else(|| {
                Refusal::Malformed(format!(
                    "a body of {} bytes has no head of {head}",
                    body.len()
                ))
            })?,
        };
        let request: InferRequest =
            serde_json::from_slice(json).map_err(|error| Refusal::Malformed(error.to_string()))?;
        let rows = request.inputs.first().map_or(0, Tensor::rows);
        self.limit("the number of rows", rows)?;
        let batch = self.batch(&request.inputs, bytes, rows)?;
        let outputs = self.outputs(&request)?;
        let decoder = &self.version.pair.decoder;
        let inputs = decoder
            .inputs(&batch, Path::new("the request"), &mut decoder.report())
            .map_err(|error| Refusal::Unusable(told(&error)))?;
        self.metrics.took(Stage::Decode, started.elapsed());
        let started = Instant::now();
        let places = inputs.rows;
        let batch = ScoringBatch::new(self.version.scorer.plan(), inputs.batch);
        let scores = self.version.scorer.ready().scores(&batch);
        self.metrics.took(Stage::Score, started.elapsed());
        let mut answer = Vec::with_capacity(outputs.len());
        let mut behind = Vec::new();
        for (task, binary) in outputs {
            let mut values = vec![f32::NAN; rows];
            let (Some(pairs), Some(scores)) = (batch.pairs.get(task.0), scores.get(task.0)) else {
                bug!("no scores of task {}", task.0);
            };
            for (row, lp) in zip_equal(&pairs.rows, &scores.lp) {
                let place = places.get(*row as usize);
                match place.and_then(|place| values.get_mut(*place as usize)) {
                    Some(to) => *to = lp.exp() as f32,
                    None => bug!("row {row} of {rows}"),
                }
            }
            let name = &*self.version.schema().task(task).name;
            let mut output = json!({ "name": name, "datatype": "FP32", "shape": [rows] });
            match binary {
                true => {
                    output["parameters"] = json!({ "binary_data_size": rows * size_of::<f32>() });
                    behind.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                }
                false => output["data"] = values.into_iter().map(number).collect(),
            }
            answer.push(output);
        }
        let mut head = json!({
            "model_name": &*self.version.schema().name,
            "model_version": self.version.weights,
            "outputs": answer,
        });
        if let Some(id) = request.id {
            head["id"] = Json::from(id);
        }
        Ok(Inferred {
            head: head.to_string().into_bytes(),
            bytes: behind,
        })
    }

    /// The rows of the inputs. A column that is not there is missing.
    fn batch(
        &self,
        inputs: &[Tensor],
        mut bytes: &[u8],
        rows: usize,
    ) -> Result<RecordBatch, Refusal> {
        let columns = self.version.pair.rows.columns();
        let mut arrays: Vec<Option<ArrayRef>> = vec![None; columns.fields().len()];
        for input in inputs {
            let (own, rest) = bytes.split_at_checked(input.bytes()).ok_or_else(|| {
                Refusal::Malformed(format!("the body ends within input `{}`", input.name))
            })?;
            bytes = rest;
            let place = columns.index_of(&input.name).map_err(|_| {
                let known: Vec<&str> = columns
                    .fields()
                    .iter()
                    .map(|it| it.name().as_str())
                    .collect();
                Refusal::Unusable(format!(
                    "`{}` is none of the inputs {}",
                    input.name,
                    known.join(", ")
                ))
            })?;
            if input.rows() != rows {
                return Err(Refusal::Unusable(format!(
                    "input `{}` has {} rows, the first has {rows}",
                    input.name,
                    input.rows()
                )));
            }
            let column = input.column(own, columns.field(place).data_type());
            let column = column.map_err(Refusal::Unusable)?;
            if let Some(to) = arrays.get_mut(place)
                && to.replace(column).is_some()
            {
                return Err(Refusal::Unusable(format!(
                    "input `{}` stands twice",
                    input.name
                )));
            }
        }
        if !bytes.is_empty() {
            return Err(Refusal::Malformed(format!(
                "{} bytes behind the last input",
                bytes.len()
            )));
        }
        let arrays = zip_equal(columns.fields().iter(), arrays)
            .map(|(field, array)| array.unwrap_or_else(|| new_null_array(field.data_type(), rows)));
        RecordBatch::try_new(Arc::clone(columns), arrays.collect())
            .map_err(|error| Refusal::Failed(error.to_string()))
    }

    /// The tasks that are wanted, and whether as bytes.
    fn outputs(&self, request: &InferRequest) -> Result<Vec<(TaskId, bool)>, Refusal> {
        let all = request.parameters.binary_data_output;
        match &request.outputs {
            None => {
                let tasks = 0..self.version.schema().tasks.len();
                Ok(tasks.map(|task| (TaskId(task), all)).collect())
            }
            Some(outputs) => outputs
                .iter()
                .map(|output| {
                    Ok((
                        self.task(&output.name)?,
                        all || output.parameters.binary_data,
                    ))
                })
                .collect(),
        }
    }
}
