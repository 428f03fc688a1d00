//! From record batches to usable rows: which rows are wanted and good, their domains and labels; then
//! either their features as table rows or the counts of their values.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use arrow::array::{Array, ArrayRef, Float32Array, Float64Array, RecordBatch};
use arrow::error::ArrowError;

use crate::data::arrays::{DateForm, Keys, ReadKeys, Spans, entries, keys, lists, number, numbers};
use crate::data::batch::Column;
use crate::data::chunk::Chunk;
use crate::data::report::{Bad, Report, Unknown};
use crate::data::source::damaged;
use crate::data::split::{Parts, Selector, part_of_place};
use crate::data::vocabulary::{Counts, Encoder, Vocabularies};
use crate::error::{Error, Result};
use crate::hash::BuildMix;
use crate::schema::{Axis, BadRows, Feature, Kind, Label, Others, Schema, Tower, Transform, Value};

/// Reads record batches of files that were checked against the schema.
#[derive(Debug)]
pub(super) struct Decoder {
    schema: &'static Schema,
    parts: Parts,
    selector: Selector,
    surfaces: Domains,
    products: Domains,
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
    rows: Vec<u32>,
    pub surface: Vec<u16>,
    pub product: Vec<u16>,
    pub labels: Vec<Vec<f32>>,
    actions: Vec<Vec<f32>>,
    query: Vec<Values>,
    item: Vec<Values>,
}

/// A feature's column in plain form, over all rows of the record batch.
enum Values {
    Keys(Keys),
    Lists(Spans, Keys),
    Vectors(Spans, Float32Array),
    Numbers(Float64Array, Transform),
}

/// Raw values of an axis to domains.
#[derive(Debug)]
struct Domains {
    axis: &'static Axis,
    ints: HashMap<i64, u16, BuildMix>,
    texts: HashMap<&'static str, u16, BuildMix>,
}

/// Candidates for use in a record batch; bad ones are marked as columns are read.
struct Candidates {
    rows: Vec<u32>,
    surface: Vec<u16>,
    product: Vec<u16>,
    /// First fault of each bad row, by its place in the record batch.
    faults: BTreeMap<u32, (&'static str, String)>,
}

impl Decoder {
    pub(super) fn new(schema: &'static Schema, parts: Parts) -> Self {
        Self {
            schema,
            parts,
            selector: Selector::new(&schema.split, parts),
            surfaces: Domains::new(&schema.surfaces),
            products: Domains::new(&schema.products),
        }
    }

