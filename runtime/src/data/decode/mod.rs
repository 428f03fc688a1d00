//! Decoding record batches to usable rows: which rows are wanted and good, their domains, targets and features.

mod alone;
mod derive;
mod domains;
mod features;
mod targets;
pub(super) mod usable;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use crate::arrays::keys::{DateForm, Keys, Odd, ReadKeys, column_of, keys};
use crate::arrays::numbers::value;
use crate::bug::bug;
use crate::data::decode::domains::{DomainLookup, RowDomains};
use crate::data::decode::targets::{Candidates, NumbersRead, Targets};
use crate::data::decode::usable::Usable;
use crate::data::fault::Fault;
use crate::data::origin::BatchOrigin;
use crate::data::purpose::Purpose;
use crate::data::quarantine::Quarantine;
use crate::data::reader::RowReader;
use crate::data::report::{Bad, RowReport};
use crate::data::split::{Parts, Splitter, part_of_place, part_of_request};
use crate::error::{Error, Result};
use crate::hash::{hash_int, hash_text, hash_unsigned};
use crate::schema::{BadRows, Schema, Tower};
use crate::store::guard::damaged;

pub use alone::encode_feature;

/// Reads record batches of files that were checked against the schema.
#[derive(Debug)]
pub(crate) struct Decoder {
    schema: &'static Schema,
    purpose: Purpose,
    parts: Parts,
    splitter: Splitter,
    surfaces: DomainLookup,
    products: DomainLookup,
    bad_rows: BadRows,
    quarantine: Option<Arc<Quarantine>>,
}

impl Decoder {
    /// One for the rows of some parts; only to learn has a row a part.
    pub(crate) fn new(reader: &RowReader, parts: Parts) -> Self {
        let quarantine = reader.quarantine().cloned();
        Self {
            parts,
            quarantine,
            ..Self::of_all_rows(reader.schema(), reader.purpose(), reader.bad_rows())
        }
    }

    /// One for rows that come from no data set.
    pub(crate) fn of_all_rows(
        schema: &'static Schema,
        purpose: Purpose,
        bad_rows: BadRows,
    ) -> Self {
        Self {
            schema,
            purpose,
            parts: Parts::ALL,
            splitter: Splitter::new(&schema.rows.split),
            surfaces: DomainLookup::new(&schema.surfaces, purpose),
            products: DomainLookup::new(&schema.products, purpose),
            bad_rows,
            quarantine: None,
        }
    }

    pub(crate) fn report(&self) -> RowReport {
        RowReport::new(
            self.parts,
            &self.schema.surfaces.column,
            &self.schema.products.column,
        )
    }

    /// Finds the usable rows of a record batch and counts the others.
    ///
    /// # Errors
    /// A bad row, if the spec requires the run to stop at one.
    pub(crate) fn usable(
        &self,
        batch: &RecordBatch,
        place: BatchOrigin,
        report: &mut RowReport,
    ) -> Result<Usable> {
        let odd = |error: ArrowError| damaged(place.path, &error);
        let requests = self.requests(batch).map_err(odd)?;
        let mut candidates = self.candidates(batch, requests.as_ref(), place, report)?;
        let mut columns = NumbersRead::default();
        let mut targets = Targets::default();
        if self.purpose == Purpose::Learn {
            for task in self.schema.tasks.iter() {
                candidates
                    .targets(task, batch, &mut columns, &mut targets)
                    .map_err(odd)?;
            }
        }
        let mut features = |tower| match self.purpose.reads(tower) {
            true => candidates.features(self.schema, tower, batch).map_err(odd),
            false => Ok(Vec::new()),
        };
        let query = features(Tower::Query)?;
        let item = features(Tower::Item)?;
        self.count_faults(&candidates.faults, batch, place, report)?;
        let mut usable = candidates.finish(targets, query, item);
        if let Some(requests) = requests {
            usable.request = requests.keys(&usable.rows);
        }
        report.used += usable.rows.len() as u64;
        Ok(usable)
    }

    /// The requests of all rows; `None` if the schema has none.
    fn requests(&self, batch: &RecordBatch) -> std::result::Result<Option<Requests>, ArrowError> {
        let request = match self.purpose {
            Purpose::Learn => self.schema.rows.request.as_ref(),
            Purpose::Score | Purpose::Embed(_) => None,
        };
        let Some(request) = request else {
            return Ok(None);
        };
        let read = keys(&column_of(batch, &request.column)?, DateForm::Int)?;
        Ok(Some(Requests {
            column: &request.column,
            hashes: hashes(&read.values, batch.num_rows()),
            odd: read.odd,
        }))
    }

