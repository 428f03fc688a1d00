//! Making an index of a table of items.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use twox_hash::XxHash3_128;

use super::ids::{IdKind, ItemId};
use super::slots::Found;
use super::write::{DomainFiles, DomainWriter};
use super::{FORMAT, INDEX, IdFacts, Index, IndexFile};
use crate::arrays::keys::{DateForm, Keys, ReadKeys, column_of, keys};
use crate::arrays::kinds;
use crate::arrays::numbers::value;
use crate::bug::bug;
use crate::data::batch::{Batch, Column, TowerBatch};
use crate::data::{InputSlice, RowReader, RowReport};
use crate::error::{Error, Result};
use crate::schema::{BadRows, ElementType, Tower};
use crate::score::Scorer;
use crate::store::guard::damaged;
use crate::vocab::Vocabularies;

/// What an index is made of.
#[derive(Debug)]
pub struct Build<'a> {
    /// The model.
    pub scorer: &'a Scorer,
    /// Its weights' identity.
    pub weights: &'a str,
    /// The rows, read to be embedded, with the column of ids.
    pub reader: &'a RowReader,
    /// How their raw values become rows of tables.
    pub vocabularies: &'a Arc<Vocabularies>,
    /// The tower.
    pub tower: Tower,
    /// The column of ids.
    pub id: &'a str,
    /// Type of the numbers.
    pub element: ElementType,
    /// An index of the same model, whose rows are taken over where their features are the same.
    pub earlier: Option<&'a Index>,
    /// Whether the last of several rows of one item stays.
    pub last_wins: bool,
}

/// What became of the rows.
#[derive(Debug)]
pub struct BuildReport {
    /// What was read.
    pub rows: RowReport,
    /// Rows that were left out because they have no id that can be used, and where the first is.
    pub without_id: Option<(u64, String)>,
    /// Rows whose embeddings were computed.
    pub computed: u64,
    /// Rows that were taken over.
    pub taken: u64,
    /// Rows whose item had a row before.
    pub repeated: u64,
}

/// An index that is being made.
struct Builder<'a> {
    build: &'a Build<'a>,
    writers: Vec<DomainWriter>,
    kind: IdKind,
    computed: u64,
    taken: u64,
    repeated: u64,
    without_id: Option<(u64, String)>,
}

/// Where a row of the index comes from.
#[derive(Clone, Copy)]
enum Source {
    /// A row of the same domain in the earlier index.
    Earlier(u32),
    /// A place of the tower's batch.
    Place(u32),
}

impl Build<'_> {
    /// Writes the index into a folder that is there.
    ///
    /// # Errors
    /// Damaged files, bad rows and rows without an id where they are not to be skipped, an item with several rows, an
    /// embedding that the type of the numbers does not hold, and what the system refuses.
    pub fn run(&self, folder: &Path) -> Result<(IndexFile, BuildReport)> {
        let kind = self.kind();
        let mut builder = Builder {
            build: self,
            writers: self.writers(folder, kind)?,
            kind,
            computed: 0,
            taken: 0,
            repeated: 0,
            without_id: None,
        };
        let mut rows: Option<RowReport> = None;
        for groups in self.reader.share(0, 1) {
            let mut slices = self.reader.inputs(self.vocabularies, &groups)?;
            while let Some(slice) = slices.next_slice()? {
                builder.add(&slice)?;
            }
            match &mut rows {
                Some(all) => all.add(slices.report().clone()),
                none => *none = Some(slices.report().clone()),
            }
        }
        let Some(rows) = rows.filter(|rows| rows.used > 0) else {
            return Err(Error::data(
                "the data",
                "no row can be embedded",
                "look at the values of the domains' column: each must be one of the spec's",
            ));
        };
        let report = BuildReport {
            rows,
            without_id: builder.without_id,
            computed: builder.computed,
            taken: builder.taken,
            repeated: builder.repeated,
        };
        let file = self.describe(builder.writers, kind)?;
        let text = serde_json::to_string_pretty(&file)
            .map_err(|error| Error::run("the index", error.to_string(), "report this as a bug"))?;
        let path = folder.join(INDEX);
        fs::write(&path, text + "\n").map_err(|source| Error::file(&path, "write it", source))?;
        Ok((file, report))
    }

    /// What the ids are, by the type of their column.
    fn kind(&self) -> IdKind {
        let files = 0..self.reader.files().count();
        let types = files.filter_map(|file| self.reader.field(file, self.id));
        let mut kinds = types.filter_map(|field| kinds::kind(field.data_type()));
        match kinds.next() {
            Some(kinds::TEXTS) => IdKind::Text,
            _ => IdKind::Int,
        }
    }

    fn writers(&self, folder: &Path, kind: IdKind) -> Result<Vec<DomainWriter>> {
        let schema = self.scorer.schema();
        let domains = schema.axis(self.tower).domains.iter().enumerate();
        let writers = domains.map(|(index, domain)| {
            let outputs = self.scorer.outputs(self.tower, index);
            let files = DomainFiles::new(folder, &domain.name);
            DomainWriter::create(files, (schema, outputs), self.element, kind)
        });
        writers.collect()
    }

    fn describe(&self, writers: Vec<DomainWriter>, kind: IdKind) -> Result<IndexFile> {
        let schema = self.scorer.schema();
        let domains = writers.into_iter().enumerate().map(|(domain, writer)| {
            let earlier = self.earlier.and_then(|index| index.domains().get(domain));
            writer.finish(earlier.map(super::IndexDomain::facts))
        });
        Ok(IndexFile {
            format: FORMAT,
            model: schema.name.to_string(),
            weights: self.weights.to_owned(),
            spec_hash: schema.spec_hash.to_owned(),
            graph_hash: schema.graph_hash.to_owned(),
            tower: self.tower,
            id: IdFacts {
                column: self.id.to_owned(),
                kind,
            },
            element: self.element,
            data: self
                .reader
                .fingerprints()
                .map(|print| format!("{print:032x}"))
                .collect(),
            domains: domains.collect::<Result<_>>()?,
        })
    }
}

