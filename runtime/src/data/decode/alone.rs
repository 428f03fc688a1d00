//! A feature by itself, without the rest of its rows: for test vectors.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use crate::bug::bug;
use crate::data::batch::Column;
use crate::data::batch::chunk;
use crate::data::decode::targets::Candidates;
use crate::data::decode::values::Places;
use crate::schema::{FeatureKind, Schema, Tower};
use crate::vocab::Vocabularies;

/// The inputs that a feature of a tower, by its index, makes of its column in a record batch, by row; and the rows that a value
/// makes bad.
///
/// # Errors
/// A column that is missing or of a type that the feature does not read.
pub fn encode_feature(
    schema: &'static Schema,
    vocabularies: &Vocabularies,
    (tower, index): (Tower, usize),
    batch: &RecordBatch,
) -> Result<(Column, Vec<u32>), ArrowError> {
    let Some(feature) = schema.features(tower).get(index) else {
        bug!("feature {index} of the {} tower", tower.name());
    };
    let Some(domain) = feature.domains.first() else {
        bug!("no domain has feature `{}`", feature.name);
    };
    let rows: Vec<u32> = (0..batch.num_rows() as u32).collect();
    let domains = vec![domain.0 as u16; rows.len()];
    let mut candidates = Candidates {
        rows: rows.clone(),
        surface: domains.clone(),
        product: domains.clone(),
        faults: BTreeMap::new(),
    };
    let values = candidates.one(schema, feature, tower, batch)?;
    let bad = candidates.faults.into_keys().collect::<Vec<u32>>();
    let sound = |row: &u32| bad.binary_search(row).is_err();
    let (rows, domains): (Vec<u32>, Vec<u16>) = rows
        .into_iter()
        .zip(domains)
        .filter(|(row, _)| sound(row))
        .unzip();
    let places = Places::new(schema, tower, feature, &rows, &domains);
    let moments = match feature.kind {
        FeatureKind::Number(transform) => {
            vocabularies.standardising(tower, &feature.name, transform)
        }
        FeatureKind::Embedded { .. } | FeatureKind::Vector { .. } => None,
    };
    let mut column = chunk::empty(&feature.kind);
    values.encode(feature, &places, vocabularies, moments, &mut column);
    Ok((column, bad))
}