    /// The rows of the wanted parts and of declared domains.
    fn candidates(
        &self,
        batch: &RecordBatch,
        requests: Option<&Requests>,
        place: BatchOrigin,
        report: &mut RowReport,
    ) -> Result<Candidates> {
        let read = |column: &str, dates| -> Result<ReadKeys> {
            let read = column_of(batch, column).and_then(|array| keys(&array, dates));
            read.map_err(|error| damaged(place.path, &error))
        };
        let capacity = batch.num_rows();
        let domains = |tower: Tower, lookup| match self.purpose.reads(tower) {
            true => {
                let keys = read(&self.schema.axis(tower).column, DateForm::Int)?;
                Ok(RowDomains::read(lookup, keys, capacity))
            }
            false => Ok(RowDomains::NotRead),
        };
        let surfaces = domains(Tower::Query, &self.surfaces)?;
        let products = domains(Tower::Item, &self.products)?;
        let split_keys = match (&self.splitter, self.purpose) {
            (Splitter::Column { column, dates, .. }, Purpose::Learn) => {
                Some(read(column, *dates)?.values)
            }
            _ => None,
        };
        let mut candidates = Candidates {
            rows: Vec::with_capacity(capacity),
            surface: Vec::with_capacity(capacity),
            product: Vec::with_capacity(capacity),
            faults: BTreeMap::new(),
        };
        for row in 0..capacity {
            let request = requests.and_then(|requests| requests.hash(row));
            let part = match (self.purpose, &split_keys, request) {
                (Purpose::Score | Purpose::Embed(_), ..) => Some(Parts::ALL),
                (Purpose::Learn, Some(keys), _) => self.splitter.part(keys, row),
                (Purpose::Learn, None, Some(hash)) => Some(part_of_request(hash)),
                (Purpose::Learn, None, None) => {
                    Some(part_of_place(place.file, place.first_row + row as u64))
                }
            };
            if !part.is_some_and(|part| part.meets(self.parts)) {
                report.outside += 1;
                continue;
            }
            report.read += 1;
            let faults = &mut candidates.faults;
            let Some(surface) = surfaces.of(row, place, &mut report.surfaces, faults) else {
                continue;
            };
            let Some(product) = products.of(row, place, &mut report.products, faults) else {
                continue;
            };
            candidates.rows.push(row as u32);
            candidates.surface.push(surface);
            candidates.product.push(product);
        }
        if let Some(requests) = requests {
            for (row, odd) in &requests.odd {
                let row = *row as u32;
                if candidates.rows.binary_search(&row).is_ok() {
                    candidates.fault(row, requests.column, || odd.fault("a request"));
                }
            }
        }
        Ok(candidates)
    }

    fn count_faults(
        &self,
        faults: &BTreeMap<u32, Fault>,
        batch: &RecordBatch,
        place: BatchOrigin,
        report: &mut RowReport,
    ) -> Result<()> {
        if let (BadRows::Stop, Some((&row, fault))) = (self.bad_rows, faults.first_key_value()) {
            let at = place.row(row, fault.column);
            return Err(Error::data(at, &fault.cause, fault.fix));
        }
        for (&row, fault) in faults {
            let bad = report.bad.entry(fault.column);
            bad.or_insert_with(|| Bad {
                rows: 0,
                first: format!("{}: {}", place.row(row, fault.column), fault.cause),
            })
            .rows += 1;
        }
        match &self.quarantine {
            Some(quarantine) => quarantine.write(batch, place, faults),
            None => Ok(()),
        }
    }
}

/// The requests of a record batch's rows.
struct Requests {
    column: &'static str,
    /// The hash of each row's, as an id has one; `None` where it is missing.
    hashes: Vec<Option<u64>>,
    odd: Vec<(usize, Odd)>,
}

impl Requests {
    fn hash(&self, row: usize) -> Option<u64> {
        let Some(hash) = self.hashes.get(row) else {
            bug!("the request of row {row} of {}", self.hashes.len());
        };
        *hash
    }

    /// A key of each row's, 0 where it is missing. Two requests with the same key are distinguished by their features.
    fn keys(&self, rows: &[u32]) -> Vec<u64> {
        let key = |row: &u32| self.hash(*row as usize).map_or(0, |hash| hash.max(1));
        rows.iter().map(key).collect()
    }
}

fn hashes(values: &Keys, rows: usize) -> Vec<Option<u64>> {
    let rows = 0..rows;
    match values {
        Keys::Ints(ints) => rows.map(|row| ints.get(row).map(hash_int)).collect(),
        Keys::Unsigned(keys) => rows
            .map(|row| value(keys, row).map(hash_unsigned))
            .collect(),
        Keys::Texts(texts) => rows.map(texts.each(hash_text)).collect(),
    }
}
