//! From record batches to usable rows: which rows are wanted and good, their domains and labels; then
//! either their features as table rows or the counts of their values.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use crate::data::arrays::{DateForm, Keys, keys};
use crate::data::candidates::{Candidates, Fault, NumbersRead, Targets, column_of};
use crate::data::chunk::Chunk;
use crate::data::counts::Counts;
use crate::data::domains::Domains;
use crate::data::file::damaged;
use crate::data::origin::Origin;
use crate::data::quarantine::Quarantine;
use crate::data::report::{Bad, Report, Unknown};
use crate::data::source::Dataset;
use crate::data::split::{Parts, Selector, part_of_place};
use crate::data::values::{Places, Values};
use crate::data::vocabularies::Vocabularies;
use crate::error::{Error, Result};
use crate::hash::{hash_int, hash_text};
use crate::schema::{BadRows, FeatureKind, Schema, Standardise, Tower, Transform};

/// Reads record batches of files that were checked against the schema.
#[derive(Debug)]
pub(super) struct Decoder {
    schema: &'static Schema,
    parts: Parts,
    selector: Selector,
    surfaces: Domains,
    products: Domains,
    bad_rows: BadRows,
    quarantine: Option<Arc<Quarantine>>,
}

/// Where a record batch comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub path: &'a Path,
    /// Index of the file.
    pub file: usize,
    /// Row of the file that is the first here.
    pub first_row: u64,
}

/// The usable rows of a record batch.
pub(super) struct Usable {
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

impl Decoder {
    pub(super) fn new(dataset: &Dataset, parts: Parts) -> Self {
        let schema = dataset.schema();
        Self {
            schema,
            parts,
            selector: Selector::new(&schema.rows.split, parts),
            surfaces: Domains::new(&schema.surfaces),
            products: Domains::new(&schema.products),
            bad_rows: dataset.bad_rows(),
            quarantine: dataset.quarantine().cloned(),
        }
    }

    pub(super) fn report(&self) -> Report {
        Report::new(
            self.parts,
            &self.schema.surfaces.column,
            &self.schema.products.column,
        )
    }

    /// Finds the usable rows of a record batch and counts the others.
    ///
    /// # Errors
    /// A row that the spec says to stop at.
    pub(super) fn usable(
        &self,
        batch: &RecordBatch,
        place: Place,
        report: &mut Report,
    ) -> Result<Usable> {
        let odd = |error: ArrowError| damaged(place.path, &error);
        let mut candidates = self.candidates(batch, place, report)?;
        let mut columns = NumbersRead::default();
        let mut targets = Targets::default();
        for task in self.schema.tasks.iter() {
            candidates
                .targets(task, batch, &mut columns, &mut targets)
                .map_err(odd)?;
        }
        let query = candidates
            .features(self.schema, Tower::Query, batch)
            .map_err(odd)?;
        let item = candidates
            .features(self.schema, Tower::Item, batch)
            .map_err(odd)?;
        self.count_faults(&candidates.faults, batch, place, report)?;
        let mut usable = candidates.finish(targets, query, item);
        if let Some(request) = &self.schema.rows.request {
            let read =
                column_of(batch, &request.column).and_then(|array| keys(&array, DateForm::Int));
            usable.request = request_keys(&read.map_err(odd)?.values, &usable.rows);
        }
        report.used += usable.rows.len() as u64;
        Ok(usable)
    }

    /// The rows of the wanted parts and of declared domains.
    fn candidates(
        &self,
        batch: &RecordBatch,
        place: Place,
        report: &mut Report,
    ) -> Result<Candidates> {
        let read = |column: &str, dates| -> Result<Keys> {
            let read = column_of(batch, column).and_then(|array| keys(&array, dates));
            Ok(read.map_err(|error| damaged(place.path, &error))?.values)
        };
        let surface_keys = read(&self.surfaces.axis.column, DateForm::Int)?;
        let product_keys = read(&self.products.axis.column, DateForm::Int)?;
        let split_keys = match &self.selector {
            Selector::Column { column, dates, .. } => Some(read(column, *dates)?),
            Selector::Hash => None,
        };
        let capacity = batch.num_rows();
        let surfaces = self.surfaces.find(&surface_keys, capacity);
        let products = self.products.find(&product_keys, capacity);
        let mut candidates = Candidates {
            rows: Vec::with_capacity(capacity),
            surface: Vec::with_capacity(capacity),
            product: Vec::with_capacity(capacity),
            faults: BTreeMap::new(),
        };
        for (row, (surface, product)) in surfaces.into_iter().zip(products).enumerate() {
            let wanted = match &split_keys {
                Some(keys) => self.selector.takes(keys, row),
                None => part_of_place(place.file, place.first_row + row as u64).meets(self.parts),
            };
            if !wanted {
                report.outside += 1;
                continue;
            }
            report.read += 1;
            let mut unknown = |domains: &Domains, keys: &Keys, counts: &mut Unknown| {
                let fault = domains.unknown(keys, row, place, counts);
                candidates
                    .faults
                    .extend(fault.map(|fault| (row as u32, fault)));
            };
            let Some(surface) = surface else {
                unknown(&self.surfaces, &surface_keys, &mut report.surfaces);
                continue;
            };
            let Some(product) = product else {
                unknown(&self.products, &product_keys, &mut report.products);
                continue;
            };
            candidates.rows.push(row as u32);
            candidates.surface.push(surface);
            candidates.product.push(product);
        }
        Ok(candidates)
    }

    fn count_faults(
        &self,
        faults: &BTreeMap<u32, Fault>,
        batch: &RecordBatch,
        place: Place,
        report: &mut Report,
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

/// A key of each row's request, 0 where it is missing. Two requests of one key are told apart by
/// their features.
fn request_keys(values: &Keys, rows: &[u32]) -> Vec<u64> {
    let rows = rows.iter().map(|row| *row as usize);
    let keyed = |key: Option<u64>| key.map_or(0, |key| key.max(1));
    match values {
        Keys::Ints(ints) => rows.map(|row| keyed(ints.get(row).map(hash_int))).collect(),
        Keys::Texts(texts) => rows.map(texts.each(hash_text)).map(keyed).collect(),
    }
}

impl Place<'_> {
    pub(super) fn origin(&self, row: u32) -> Origin {
        Origin {
            file: self.file as u32,
            row: self.first_row + u64::from(row),
        }
    }

    /// File, row and column, for messages.
    pub(super) fn row(&self, row: u32, column: &str) -> String {
        format!("{}, column `{column}`", self.row_of_file(row))
    }

    /// File and row.
    pub(super) fn row_of_file(&self, row: u32) -> String {
        format!("{}, row {}", self.path.display(), self.origin(row).row)
    }
}

impl Usable {
    /// Appends the rows to a chunk, their values as table rows.
    pub(super) fn encode(
        self,
        schema: &Schema,
        vocabularies: &Vocabularies,
        place: Place,
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
    pub(super) fn count(&self, schema: &Schema, counts: &mut [Option<Counts>]) {
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

    /// The numbers of a feature that are there, clipped and with their logarithm taken.
    pub(super) fn present<'a>(
        &'a self,
        schema: &'a Schema,
        tower: Tower,
        index: usize,
    ) -> impl Iterator<Item = f64> + 'a {
        let (values, domains) = self.of(tower);
        let feature = schema.features(tower).get(index);
        let values = feature.zip(values.get(index));
        values.into_iter().flat_map(move |(feature, values)| {
            values.present(Places::new(schema, tower, feature, &self.rows, domains))
        })
    }
}
