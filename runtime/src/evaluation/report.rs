//! Collecting predictions by cell, and the report over all of them.

#![expect(
    clippy::indexing_slicing,
    reason = "a row out of the batch, a domain out of its axis and an unknown task stop with a message"
)]

use serde::Serialize;

use super::metrics::{Accumulator, Metrics, rank_buckets};
use crate::bug::{bug, zip_equal};
use crate::data::batch::Batch;
use crate::schema::{Axis, DomainId, Label, Metric, Schema, Select, Task};

/// Predictions of one task for the rows of a batch whose cell exists. The three are of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskPredictions {
    /// Rows of the batch, ascending.
    pub rows: Vec<u32>,
    /// ln P.
    pub lp: Vec<f32>,
    /// ln(1 - P).
    pub lq: Vec<f32>,
}

/// Collects predictions, batch by batch. Memory grows by twelve bytes for each row and task, which
/// AUC and ranking need; all else is sums. The figures are taken task by task, and need four to eight bytes more for each
/// row of the one.
pub struct Evaluator {
    schema: &'static Schema,
    rows: u64,
    tasks: Vec<TaskCells>,
}

struct TaskCells {
    cells: Vec<Cell>,
}

struct Cell {
    surface: usize,
    product: usize,
    group: Accumulator,
}

/// Every figure of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Name of the model.
    pub model: String,
    /// Hash of the spec.
    pub spec_hash: String,
    /// Part of the data: `train`, `validate`, `test`, `all`.
    pub part: String,
    /// Rows that were scored.
    pub rows: u64,
    /// Sum of weight times mean KL, the training loss on these rows, over the tasks whose weight is above 0 and that
    /// have a row with a label; `None` if there is none of them.
    pub loss: Option<f64>,
    /// The tasks, in the schema's order.
    pub tasks: Vec<TaskReport>,
}

/// Figures of one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskReport {
    /// Name of the task.
    pub task: String,
    /// What the task is trained on: a column of scores, or the conjunction of its action columns.
    pub label: String,
    /// The action's columns, joined by ` & `; `None` if the task declares none.
    pub action: Option<String>,
    /// Over all cells.
    pub all: Metrics,
    /// Equal buckets into which the rows are cut by label.
    pub buckets: usize,
    /// LogMAE of the top five of them, highest first; empty for a task
    /// that is trained on an action.
    pub log_mae_by_rank: Vec<Option<f64>>,
    /// Cell by cell: surfaces in the schema's order, products within.
    pub cells: Vec<CellReport>,
}

/// Figures of one task on one cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellReport {
    /// Name of the surface.
    pub surface: String,
    /// Name of the product.
    pub product: String,
    /// The figures.
    #[serde(flatten)]
    pub metrics: Metrics,
}

impl Evaluator {
    /// An evaluator without rows.
    pub fn new(schema: &'static Schema) -> Self {
        let tasks = schema
            .tasks
            .iter()
            .map(|task| TaskCells {
                cells: task
                    .surfaces
                    .iter()
                    .flat_map(|&surface| {
                        task.products
                            .iter()
                            .map(move |product| (surface.0, product.0))
                    })
                    .map(|(surface, product)| Cell {
                        surface,
                        product,
                        group: Accumulator::default(),
                    })
                    .collect(),
            })
            .collect();
        Self {
            schema,
            rows: 0,
            tasks,
        }
    }

    /// Adds a batch and its predictions, one for each task in the schema's order.
    pub fn add(&mut self, batch: &Batch, predictions: &[TaskPredictions]) {
        self.rows += batch.rows as u64;
        let truth = zip_equal(&batch.labels, &batch.actions);
        let streams = zip_equal(&mut self.tasks, zip_equal(predictions, truth));
        for (task, (predicted, (labels, actions))) in streams {
            let places = task.places(self.schema);
            let scores = zip_equal(&predicted.lp, &predicted.lq);
            for (&row, (&lp, &lq)) in zip_equal(&predicted.rows, scores) {
                let row = row as usize;
                let (surface, product) = (batch.surface[row], batch.product[row]);
                let Some(place) = places[usize::from(surface)][usize::from(product)] else {
                    bug!(
                        "a prediction on surface {surface} and product {product}, a cell that its task lacks"
                    );
                };
                let group = &mut task.cells[place].group;
                group.add(lp, lq, labels[row], actions[row]);
            }
        }
    }

    /// A task's figure over all rows of some of its cells; `None` if they do not give it.
    pub fn figure(&self, select: &Select) -> Option<f64> {
        let task = &self.schema.tasks[select.task.0];
        let cells = self.tasks[select.task.0].cells.iter();
        let groups: Vec<&Accumulator> = cells
            .filter(|cell| {
                select.surfaces.has(DomainId(cell.surface))
                    && select.products.has(DomainId(cell.product))
            })
            .map(|cell| &cell.group)
            .collect();
        let metrics = Metrics::of(&groups, matches!(task.label, Label::Score(_)));
        match select.metric {
            Metric::LogMae => metrics.log_mae,
            Metric::Mae => metrics.mae,
            Metric::Kl => metrics.kl,
            Metric::Auc => metrics.auc,
        }
    }

    /// The report over everything added.
    pub fn report(&self, part: &str) -> Report {
        let tasks: Vec<TaskReport> = zip_equal(&*self.schema.tasks, &self.tasks)
            .map(|(task, cells)| cells.report(self.schema, task))
            .collect();
        let loss = zip_equal(&*self.schema.tasks, &tasks)
            .filter(|(task, _)| task.weight > 0.0)
            .filter_map(|(task, report)| Some(task.weight * report.all.kl?))
            .reduce(|sum, term| sum + term);
        Report {
            model: self.schema.name.to_string(),
            spec_hash: self.schema.spec_hash.to_owned(),
            part: part.to_owned(),
            rows: self.rows,
            loss,
            tasks,
        }
    }
}

impl TaskCells {
    /// Place in `cells` of each cell, `[surface][product]`; `None` of those that the task lacks.
    fn places(&self, schema: &Schema) -> Vec<Vec<Option<usize>>> {
        let products = schema.products.domains.len();
        let mut places = vec![vec![None; products]; schema.surfaces.domains.len()];
        for (place, cell) in self.cells.iter().enumerate() {
            places[cell.surface][cell.product] = Some(place);
        }
        places
    }

    fn report(&self, schema: &Schema, task: &Task) -> TaskReport {
        let score = matches!(task.label, Label::Score(_));
        let action = (!task.action.is_empty()).then(|| task.action.join(" & "));
        let all: Vec<&Accumulator> = self.cells.iter().map(|cell| &cell.group).collect();
        let cells = self.cells.iter().map(|cell| CellReport {
            surface: domain_name(&schema.surfaces, cell.surface),
            product: domain_name(&schema.products, cell.product),
            metrics: Metrics::of(&[&cell.group], score),
        });
        TaskReport {
            task: task.name.to_string(),
            label: match &task.label {
                Label::Score(column) => column.to_string(),
                Label::Action => action.clone().unwrap_or_default(),
            },
            action,
            cells: cells.collect(),
            all: Metrics::of(&all, score),
            buckets: schema.evaluation.buckets,
            log_mae_by_rank: if score {
                rank_buckets(&all, schema.evaluation.buckets)
            } else {
                Vec::new()
            },
        }
    }
}

fn domain_name(axis: &Axis, domain: usize) -> String {
    axis.domains[domain].name.to_string()
}
