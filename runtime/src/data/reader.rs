//! Passes over a data set, and the fate of rows that cannot be used.

use std::ops::Deref;
use std::sync::Arc;

use crate::data::dataset::Dataset;
use crate::data::quarantine::Quarantine;
use crate::schema::BadRows;

/// Reads the rows of a data set. Its passes share the handling of rows that cannot be used.
#[derive(Debug, Clone)]
pub struct RowReader {
    dataset: Dataset,
    bad_rows: BadRows,
    quarantine: Option<Arc<Quarantine>>,
}

impl RowReader {
    /// A reader that treats rows that cannot be used as the spec declares, and writes them nowhere.
    pub fn new(dataset: Dataset) -> Self {
        Self {
            bad_rows: dataset.schema().rows.bad,
            dataset,
            quarantine: None,
        }
    }

    /// Sets the fate of rows that cannot be used, instead of the spec's. They include rows without a declared
    /// domain if the spec stops at those.
    #[must_use]
    pub fn with_bad_rows(self, bad_rows: BadRows) -> Self {
        Self { bad_rows, ..self }
    }

    /// Writes skipped rows to a file; `None` does not. Rows that the spec leaves out by `others skip` are not
    /// bad rows.
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
