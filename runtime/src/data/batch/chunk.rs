//! Decoded rows in columns: table rows instead of raw values, four bytes each.

use crate::bug::{check, zip_equal};
use crate::data::batch::gather::{extend_column, take_into, take_optional, taken, taken_optional};
use crate::data::batch::requests::{self, QueryRows};
use crate::data::batch::{Batch, Column, TowerBatch};
use crate::data::origin::Origin;
use crate::schema::{FeatureKind, Input, Schema, Tower};

/// Usable rows, by row. The columns are those of a batch, over rows instead of places.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chunk {
    pub surface: Vec<u16>,
    pub product: Vec<u16>,
    pub query: Vec<Column>,
    pub item: Vec<Column>,
    pub labels: Vec<Vec<f32>>,
    pub weights: Vec<Vec<f32>>,
    pub actions: Vec<Vec<f32>>,
    pub origins: Vec<Origin>,
    /// Keys of the rows' requests, 0 for a row without one; empty if the schema has no requests.
    pub request: Vec<u64>,
}

impl Chunk {
    pub(crate) fn new(schema: &Schema) -> Self {
        Self {
            surface: Vec::new(),
            product: Vec::new(),
            query: no_rows(schema, Tower::Query),
            item: no_rows(schema, Tower::Item),
            labels: vec![Vec::new(); schema.tasks.len()],
            weights: vec![Vec::new(); schema.tasks.len()],
            actions: vec![Vec::new(); schema.tasks.len()],
            origins: Vec::new(),
            request: Vec::new(),
        }
    }

    /// Takes the rows out and keeps their memory.
    pub(crate) fn clear(&mut self) {
        self.surface.clear();
        self.product.clear();
        self.origins.clear();
        self.request.clear();
        self.targets_mut().for_each(Vec::clear);
        for column in self.columns_mut() {
            match column {
                Column::Ids(ids) => ids.clear(),
                Column::Numbers(values) | Column::Vectors { values, .. } => values.clear(),
                Column::Lists {
                    offsets,
                    ids,
                    weights,
                } => {
                    offsets.truncate(1);
                    ids.clear();
                    weights.clear();
                }
            }
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.surface.len()
    }

    /// Appends the given rows of another chunk.
    pub(crate) fn extend(&mut self, other: &Self, rows: &[u32]) {
        take_into(&mut self.surface, &other.surface, rows);
        take_into(&mut self.product, &other.product, rows);
        take_into(&mut self.origins, &other.origins, rows);
        take_optional(&mut self.request, &other.request, rows);
        for (to, from) in [
            (&mut self.query, &other.query),
            (&mut self.item, &other.item),
        ] {
            zip_equal(to, from).for_each(|(to, from)| extend_column(to, from, rows));
        }
        for (to, from) in [
            (&mut self.labels, &other.labels),
            (&mut self.actions, &other.actions),
        ] {
            zip_equal(to, from).for_each(|(to, from)| take_into(to, from, rows));
        }
        let weights = zip_equal(&mut self.weights, &other.weights);
        weights.for_each(|(to, from)| take_optional(to, from, rows));
    }

    /// Stops unless every column that must have a value for each row has one. Tasks need not have weights, and the
    /// schema need not have requests.
    pub(crate) fn check(&self) {
        let rows = self.rows();
        let whole = |what: &str, values: usize| {
            check!(values == rows, "{values} {what} of a chunk of {rows} rows");
        };
        whole("products", self.product.len());
        whole("origins", self.origins.len());
        for values in self.labels.iter().chain(&self.actions) {
            whole("labels or actions", values.len());
        }
        for weights in self.weights.iter().filter(|weights| !weights.is_empty()) {
            whole("weights", weights.len());
        }
        if !self.request.is_empty() {
            whole("requests", self.request.len());
        }
        for column in self.columns() {
            whole("values of a feature", column.rows());
        }
    }

    /// The columns of both towers.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &Column> {
        self.query.iter().chain(&self.item)
    }

    pub(crate) fn columns_mut(&mut self) -> impl Iterator<Item = &mut Column> {
        self.query.iter_mut().chain(&mut self.item)
    }

    /// Labels, weights and actions.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Vec<f32>> {
        let labels = self.labels.iter().chain(&self.weights);
        labels.chain(&self.actions)
    }

    pub(crate) fn targets_mut(&mut self) -> impl Iterator<Item = &mut Vec<f32>> {
        let labels = self.labels.iter_mut().chain(&mut self.weights);
        labels.chain(&mut self.actions)
    }

    /// The given rows as a batch, in this order, grouped by domain in each tower.
    pub(crate) fn batch(&self, schema: &Schema, rows: &[u32]) -> Batch {
        let (surface, product) = (taken(&self.surface, rows), taken(&self.product, rows));
        let targets = |from: &[Vec<f32>]| from.iter().map(|values| taken(values, rows)).collect();
        let weights = self.weights.iter();
        let weights = weights.map(|values| taken_optional(values, rows));
        let query = QueryRows {
            request: &self.request,
            surface: &self.surface,
            columns: &self.query,
        };
        Batch {
            rows: rows.len(),
            query: requests::group(&query, &surface, schema.surfaces.domains.len(), rows),
            item: TowerBatch::group(&product, schema.products.domains.len(), &self.item, rows),
            surface,
            product,
            labels: targets(&self.labels),
            weights: weights.collect(),
            actions: targets(&self.actions),
            origins: taken(&self.origins, rows),
        }
    }
}

/// Columns for a tower's features, without a row.
pub(crate) fn no_rows(schema: &Schema, tower: Tower) -> Vec<Column> {
    let features = schema.features(tower).iter();
    features.map(|feature| empty(&feature.kind)).collect()
}

pub(crate) fn empty(kind: &FeatureKind) -> Column {
    match kind {
        FeatureKind::Embedded { input, .. } => match input {
            Input::One { .. } | Input::Buckets { .. } => Column::Ids(Vec::new()),
            Input::List { .. } => Column::Lists {
                offsets: vec![0],
                ids: Vec::new(),
                weights: Vec::new(),
            },
        },
        FeatureKind::Vector { width } => Column::Vectors {
            width: *width,
            values: Vec::new(),
        },
        FeatureKind::Number(_) => Column::Numbers(Vec::new()),
    }
}
