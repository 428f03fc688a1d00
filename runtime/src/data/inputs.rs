//! The inputs of towers without labels: rows to be scored or embedded, in their order.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use arrow_array::RecordBatch;

use crate::data::batch::chunk::no_rows;
use crate::data::batch::{Batch, TowerBatch};
use crate::data::dataset::RowGroups;
use crate::data::decode::Decoder;
use crate::data::decode::usable::Usable;
use crate::data::loader::slices::{RowSlice, Slices};
use crate::data::origin::BatchOrigin;
use crate::data::purpose::Purpose;
use crate::data::reader::RowReader;
use crate::data::report::RowReport;
use crate::error::Result;
use crate::schema::{BadRows, Schema, Tower};
use crate::vocab::Vocabularies;

/// Rows whose towers can be run. The batch has neither labels nor origins, and of a tower that is not read no places.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// Places of the batch's rows in the record batch, ascending: those of bad rows and of rows without a domain are
    /// left out.
    pub rows: Vec<u32>,
    /// Their inputs.
    pub batch: Batch,
}

/// Makes inputs of raw values, as training does.
#[derive(Debug)]
pub struct InputDecoder {
    schema: &'static Schema,
    purpose: Purpose,
    decoder: Decoder,
    vocabularies: Arc<Vocabularies>,
}

impl InputDecoder {
    /// One for rows that come from no data set; their columns must be of types that [`Dataset::open_for`] takes.
    ///
    /// [`Dataset::open_for`]: crate::data::Dataset::open_for
    pub fn new(
        schema: &'static Schema,
        purpose: Purpose,
        bad_rows: BadRows,
        vocabularies: &Arc<Vocabularies>,
    ) -> Self {
        Self {
            schema,
            purpose,
            decoder: Decoder::of_all_rows(schema, purpose, bad_rows),
            vocabularies: Arc::clone(vocabularies),
        }
    }

    /// The inputs of a record batch. `place` stands for a file in messages.
    ///
    /// # Errors
    /// A bad row, where rows are not to be skipped.
    pub fn inputs(
        &self,
        rows: &RecordBatch,
        place: &Path,
        report: &mut RowReport,
    ) -> Result<Inputs> {
        let origin = BatchOrigin {
            path: place,
            file: 0,
            first_row: 0,
        };
        self.decode(rows, origin, report)
    }

    /// Counts of no row.
    pub fn report(&self) -> RowReport {
        self.decoder.report()
    }

    fn decode(
        &self,
        rows: &RecordBatch,
        origin: BatchOrigin<'_>,
        report: &mut RowReport,
    ) -> Result<Inputs> {
        let usable = self.decoder.usable(rows, origin, report)?;
        let query = self.tower(&usable, Tower::Query, &usable.surface);
        let item = self.tower(&usable, Tower::Item, &usable.product);
        let batch = Batch {
            rows: usable.rows.len(),
            surface: usable.surface,
            product: usable.product,
            query,
            item,
            ..Batch::default()
        };
        Ok(Inputs {
            rows: usable.rows,
            batch,
        })
    }

    /// A tower's inputs, grouped by domain.
    fn tower(&self, usable: &Usable, tower: Tower, domain: &[u16]) -> TowerBatch {
        let domains = self.schema.axis(tower).domains.len();
        if !self.purpose.reads(tower) {
            return TowerBatch::group(&[], domains, &[], &[]);
        }
        let mut columns = no_rows(self.schema, tower);
        usable.encode_tower(self.schema, &self.vocabularies, tower, &mut columns);
        let rows: Vec<u32> = (0..domain.len() as u32).collect();
        TowerBatch::group(domain, domains, &columns, &rows)
    }
}

/// Some neighbouring rows of a file.
#[derive(Debug)]
pub struct InputSlice {
    /// Index of the file.
    pub file: usize,
    /// Row of the file that is the first here.
    pub first_row: u64,
    /// All rows, with every column that is read.
    pub rows: RecordBatch,
    /// The inputs of those that can be used.
    pub inputs: Inputs,
}

/// The rows of some row groups, in their order, read ahead by other threads.
pub struct InputSlices {
    reader: RowReader,
    decoder: InputDecoder,
    /// `None` once they are not wanted any more.
    slices: Option<Slices>,
    threads: Vec<JoinHandle<()>>,
    report: RowReport,
}

impl RowReader {
    /// Reads the rows of some row groups.
    ///
    /// # Errors
    /// A thread that cannot be started, or ids of a kind that a learned table does not contain.
    pub fn inputs(
        &self,
        vocabularies: &Arc<Vocabularies>,
        groups: &RowGroups,
    ) -> Result<InputSlices> {
        self.require_kinds(vocabularies)?;
        let decoder =
            InputDecoder::new(self.schema(), self.purpose(), self.bad_rows(), vocabularies);
        let mut threads = Vec::new();
        Ok(InputSlices {
            slices: Some(Slices::read(self, groups.units().to_vec(), &mut threads)?),
            threads,
            report: decoder.report(),
            reader: self.clone(),
            decoder,
        })
    }
}

impl InputSlices {
    /// The next rows; `None` after the last.
    ///
    /// # Errors
    /// Damaged files, and a bad row where rows are not to be skipped.
    pub fn next_slice(&mut self) -> Result<Option<InputSlice>> {
        let slice = self.slices.as_ref().map(Slices::next).transpose()?;
        let Some(RowSlice {
            file,
            first_row,
            rows,
        }) = slice.flatten()
        else {
            return Ok(None);
        };
        let origin = BatchOrigin {
            path: self.reader.path(file),
            file,
            first_row,
        };
        let inputs = self.decoder.decode(&rows, origin, &mut self.report)?;
        Ok(Some(InputSlice {
            file,
            first_row,
            rows,
            inputs,
        }))
    }

    /// What became of the rows so far.
    pub fn report(&self) -> &RowReport {
        &self.report
    }
}

impl Drop for InputSlices {
    fn drop(&mut self) {
        self.slices = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has been reported: its slices end early.
            let _ = thread.join();
        }
    }
}
