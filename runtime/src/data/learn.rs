//! The first pass over the training rows: vocabularies, label means, rows by cell.

#![expect(
    clippy::indexing_slicing,
    reason = "domains and tasks are those of the schema, each with all rows"
)]

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bug::{bug, zip_equal};
use crate::data::dataset::{Dataset, RowGroupRef};
use crate::data::decode::Decoder;
use crate::data::decode::usable::Usable;
use crate::data::origin::BatchOrigin;
use crate::data::reader::RowReader;
use crate::data::report::RowReport;
use crate::data::split::Parts;
use crate::data::unassigned::Unassigned;
use crate::data::vectors::VectorSize;
use crate::error::{Error, Result};
use crate::schema::{Index, Schema};
use crate::vocab::NumberStatistics;
use crate::vocab::Vocabularies;
use crate::vocab::counts::ValueCounts;
use crate::vocab::moments::{NumberFeature, RunningMoments, numbers};
use crate::vocab::vocabularies::key;

/// What the first pass finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// How raw values find their rows.
    pub vocabularies: Vocabularies,
    /// Counts and means of the rows.
    pub statistics: Statistics,
    /// What became of the rows.
    pub report: RowReport,
    /// Rows of no part of the split, over all of the data.
    pub unassigned: Option<Unassigned>,
    /// How large the entries of each vector feature are.
    pub vectors: Vec<VectorSize>,
}

impl Learned {
    /// What is odd about the data, though every row of it can be read.
    pub fn warnings(&self) -> Vec<String> {
        let rows = self.unassigned.iter().map(ToString::to_string);
        let vectors = self.vectors.iter().filter(|vector| vector.is_odd());
        rows.chain(vectors.map(ToString::to_string)).collect()
    }
}

/// Counts and means over the rows that train.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Rows of each cell, `[surface][product]`.
    pub cells: Vec<Vec<u64>>,
    /// Labels of each task.
    pub tasks: Vec<TaskStatistics>,
    /// Numbers of each domain.
    pub numbers: NumberStatistics,
}

/// Labels of a task.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct TaskStatistics {
    /// Rows with a label.
    pub rows: u64,
    /// Sum of their labels.
    pub sum: f64,
    /// Rows with a label and one of the parent; all rows with a label if there is no parent.
    pub joint_rows: u64,
    /// Sum of their labels, each times the row's weight.
    pub joint_sum: f64,
    /// Sum of the parent's labels on them, 1 without a parent, each times the row's weight.
    pub parent_sum: f64,
}

/// What one row group adds.
struct GroupSums {
    statistics: Statistics,
    counts: Vec<Option<ValueCounts>>,
    /// Of each number, in the order of [`numbers`], those that are there.
    present: Vec<RunningMoments>,
    vectors: Vec<VectorSize>,
    report: RowReport,
}

impl RowReader {
    /// Reads the rows of `parts` once and learns from them. Memory does not grow with the rows, and
    /// with the values of a table that learns a vocabulary up to four times its rows (and 65,536).
    ///
    /// # Errors
    /// Damaged files, rows that the spec says to stop at, and parts without a usable row.
    pub fn learn(&self, parts: Parts) -> Result<Learned> {
        let schema = self.schema();
        let decoder = Decoder::new(self, parts);
        let (units, outside) = self.units(parts);
        let mut all = GroupSums::new(schema, decoder.report());
        all.report.outside = outside;
        // Row groups are read in parallel and added in file order, so that sums and the first error do
        // not depend on the number of threads.
        let together = match self.quarantine() {
            // Lines of the file stand in the order of the rows.
            Some(_) => 1,
            None => rayon::current_num_threads(),
        };
        for units in units.chunks(together) {
            let parts: Vec<Result<GroupSums>> = units
                .par_iter()
                .map(|&unit| learn_unit(self, unit, &decoder))
                .collect();
            for part in parts {
                all.add(part?);
            }
        }
        let unassigned = self.unassigned()?;
        if let (0, Some(rows)) = (all.report.read, &unassigned) {
            let cause = format!("no row is of this part; {}", rows.cause());
            return Err(Error::data(
                format!("the data to {parts}"),
                cause,
                rows.fix(),
            ));
        }
        require_rows(&all.report)?;
        let learned = zip_equal(&*schema.tables, all.counts);
        let learned = learned.filter_map(|(table, counts)| match (&table.index, counts) {
            (Index::Vocabulary { min_count }, Some(counts)) => {
                Some(counts.vocabulary(table, *min_count))
            }
            (Index::Vocabulary { .. }, None) => {
                bug!("the values of table `{}` were not counted", table.name)
            }
            (Index::Hash | Index::Values(_) | Index::Lines { .. } | Index::Buckets, _) => None,
        });
        let all_numbers: Vec<NumberFeature<'_>> = numbers(schema).collect();
        let moments = zip_equal(all_numbers, &all.present);
        let moments = moments.filter(|(number, _)| number.learns());
        let moments = moments.map(|(NumberFeature { tower, feature, .. }, present)| {
            (key(tower, &feature.name), present.moments())
        });
        let vocabularies = Vocabularies::new(schema, learned.collect(), moments.collect())?;
        Ok(Learned {
            vocabularies,
            statistics: all.statistics,
            report: all.report,
            unassigned,
            vectors: all.vectors,
        })
    }
}

