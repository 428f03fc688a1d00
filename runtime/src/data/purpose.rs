//! What rows are read for.

use mtmd_schema::Tower;

/// What rows are read for, and so which of the schema's columns they must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To train and to evaluate: all columns.
    Learn,
    /// To score: domains and features. A row of no domain is counted and left out, whatever the spec says of such rows.
    Score,
    /// To embed: the domain and the features of one tower. Rows of no domain as in [`Self::Score`].
    Embed(Tower),
}

impl Purpose {
    /// The towers whose domains and features are read.
    pub fn towers(self) -> &'static [Tower] {
        match self {
            Self::Learn | Self::Score => &Tower::ALL,
            Self::Embed(Tower::Query) => &[Tower::Query],
            Self::Embed(Tower::Item) => &[Tower::Item],
        }
    }

    /// Whether domains and features of a tower are read.
    pub fn reads(self, tower: Tower) -> bool {
        self.towers().contains(&tower)
    }
}
