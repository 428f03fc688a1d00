//! Rows of no part of the split: every pass leaves them out, so they are counted apart.

use std::fmt;

use rayon::prelude::*;

use crate::arrays::keys::{DateForm, Keys, column_of, keys};
use crate::data::dataset::{Dataset, RowGroupRef};
use crate::data::origin::BatchOrigin;
use crate::data::report::Unknown;
use crate::data::split::Splitter;
use crate::error::Result;
use crate::store::guard::damaged;

/// Rows of no part of the split.
#[derive(Debug, Clone, PartialEq)]
pub struct Unassigned {
    /// Rows of the data.
    pub all: u64,
    /// Those of no part, by the value of the split's column.
    pub values: Unknown,
    /// A string that begins with the last value of a range and goes on, such as a time of day behind a day; and that value.
    pub longer: Option<(String, &'static str)>,
}

impl Dataset {
    /// The rows of no part of the split; `None` if every row has one. Reads the split's column alone, of those row
    /// groups whose statistics leave room for such rows.
    ///
    /// # Errors
    /// Damaged files.
    pub fn unassigned(&self) -> Result<Option<Unassigned>> {
        let splitter = Splitter::new(&self.schema().rows.split);
        let Splitter::Column { column, dates, .. } = splitter else {
            return Ok(None);
        };
        let units = self.choose(&splitter, |bounds, group| !bounds.cover(&splitter, group));
        let mut all = Unassigned::new(self.rows(), column);
        // Added in file order, some at a time: what is held does not grow with the files.
        for units in units.chunks(rayon::current_num_threads()) {
            let units = units.par_iter();
            let found = units.map(|unit| self.unassigned_of(*unit, &splitter, column, dates));
            for found in found.collect::<Vec<_>>() {
                all.add(found?);
            }
        }
        Ok(Some(all).filter(|all| all.values.rows > 0))
    }

    fn unassigned_of(
        &self,
        unit: RowGroupRef,
        splitter: &Splitter,
        column: &'static str,
        dates: DateForm,
    ) -> Result<Unassigned> {
        let mut found = Unassigned::new(0, column);
        let mut place = BatchOrigin {
            path: self.path(unit.file),
            file: unit.file,
            first_row: unit.first_row,
        };
        for batch in self.read(unit, &[column])? {
            let batch = batch?;
            let read = column_of(&batch, column).and_then(|array| keys(&array, dates));
            let read = read.map_err(|error| damaged(place.path, &error))?;
            for row in 0..batch.num_rows() {
                if splitter.part(&read.values, row).is_some() {
                    continue;
                }
                let at = || place.row_of_file(row as u32);
                found.values.count(read.show(row), at);
                if let (None, Keys::Texts(texts)) = (&found.longer, &read.values) {
                    let longer = |text| Some((text, splitter.last_before(text)?));
                    let longer = texts.get(row).and_then(longer);
                    found.longer = longer.map(|(text, last)| (text.to_owned(), last));
                }
            }
            place.first_row += batch.num_rows() as u64;
        }
        Ok(found)
    }
}

impl Unassigned {
    fn new(all: u64, column: &'static str) -> Self {
        Self {
            all,
            values: Unknown {
                column,
                ..Unknown::default()
            },
            longer: None,
        }
    }

    /// Adds those of rows that come after these.
    fn add(&mut self, other: Self) {
        self.values.add(other.values);
        self.longer = self.longer.take().or(other.longer);
    }
}

impl Unassigned {
    /// How many rows, and which values they have.
    pub(super) fn cause(&self) -> String {
        let Self { all, values, .. } = self;
        let rows = values.rows;
        format!("{rows} of {all} rows are of no part of the split: {values}")
    }

    /// What the reader of a message can do.
    pub(super) fn fix(&self) -> String {
        match &self.longer {
            Some((value, last)) => format!(
                "\"{}\" comes after \"{}\", the last value of a range: write the day alone into the column, as a string or a date",
                value.escape_debug(),
                last.escape_debug()
            ),
            None => "they are left out; name their values in the spec's `split` if they belong to a part".to_owned(),
        }
    }
}

impl fmt::Display for Unassigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhelp: {}", self.cause(), self.fix())
    }
}
