//! The usable rows of a record batch: appended to a chunk as table rows and numbers, or counted.

#![expect(
    clippy::indexing_slicing,
    reason = "tables and features are those of the schema"
)]

use crate::bug::zip_equal;
use crate::data::batch::Column;
use crate::data::batch::chunk::Chunk;
use crate::data::decode::values::{Places, Values};
use crate::data::origin::BatchOrigin;
use crate::schema::{FeatureKind, Schema, Tower};
use crate::vocab::Vocabularies;
use crate::vocab::counts::ValueCounts;

/// The usable rows of a record batch.
pub(crate) struct Usable {
    /// Their places in the record batch, ascending.
    pub rows: Vec<u32>,
    pub surface: Vec<u16>,
    pub product: Vec<u16>,
    pub labels: Vec<Vec<f32>>,
    /// Empty for a task whose rows count alike.
    pub weights: Vec<Vec<f32>>,
    pub actions: Vec<Vec<f32>>,
    pub query: Vec<Values>,
    pub item: Vec<Values>,
    /// Keys of their requests, 0 where there is none; empty if the schema has no requests.
    pub request: Vec<u64>,
}

impl Usable {
    /// Appends the rows to a chunk, their values as table rows.
    pub(crate) fn encode(
        self,
        schema: &Schema,
        vocabularies: &Vocabularies,
        place: BatchOrigin,
        chunk: &mut Chunk,
    ) {
        self.encode_tower(schema, vocabularies, Tower::Query, &mut chunk.query);
        self.encode_tower(schema, vocabularies, Tower::Item, &mut chunk.item);
        let origins = self.rows.iter().map(|&row| place.origin(row));
        chunk.origins.extend(origins);
        chunk.request.extend(self.request);
        chunk.surface.extend(self.surface);
        chunk.product.extend(self.product);
        let labels = zip_equal(&mut chunk.labels, self.labels);
        let weights = zip_equal(&mut chunk.weights, self.weights);
        let actions = zip_equal(&mut chunk.actions, self.actions);
        for (to, from) in labels.chain(weights).chain(actions) {
            to.extend(from);
        }
    }

    /// Appends the values of a tower's features to columns of their kinds.
    pub(crate) fn encode_tower(
        &self,
        schema: &Schema,
        vocabularies: &Vocabularies,
        tower: Tower,
        columns: &mut [Column],
    ) {
        let (values, domains) = self.of(tower);
        let values = zip_equal(schema.features(tower), values);
        for ((feature, values), column) in zip_equal(values, columns) {
            let places = Places::new(schema, tower, feature, &self.rows, domains);
            let moments = match feature.kind {
                FeatureKind::Number(transform) => {
                    vocabularies.standardising(tower, &feature.name, transform)
                }
                FeatureKind::Embedded { .. } | FeatureKind::Vector { .. } => None,
            };
            values.encode(feature, &places, vocabularies, moments, column);
        }
    }

    /// Counts the values of every table with a learned vocabulary; `counts` has one entry a table.
    pub(crate) fn count(&self, schema: &Schema, counts: &mut [Option<ValueCounts>]) {
        for tower in Tower::ALL {
            let (values, domains) = self.of(tower);
            for (feature, values) in zip_equal(schema.features(tower), values) {
                let FeatureKind::Embedded { table, .. } = feature.kind else {
                    continue;
                };
                if let Some(counts) = &mut counts[table.0] {
                    let places = Places::new(schema, tower, feature, &self.rows, domains);
                    values.count(&places, counts);
                }
            }
        }
    }

    /// A tower's features, and the domains of the rows.
    fn of(&self, tower: Tower) -> (&[Values], &[u16]) {
        match tower {
            Tower::Query => (&self.query, &self.surface),
            Tower::Item => (&self.item, &self.product),
        }
    }

    /// A feature's values, and the rows that have them.
    pub(crate) fn feature(
        &self,
        schema: &Schema,
        tower: Tower,
        index: usize,
    ) -> (&Values, Places<'_>) {
        let (values, domains) = self.of(tower);
        let feature = &schema.features(tower)[index];
        let places = Places::new(schema, tower, feature, &self.rows, domains);
        (&values[index], places)
    }
}