/// A pass must use at least one row.
pub(super) fn require_rows(report: &RowReport) -> Result<()> {
    if report.used > 0 {
        return Ok(());
    }
    let cause = if report.read == 0 {
        format!(
            "no row is of this part; {} rows are of others",
            report.outside
        )
    } else {
        format!("no row can be used: {report}")
    };
    Err(Error::data(
        format!("the data to {}", report.parts),
        cause,
        "check the split and the domains of the spec against the data",
    ))
}

fn learn_unit(dataset: &Dataset, unit: RowGroupRef, decoder: &Decoder) -> Result<GroupSums> {
    let schema = dataset.schema();
    let path = dataset.path(unit.file);
    let mut part = GroupSums::new(schema, decoder.report());
    let mut place = BatchOrigin {
        path,
        file: unit.file,
        first_row: unit.first_row,
    };
    for batch in dataset.read(unit, dataset.columns())? {
        let batch = batch?;
        let usable = decoder.usable(&batch, place, &mut part.report)?;
        usable.count(schema, &mut part.counts);
        part.measure(schema, &usable);
        part.statistics.count(schema, &usable);
        place.first_row += batch.num_rows() as u64;
    }
    Ok(part)
}

impl GroupSums {
    fn new(schema: &'static Schema, report: RowReport) -> Self {
        let counts = schema.tables.iter().map(|table| match table.index {
            Index::Vocabulary { .. } => Some(ValueCounts::new(table)),
            Index::Hash | Index::Values(_) | Index::Lines { .. } | Index::Buckets => None,
        });
        Self {
            statistics: Statistics::new(schema),
            counts: counts.collect(),
            present: numbers(schema).map(|_| RunningMoments::default()).collect(),
            vectors: VectorSize::all(schema),
            report,
        }
    }

    /// Adds the numbers and vectors of some rows.
    fn measure(&mut self, schema: &Schema, rows: &Usable) {
        let to = zip_equal(&mut self.present, self.statistics.numbers.iter_mut());
        let numbers: Vec<NumberFeature<'_>> = numbers(schema).collect();
        for (number, (present, read)) in zip_equal(numbers, to) {
            let (values, places) = rows.feature(schema, number.tower, number.index);
            values.measure(&places, present, read);
        }
        let vectors = self.vectors.iter_mut();
        vectors.for_each(|vector| vector.count(schema, rows));
    }

    fn add(&mut self, other: Self) {
        self.statistics.add(&other.statistics);
        self.report.add(other.report);
        zip_equal(&mut self.present, &other.present).for_each(|(to, from)| to.add(from));
        zip_equal(&mut self.vectors, &other.vectors).for_each(|(to, from)| to.add(from));
        for counts in zip_equal(&mut self.counts, other.counts) {
            match counts {
                (Some(to), Some(from)) => to.add(from),
                (None, None) => {}
                (Some(_), None) | (None, Some(_)) => bug!("counts of a table in some parts only"),
            }
        }
    }
}

impl Statistics {
    fn new(schema: &Schema) -> Self {
        Self {
            cells: vec![vec![0; schema.products.domains.len()]; schema.surfaces.domains.len()],
            tasks: vec![TaskStatistics::default(); schema.tasks.len()],
            numbers: NumberStatistics::new(schema),
        }
    }

    fn count(&mut self, schema: &Schema, rows: &Usable) {
        for (&surface, &product) in zip_equal(&rows.surface, &rows.product) {
            self.cells[usize::from(surface)][usize::from(product)] += 1;
        }
        let targets = zip_equal(&rows.labels, &rows.weights);
        let tasks = zip_equal(&*schema.tasks, &mut self.tasks);
        for ((task, to), (labels, weights)) in zip_equal(tasks, targets) {
            let parent = task.given.map(|parent| &rows.labels[parent.0]);
            for (row, &label) in labels.iter().enumerate() {
                if label.is_nan() {
                    continue;
                }
                to.rows += 1;
                to.sum += f64::from(label);
                let given = parent.map_or(1.0, |parent| parent[row]);
                if !given.is_nan() {
                    let weight = match &weights[..] {
                        [] => 1.0,
                        weights => f64::from(weights[row]),
                    };
                    to.joint_rows += 1;
                    to.joint_sum += weight * f64::from(label);
                    to.parent_sum += weight * f64::from(given);
                }
            }
        }
    }

    fn add(&mut self, other: &Self) {
        for (to, from) in zip_equal(&mut self.cells, &other.cells) {
            zip_equal(to, from).for_each(|(to, from)| *to += from);
        }
        for (to, from) in zip_equal(&mut self.tasks, &other.tasks) {
            to.rows += from.rows;
            to.sum += from.sum;
            to.joint_rows += from.joint_rows;
            to.joint_sum += from.joint_sum;
            to.parent_sum += from.parent_sum;
        }
        self.numbers.add(&other.numbers);
    }

    /// Rows of all cells.
    pub fn rows(&self) -> u64 {
        self.cells.iter().flatten().sum()
    }
}

impl TaskStatistics {
    /// Mean label; `None` without labels.
    pub fn mean(&self) -> Option<f64> {
        (self.rows > 0).then(|| self.sum / self.rows as f64)
    }

    /// First value of the logit's bias: the log-odds of the mean label, for a child of the mean over the
    /// parent's mean, on rows where both are known. Odds are kept within a million to one; 0 without labels.
    pub fn bias(&self) -> f64 {
        const BOUND: f64 = 1e-6;
        if self.joint_rows == 0 || self.parent_sum <= 0.0 {
            return 0.0;
        }
        let p = (self.joint_sum / self.parent_sum).clamp(BOUND, 1.0 - BOUND);
        (p / (1.0 - p)).ln()
    }
}
