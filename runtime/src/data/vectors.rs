//! How large the entries of vectors are: nothing brings them to one size before the first layer.

use std::fmt;

use crate::data::decode::usable::Usable;
use crate::schema::{FeatureKind, Schema, Tower};

/// Root mean squares that a network reads well beside embeddings and numbers that are normalised.
const USUAL: std::ops::RangeInclusive<f64> = 0.01..=10.0;

/// The entries of a vector feature in the training rows that have it.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSize {
    /// Its tower.
    pub tower: Tower,
    /// Its name.
    pub feature: &'static str,
    /// Where the spec says so: `line 3`.
    pub place: &'static str,
    index: usize,
    entries: u64,
    /// Sum of their squares.
    squares: f64,
}

impl VectorSize {
    /// Those of all vector features, of no row yet.
    pub(super) fn all(schema: &'static Schema) -> Vec<Self> {
        let of = |tower| {
            let features = schema.features(tower).iter().enumerate();
            let vectors = features.filter(|(_, it)| matches!(it.kind, FeatureKind::Vector { .. }));
            vectors.map(move |(index, feature)| Self {
                tower,
                feature: &feature.name,
                place: &feature.place,
                index,
                entries: 0,
                squares: 0.0,
            })
        };
        Tower::ALL.into_iter().flat_map(of).collect()
    }

    /// Adds the entries of some rows.
    pub(super) fn count(&mut self, schema: &Schema, rows: &Usable) {
        let (values, places) = rows.feature(schema, self.tower, self.index);
        let (entries, squares) = values.squares(&places);
        self.entries += entries;
        self.squares += squares;
    }

    /// Adds those of other rows.
    pub(super) fn add(&mut self, other: &Self) {
        self.entries += other.entries;
        self.squares += other.squares;
    }

    /// The root mean square of the entries; 0 without any.
    pub fn root_mean_square(&self) -> f64 {
        (self.squares / self.entries.max(1) as f64).sqrt()
    }

    /// Whether the entries are so large or so small that the feature drowns the others, or drowns in them.
    pub fn is_odd(&self) -> bool {
        let size = self.root_mean_square();
        size > 0.0 && !USUAL.contains(&size)
    }
}

impl fmt::Display for VectorSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { feature, place, .. } = self;
        let size = format!("{:.2e}", self.root_mean_square());
        // Three digits, without an exponent.
        let size = size.parse::<f64>().map_or(size, |size| size.to_string());
        let tower = self.tower.name();
        write!(
            f,
            "{place}: the entries of {tower} feature `{feature}` have a root mean square of {size}, and the model reads vectors as they are, \
             beside numbers and embeddings near 1\n\
             help: divide the column by {size}, in the data that trains and where the model is served"
        )
    }
}
