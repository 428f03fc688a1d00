//! Passes over a data set, and what becomes of rows that cannot be used.

use std::ops::Deref;
use std::sync::Arc;

use crate::data::dataset::Dataset;
use crate::data::quarantine::Quarantine;
use crate::schema::BadRows;

/// Reads the rows of a data set. Its passes share what becomes of rows that cannot be used.
#[derive(Debug, Clone)]
pub struct RowReader {
    dataset: Dataset,
    bad_rows: BadRows,
    quarantine: Option<Arc<Quarantine>>,
}

impl RowReader {
    /// Rows that cannot be used have the fate that the spec gives them, and are written nowhere.
    pub fn new(dataset: Dataset) -> Self {
        Self {
            bad_rows: dataset.schema().rows.bad,
            dataset,
            quarantine: None,
        }
    }

    /// Rows that cannot be used, those of no domain where the spec stops at them among them, have this fate in
    /// place of the spec's.
    #[must_use]
    pub fn with_bad_rows(self, bad_rows: BadRows) -> Self {
        Self { bad_rows, ..self }
    }

    /// Rows that are skipped are written to a file; `None`: they are not. Rows that the spec leaves out by
    /// `others skip` are no bad rows.
    #[must_use]
    pub fn with_quarantine(self, quarantine: Option<Arc<Quarantine>>) -> Self {
        Self { quarantine, ..self }
    }

    /// The fate of rows that cannot be used.
    pub fn bad_rows(&self) -> BadRows {
        self.bad_rows
    }

    pub(super) fn quarantine(&self) -> Option<&Arc<Quarantine>> {
        self.quarantine.as_ref()
    }

    /// The data set.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }
}

impl Deref for RowReader {
    type Target = Dataset;

    fn deref(&self) -> &Dataset {
        &self.dataset
    }
}
