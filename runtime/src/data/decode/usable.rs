//! The usable rows of a record batch: appended to a chunk as table rows and numbers, or counted.

use crate::data::batch::chunk::Chunk;
use crate::data::decode::values::{Places, Values};
use crate::data::origin::BatchOrigin;
use crate::schema::{FeatureKind, Schema, Standardise, Tower, Transform};
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
        for tower in [Tower::Query, Tower::Item] {
            let (values, domains) = self.of(tower);
            let columns = match tower {
                Tower::Query => &mut chunk.query,
                Tower::Item => &mut chunk.item,
            };
            let features = schema.features(tower).iter();
            for ((feature, values), column) in features.zip(values).zip(columns) {
                let places = Places::new(schema, tower, feature, &self.rows, domains);
                let moments = match feature.kind {
                    FeatureKind::Number(Transform {
                        standardise: Some(Standardise::Learned),
                        ..
                    }) => vocabularies.moments(tower, &feature.name),
                    _ => None,
                };
                values.encode(feature, &places, vocabularies, moments, column);
            }
        }
        let origins = self.rows.iter().map(|&row| place.origin(row));
        chunk.origins.extend(origins);
        chunk.request.extend(self.request);
        chunk.surface.extend(self.surface);
        chunk.product.extend(self.product);
        let labels = chunk.labels.iter_mut().zip(self.labels);
        let weights = chunk.weights.iter_mut().zip(self.weights);
        let actions = chunk.actions.iter_mut().zip(self.actions);
        for (to, from) in labels.chain(weights).chain(actions) {
            to.extend(from);
        }
    }

    /// Counts the values of every table with a learned vocabulary; `counts` has one entry a table.
    pub(crate) fn count(&self, schema: &Schema, counts: &mut [Option<ValueCounts>]) {
        for tower in [Tower::Query, Tower::Item] {
            let (values, domains) = self.of(tower);
            for (feature, values) in schema.features(tower).iter().zip(values) {
                let FeatureKind::Embedded { table, .. } = feature.kind else {
                    continue;
                };
                if let Some(Some(counts)) = counts.get_mut(table.0) {
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
    ) -> Option<(&Values, Places<'_>)> {
        let (values, domains) = self.of(tower);
        let feature = schema.features(tower).get(index)?;
        let places = Places::new(schema, tower, feature, &self.rows, domains);
        Some((values.get(index)?, places))
    }
}