    pub(super) fn report(&self) -> Report {
        Report::new(
            self.parts,
            self.schema.surfaces.column,
            self.schema.products.column,
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
        let mut columns = Numbers::default();
        let (mut labels, mut actions) = (Vec::new(), Vec::new());
        for task in self.schema.tasks {
            let action = candidates
                .action(task.action, |row| task.on(row), batch, &mut columns)
                .map_err(odd)?;
            labels.push(match task.label {
                Label::Action => action.clone(),
                Label::Score(column) => candidates
                    .score(column, |row| task.on(row), batch, &mut columns)
                    .map_err(odd)?,
            });
            actions.push(action);
        }
        let query = candidates
            .features(self.schema, Tower::Query, batch)
            .map_err(odd)?;
        let item = candidates
            .features(self.schema, Tower::Item, batch)
            .map_err(odd)?;
        self.count_faults(&candidates, place, report)?;
        let usable = candidates.finish(labels, actions, query, item);
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
        let surface_keys = read(self.surfaces.axis.column, DateForm::Int)?;
        let product_keys = read(self.products.axis.column, DateForm::Int)?;
        let split_keys = match &self.selector {
            Selector::Column { column, dates, .. } => Some(read(column, *dates)?),
            Selector::Hash => None,
        };
        let capacity = batch.num_rows();
        let mut candidates = Candidates {
            rows: Vec::with_capacity(capacity),
            surface: Vec::with_capacity(capacity),
            product: Vec::with_capacity(capacity),
            faults: BTreeMap::new(),
        };
        for row in 0..capacity {
            let wanted = match &split_keys {
                Some(keys) => self.selector.takes(keys, row),
                None => part_of_place(place.file, place.first_row + row as u64).meets(self.parts),
            };
            if !wanted {
                report.outside += 1;
                continue;
            }
            report.read += 1;
            let Some(surface) =
                self.surfaces
                    .find(&surface_keys, row, place, &mut report.surfaces)?
            else {
                continue;
            };
            let Some(product) =
                self.products
                    .find(&product_keys, row, place, &mut report.products)?
            else {
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
        candidates: &Candidates,
        place: Place,
        report: &mut Report,
    ) -> Result<()> {
        for (&row, (column, cause)) in &candidates.faults {
            let at = place.row(row, column);
            match self.schema.bad_rows {
                BadRows::Stop => {
                    let fix = "repair the data, or write `rows { bad skip }` in the spec to leave such rows out and \
                               count them (rows are counted from 0)";
                    return Err(Error::data(at, cause, fix));
                }
                BadRows::Skip => {
                    let bad = report.bad.entry(column);
                    bad.or_insert_with(|| Bad {
                        rows: 0,
                        first: format!("{at}: {cause}"),
                    })
                    .rows += 1;
                }
            }
        }
        Ok(())
    }
}

impl Place<'_> {
    fn row(&self, row: u32, column: &str) -> String {
        format!(
            "{}, row {}, column `{column}`",
            self.path.display(),
            self.first_row + u64::from(row)
        )
    }
}

impl Domains {
    fn new(axis: &'static Axis) -> Self {
        let mut domains = Self {
            axis,
            ints: HashMap::default(),
            texts: HashMap::default(),
        };
        for (domain, index) in axis.domains.iter().zip(0..) {
            for value in domain.values {
                match *value {
                    Value::Int(value) => domains.ints.insert(value, index),
                    Value::Text(value) => domains.texts.insert(value, index),
                };
            }
        }
        domains
    }

    /// The domain of a row; `None`, counted, if it has none and the spec skips such rows.
    #[inline]
    fn find(
        &self,
        keys: &Keys,
        row: usize,
        place: Place,
        unknown: &mut Unknown,
    ) -> Result<Option<u16>> {
        let domain = match keys {
            Keys::Ints(ints) => ints.get(row).and_then(|key| self.ints.get(&key)),
            Keys::Texts(texts) => texts.get(row).and_then(|key| self.texts.get(key)),
        };
        if let Some(&domain) = domain {
            return Ok(Some(domain));
        }
        match self.axis.others {
            Others::Skip => {
                unknown.count(keys.show(row));
                Ok(None)
            }
            Others::Error => Err(Error::data(
                place.row(row as u32, self.axis.column),
                format!(
                    "{} is the value of no domain (line {} of the spec)",
                    keys.show(row),
                    self.axis.line
                ),
                "name the value in a domain, or write `others skip` there to leave such rows out and count them \
                 (rows are counted from 0)",
            )),
        }
    }
}

impl crate::schema::Task {
    fn on(&self, (surface, product): (u16, u16)) -> bool {
        self.surfaces.contains(&usize::from(surface))
            && self.products.contains(&usize::from(product))
    }
}

/// Label and action columns in plain form, each read once.
#[derive(Default)]
struct Numbers(HashMap<&'static str, Float64Array>);

impl Numbers {
    fn get(
        &mut self,
        batch: &RecordBatch,
        column: &'static str,
    ) -> Result<Float64Array, ArrowError> {
        if let Some(found) = self.0.get(column) {
            return Ok(found.clone());
        }
        let read = numbers(&column_of(batch, column)?)?;
        self.0.insert(column, read.clone());
        Ok(read)
    }
}

impl Candidates {
    fn places(&self) -> impl Iterator<Item = (u32, (u16, u16))> {
        self.rows.iter().copied().zip(
            self.surface
                .iter()
                .copied()
                .zip(self.product.iter().copied()),
        )
    }

    fn fault(&mut self, row: u32, column: &'static str, cause: impl FnOnce() -> String) {
        self.faults.entry(row).or_insert_with(|| (column, cause()));
    }

    /// Scores of the candidates: NaN where missing or where the cell does not exist.
    fn score(
        &mut self,
        column: &'static str,
        on: impl Fn((u16, u16)) -> bool,
        batch: &RecordBatch,
        columns: &mut Numbers,
    ) -> Result<Vec<f32>, ArrowError> {
        let values = columns.get(batch, column)?;
        let (mut labels, mut bad) = (Vec::with_capacity(self.rows.len()), Vec::new());
        for (row, cell) in self.places() {
            let value = if on(cell) {
                number(&values, row as usize)
            } else {
                None
            };
            labels.push(value.map_or(f32::NAN, |value| value as f32));
            if let Some(value) = value
                && !(0.0..=1.0).contains(&value)
            {
                bad.push((row, value));
            }
        }
        for (row, value) in bad {
            self.fault(row, column, || {
                format!("a label must lie in [0, 1], this is {value}")
            });
        }
        Ok(labels)
    }

    /// The conjunction of 0/1 columns: 0 if any is 0, else NaN if any is missing. NaN, too, where the
    /// cell does not exist and where the task has no action.
    fn action(
        &mut self,
        action: &[&'static str],
        on: impl Fn((u16, u16)) -> bool,
        batch: &RecordBatch,
        columns: &mut Numbers,
    ) -> Result<Vec<f32>, ArrowError> {
        let first = if action.is_empty() { f32::NAN } else { 1.0 };
        let mut result: Vec<f32> = self
            .places()
            .map(|(_, cell)| if on(cell) { first } else { f32::NAN })
            .collect();
        for &column in action {
            let values = columns.get(batch, column)?;
            let mut bad = Vec::new();
            for ((row, cell), result) in self.places().zip(&mut result) {
                if !on(cell) {
                    continue;
                }
                match number(&values, row as usize) {
                    None if *result == 1.0 => *result = f32::NAN,
                    Some(0.0) => *result = 0.0,
                    None | Some(1.0) => {}
                    Some(value) => bad.push((row, value)),
                }
            }
            for (row, value) in bad {
                self.fault(row, column, || {
                    format!("an action must be 0 or 1, this is {value}")
                });
            }
        }
        Ok(result)
    }

    /// The tower's features in plain form; what cannot be used is a fault of its row, where the row's
    /// domain has the feature.
    fn features(
        &mut self,
        schema: &Schema,
        tower: Tower,
        batch: &RecordBatch,
    ) -> Result<Vec<Values>, ArrowError> {
        let features = schema.features(tower).iter();
        features
            .map(|feature| self.feature(feature, tower, &column_of(batch, feature.column)?))
            .collect()
    }

    fn feature(
        &mut self,
        feature: &'static Feature,
        tower: Tower,
        array: &ArrayRef,
    ) -> Result<Values, ArrowError> {
        let mut bad: Vec<(u32, String)> = Vec::new();
        let whole =
            |value: f64| format!("an id must be a whole number or a string, this is {value}");
        let values = match feature.kind {
            Kind::Embedded { pool: None, .. } => {
                let ReadKeys { values, odd } = keys(array, DateForm::Int)?;
                bad.extend(
                    odd.into_iter()
                        .map(|(row, value)| (row as u32, whole(value))),
                );
                Values::Keys(values)
            }
            Kind::Embedded { pool: Some(_), .. } => {
                let (spans, array) = lists(array)?;
                let ReadKeys { values, odd } = keys(&array, DateForm::Int)?;
                if !odd.is_empty() {
                    let odd: BTreeMap<usize, f64> = odd.into_iter().collect();
                    for &row in &self.rows {
                        let entry = spans
                            .get(row as usize)
                            .and_then(|span| odd.range(span).next());
                        bad.extend(entry.map(|(_, &value)| (row, whole(value))));
                    }
                }
                Values::Lists(spans, values)
            }
            Kind::Vector { width } => {
                let (spans, array) = lists(array)?;
                let values = entries(&array)?;
                for row in self.rows_with(feature, tower) {
                    bad.extend(
                        vector_fault(&spans, &values, row as usize, width)
                            .map(|cause| (row, cause)),
                    );
                }
                Values::Vectors(spans, values)
            }
            Kind::Number(transform) => {
                let values = numbers(array)?;
                for row in self.rows_with(feature, tower) {
                    let value = number(&values, row as usize);
                    let odd = value.filter(|value| {
                        !value.is_finite() || !apply(transform, *value).is_finite()
                    });
                    bad.extend(
                        odd.map(|value| (row, format!("a number must be finite, this is {value}"))),
                    );
                }
                Values::Numbers(values, transform)
            }
        };
        if !bad.is_empty() {
            let having: Vec<u32> = self.rows_with(feature, tower).collect();
            for (row, cause) in bad {
                if having.binary_search(&row).is_ok() {
                    self.fault(row, feature.column, || cause);
                }
            }
        }
        Ok(values)
    }

    /// Candidates whose domain has the feature.
    fn rows_with(&self, feature: &'static Feature, tower: Tower) -> impl Iterator<Item = u32> {
        let domains = match tower {
            Tower::Query => &self.surface,
            Tower::Item => &self.product,
        };
        let pairs = self.rows.iter().zip(domains);
        pairs
            .filter(|(_, domain)| feature.domains.contains(&usize::from(**domain)))
            .map(|(row, _)| *row)
    }

    /// Leaves the bad rows out.
    fn finish(
        self,
        labels: Vec<Vec<f32>>,
        actions: Vec<Vec<f32>>,
        query: Vec<Values>,
        item: Vec<Values>,
    ) -> Usable {
        let Self {
            rows,
            surface,
            product,
            faults,
        } = self;
        if faults.is_empty() {
            return Usable {
                rows,
                surface,
                product,
                labels,
                actions,
                query,
                item,
            };
        }
        let good: Vec<bool> = rows.iter().map(|row| !faults.contains_key(row)).collect();
        let keep = |values: Vec<Vec<f32>>| {
            values
                .into_iter()
                .map(|values| kept(values, &good))
                .collect()
        };
        Usable {
            surface: kept(surface, &good),
            product: kept(product, &good),
            labels: keep(labels),
            actions: keep(actions),
            query,
            item,
            rows: kept(rows, &good),
        }
    }
}

impl Usable {
    /// Appends the rows to a chunk, their values as table rows.
    pub(super) fn encode(self, schema: &Schema, vocabularies: &Vocabularies, chunk: &mut Chunk) {
        let query = schema.query.iter().zip(&self.query).zip(&mut chunk.query);
        for ((feature, values), column) in query {
            values.encode(feature, &self.rows, &self.surface, vocabularies, column);
        }
        let item = schema.item.iter().zip(&self.item).zip(&mut chunk.item);
        for ((feature, values), column) in item {
            values.encode(feature, &self.rows, &self.product, vocabularies, column);
        }
        chunk.surface.extend(self.surface);
        chunk.product.extend(self.product);
        for (to, from) in chunk
            .labels
            .iter_mut()
            .zip(self.labels)
            .chain(chunk.actions.iter_mut().zip(self.actions))
        {
            to.extend(from);
        }
    }

    /// Counts the values of every table with a learned vocabulary; `counts` has one entry a table.
    pub(super) fn count(&self, schema: &Schema, counts: &mut [Option<Counts>]) {
        let query = schema
            .query
            .iter()
            .zip(&self.query)
            .map(|pair| (pair, &self.surface));
        let item = schema
            .item
            .iter()
            .zip(&self.item)
            .map(|pair| (pair, &self.product));
        for ((feature, values), domains) in query.chain(item) {
            let Kind::Embedded { table, .. } = feature.kind else {
                continue;
            };
            let Some(Some(counts)) = counts.get_mut(table) else {
                continue;
            };
            let mut each = |keys: &Keys, place: usize| match keys {
                Keys::Ints(ints) => ints.get(place).into_iter().for_each(|key| counts.int(key)),
                Keys::Texts(texts) => texts
                    .get(place)
                    .into_iter()
                    .for_each(|key| counts.text(key)),
            };
            for (&row, &domain) in self.rows.iter().zip(domains) {
                if !feature.domains.contains(&usize::from(domain)) {
                    continue;
                }
                match values {
                    Values::Keys(keys) => each(keys, row as usize),
                    Values::Lists(spans, keys) => {
                        spans
                            .get(row as usize)
                            .into_iter()
                            .flatten()
                            .for_each(|place| each(keys, place));
                    }
                    Values::Vectors(..) | Values::Numbers(..) => {}
                }
            }
        }
    }
}

impl Values {
    fn encode(
        &self,
        feature: &Feature,
        rows: &[u32],
        domains: &[u16],
        vocabularies: &Vocabularies,
        to: &mut Column,
    ) {
        let encoder = match feature.kind {
            Kind::Embedded { table, .. } => vocabularies.encoder(table),
            Kind::Vector { .. } | Kind::Number(_) => None,
        };
        let pairs = rows.iter().zip(domains);
        let places = pairs.map(|(row, domain)| {
            feature
                .domains
                .contains(&usize::from(*domain))
                .then_some(*row as usize)
        });
        match (self, to, encoder) {
            (Self::Keys(keys), Column::Ids(to), Some(encoder)) => {
                to.extend(
                    places.map(|place| place.map_or(0, |place| encode(encoder, keys, place))),
                );
            }
            (Self::Lists(spans, keys), Column::Lists { offsets, ids }, Some(encoder)) => {
                for place in places {
                    let span = place.and_then(|place| spans.get(place)).unwrap_or_default();
                    ids.extend(span.map(|place| encode(encoder, keys, place)));
                    offsets.push(ids.len() as u32);
                }
            }
            (Self::Vectors(spans, entries), Column::Vectors { width, values: to }, None) => {
                for place in places {
                    let end = to.len() + *width;
                    let span = place.and_then(|place| spans.get(place)).unwrap_or_default();
                    to.extend_from_slice(entries.values().get(span).unwrap_or_default());
                    to.resize(end, 0.0);
                }
            }
            (Self::Numbers(numbers, transform), Column::Numbers(to), None) => {
                to.extend(places.map(|place| match place {
                    Some(place) => apply(
                        *transform,
                        number(numbers, place).unwrap_or(transform.default),
                    ),
                    None => 0.0,
                }));
            }
            // Values, column and encoder were made for the same feature.
            _ => {}
        }
    }
}

#[inline]
fn encode(encoder: &Encoder, keys: &Keys, place: usize) -> u32 {
    match keys {
        Keys::Ints(ints) => ints.get(place).map_or(0, |key| encoder.int(key)),
        Keys::Texts(texts) => texts.get(place).map_or(0, |key| encoder.text(key)),
    }
}

#[inline]
fn apply(transform: Transform, value: f64) -> f32 {
    let clipped = match transform.clip {
        Some((low, high)) => value.max(low).min(high),
        None => value,
    };
    let scaled = if transform.log {
        clipped.abs().ln_1p().copysign(clipped)
    } else {
        clipped
    };
    scaled as f32
}

fn vector_fault(spans: &Spans, entries: &Float32Array, row: usize, width: usize) -> Option<String> {
    let span = spans.get(row)?;
    if span.len() != width {
        return Some(format!(
            "a vector of {width} entries is needed, this has {}",
            span.len()
        ));
    }
    if entries
        .nulls()
        .is_some_and(|nulls| span.clone().any(|place| nulls.is_null(place)))
    {
        return Some("a vector's entries must be present, one is null".to_owned());
    }
    let odd = entries
        .values()
        .get(span)?
        .iter()
        .find(|entry| !entry.is_finite())?;
    Some(format!("a vector's entries must be finite, one is {odd}"))
}

fn kept<T>(values: Vec<T>, good: &[bool]) -> Vec<T> {
    values
        .into_iter()
        .zip(good)
        .filter_map(|(value, good)| good.then_some(value))
        .collect()
}

fn column_of(batch: &RecordBatch, column: &str) -> Result<ArrayRef, ArrowError> {
    let found = batch.column_by_name(column).cloned();
    found.ok_or_else(|| ArrowError::SchemaError(format!("column `{column}` is gone")))
}