impl Builder<'_> {
    /// Adds the rows of a slice.
    fn add(&mut self, slice: &InputSlice) -> Result<()> {
        let build = self.build;
        let path = build.reader.path(slice.file);
        let ids = column_of(&slice.rows, build.id).and_then(|ids| keys(&ids, DateForm::Int));
        let ids = ids.map_err(|error| damaged(path, &error))?;
        let batch = slice.inputs.batch.tower(build.tower);
        // By domain and row of the index, so that files are written in order. Of several rows of an item the last stays.
        let mut sources: BTreeMap<(usize, u32), Source> = BTreeMap::new();
        for (domain, places) in batch.domains.iter().enumerate() {
            for place in places.clone() {
                let row = row_of(slice, batch, place);
                let at = || format!("{}, row {}", path.display(), slice.first_row + row as u64);
                let Some(id) = self.id(&ids, row, at)? else {
                    continue;
                };
                let digest = digest(batch, place);
                let index_row = self.row(domain, id, digest, at)?;
                let source = match self.earlier(domain, id, digest) {
                    Some(earlier) => Source::Earlier(earlier),
                    None => Source::Place(place as u32),
                };
                sources.insert((domain, index_row), source);
            }
        }
        self.write(batch, &sources, path)
    }

    /// The id of a row; `None`, counted, if it has none that can be used.
    fn id<'k>(
        &mut self,
        ids: &'k ReadKeys,
        row: usize,
        at: impl Fn() -> String,
    ) -> Result<Option<ItemId<'k>>> {
        let id = match (&ids.values, self.kind) {
            (Keys::Ints(ids), IdKind::Int) => ids.get(row).map(ItemId::Int),
            (Keys::Unsigned(ids), IdKind::Int) => value(ids, row)
                .and_then(|id| i64::try_from(id).ok())
                .map(ItemId::Int),
            (Keys::Texts(ids), IdKind::Text) => ids.get(row).map(ItemId::Text),
            // A column without any value.
            (Keys::Ints(_) | Keys::Unsigned(_), IdKind::Text) | (Keys::Texts(_), IdKind::Int) => {
                None
            }
        };
        if id.is_some() {
            return Ok(id);
        }
        let cause = format!("`{}` is {}, which is no id", self.build.id, ids.show(row));
        if self.build.reader.bad_rows() == BadRows::Stop {
            return Err(Error::data(
                at(),
                cause,
                "an id is a whole number below 2^63 or a string; `--on-bad-row skip` leaves rows without one out",
            ));
        }
        let (rows, _) = self
            .without_id
            .get_or_insert_with(|| (0, format!("{}: {cause}", at())));
        *rows += 1;
        Ok(None)
    }

    /// The row of an item.
    fn row(
        &mut self,
        domain: usize,
        id: ItemId<'_>,
        digest: u64,
        at: impl Fn() -> String,
    ) -> Result<u32> {
        match self.writer(domain).row(id, digest) {
            Found::Added(row) => Ok(row),
            Found::There(row) if self.build.last_wins => {
                self.repeated += 1;
                Ok(row)
            }
            Found::There(_) => {
                let axis = self.build.scorer.schema().axis(self.build.tower);
                let name = axis.domains.get(domain).map_or("?", |domain| &domain.name);
                Err(Error::data(
                    at(),
                    format!("`{}` {id} of `{name}` has a row already", self.build.id),
                    "give each item one row, or keep the last of several by `--last-wins`",
                ))
            }
        }
    }

    /// The row of an item in the earlier index, if its features are the same.
    fn earlier(&self, domain: usize, id: ItemId<'_>, digest: u64) -> Option<u32> {
        let earlier = self.build.earlier?.domains().get(domain)?;
        let row = earlier.find(id)?;
        (earlier.digest(row) == Some(digest)).then_some(row)
    }

    /// Computes what is to be computed, and writes all.
    fn write(
        &mut self,
        batch: &TowerBatch,
        sources: &BTreeMap<(usize, u32), Source>,
        path: &Path,
    ) -> Result<()> {
        let build = self.build;
        let places: Vec<u32> = sources
            .values()
            .filter_map(|source| match source {
                Source::Place(place) => Some(*place),
                Source::Earlier(_) => None,
            })
            .collect();
        let embeddings = embed(build, batch, &places);
        let width = build.scorer.plan().tower(build.tower).width;
        let mut computed = embeddings.chunks_exact(width.max(1));
        for (&(domain, row), source) in sources {
            match source {
                Source::Earlier(from) => {
                    let earlier = build.earlier.and_then(|index| index.domains().get(domain));
                    let Some(earlier) = earlier else {
                        bug!("a row is taken from domain {domain} of no index");
                    };
                    let (bytes, scales) = earlier.stored(*from);
                    self.writer(domain).put_stored(row, bytes, scales)?;
                    self.taken += 1;
                }
                Source::Place(_) => {
                    let Some(values) = computed.next() else {
                        bug!("fewer embeddings than rows");
                    };
                    let values = own(build, domain, values);
                    if !self.writer(domain).put(row, &values)? {
                        return Err(beyond(build.element, path));
                    }
                    self.computed += 1;
                }
            }
        }
        Ok(())
    }

    fn writer(&mut self, domain: usize) -> &mut DomainWriter {
        match self.writers.get_mut(domain) {
            Some(writer) => writer,
            None => bug!("no domain {domain}"),
        }
    }
}

