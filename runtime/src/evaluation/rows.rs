//! What is held of every row that is scored.

/// What AUC and ranking need of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ScoredRow {
    /// ln P of the model.
    pub lp: f32,
    /// Training label, NaN if absent.
    pub label: f32,
    /// Action, NaN if absent.
    pub action: f32,
}

/// Rows of a block at most: a group leaves less than that unused.
const BLOCK: usize = 1 << 13;

/// Rows in the order in which they came. They lie in blocks that stay where they are when more come, so there is never a
/// second copy of all.
#[derive(Debug, Clone, Default)]
pub(super) struct ScoredRows {
    blocks: Vec<Vec<ScoredRow>>,
}

impl ScoredRows {
    pub fn push(&mut self, row: ScoredRow) {
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(row),
            _ => self.blocks.push(vec![row]),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = ScoredRow> + Clone + '_ {
        self.blocks.iter().flatten().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_order_over_blocks() {
        let row = |number: usize| ScoredRow {
            lp: -(number as f32),
            label: 0.5,
            action: 1.0,
        };
        let mut rows = ScoredRows::default();
        (0..2 * BLOCK + 1).for_each(|number| rows.push(row(number)));
        assert!(rows.iter().eq((0..2 * BLOCK + 1).map(row)));
        let capacities: Vec<usize> = rows.blocks.iter().map(Vec::capacity).collect();
        assert!(
            matches!(capacities[..], [BLOCK, BLOCK, 1..=8]),
            "{capacities:?}"
        );
    }
}