/// The row of the record batch at a place.
fn row_of(slice: &InputSlice, batch: &TowerBatch, place: usize) -> usize {
    let row = batch.order.get(place);
    let row = row.and_then(|row| slice.inputs.rows.get(*row as usize));
    match row {
        Some(row) => *row as usize,
        None => bug!("place {place} of {}", batch.order.len()),
    }
}

/// The embeddings of some places, each of the tower's width.
fn embed(build: &Build<'_>, batch: &TowerBatch, places: &[u32]) -> Vec<f32> {
    let some = batch.some(places);
    let none = |tower| {
        let axis = build.scorer.schema().axis(tower);
        TowerBatch::group(&[], axis.domains.len(), &[], &[])
    };
    let (query, item) = match build.tower {
        Tower::Query => (some, none(Tower::Item)),
        Tower::Item => (none(Tower::Query), some),
    };
    let batch = Batch {
        rows: places.len(),
        query,
        item,
        ..Batch::default()
    };
    build.scorer.embed(build.tower, &batch)
}

/// The embeddings of the tasks that a domain has, side by side.
fn own(build: &Build<'_>, domain: usize, row: &[f32]) -> Vec<f32> {
    let outputs = build.scorer.outputs(build.tower, domain).iter();
    let parts = outputs.map(
        |output| match row.get(output.column..output.column + output.width) {
            Some(part) => part,
            None => bug!("an embedding outside a row of {}", row.len()),
        },
    );
    parts.collect::<Vec<_>>().concat()
}

fn beyond(element: ElementType, path: &Path) -> Error {
    Error::run(
        path.display().to_string(),
        format!("an embedding has a number that {element} does not hold"),
        match element {
            ElementType::Float16 => {
                "write the index with `--type float32`, or train again: embeddings are of size 1 or so"
            }
            ElementType::Float32 | ElementType::Int8 => "the model is broken: train it again",
        },
    )
}

/// A digest of the features at a place, as they are looked up: two rows with the same have the same embeddings.
fn digest(batch: &TowerBatch, place: usize) -> u64 {
    let mut hash = XxHash3_128::new();
    let mut numbers = |numbers: &[u8]| hash.write(numbers);
    for column in &batch.columns {
        match column {
            Column::Ids(ids) => numbers(bytemuck::cast_slice(part(ids, place..place + 1))),
            Column::Numbers(values) => {
                numbers(bytemuck::cast_slice(part(values, place..place + 1)))
            }
            Column::Vectors { width, values } => {
                let values = part(values, place * width..(place + 1) * width);
                numbers(bytemuck::cast_slice(values));
            }
            Column::Lists {
                offsets,
                ids,
                weights,
            } => {
                let [start, end] = part(offsets, place..place + 2) else {
                    bug!("two offsets that are not two");
                };
                let span = *start as usize..*end as usize;
                numbers(&(span.len() as u64).to_le_bytes());
                numbers(bytemuck::cast_slice(part(ids, span.clone())));
                if !weights.is_empty() {
                    numbers(bytemuck::cast_slice(part(weights, span)));
                }
            }
        }
    }
    hash.finish_128() as u64
}

fn part<T>(values: &[T], span: std::ops::Range<usize>) -> &[T] {
    match values.get(span.clone()) {
        Some(part) => part,
        None => bug!("values {span:?} of a column of {}", values.len()),
    }
}
