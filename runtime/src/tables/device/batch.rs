//! What the tables on a device read of a batch. All of it follows from the data, so that the loader's threads can make it.

#![expect(
    clippy::indexing_slicing,
    reason = "places and columns are those of one batch and one layout; one that does not fit stops with a message"
)]

use std::sync::Arc;

use mtmd_schema::Tower;

use super::kernels::{chunk, used};
use crate::bug::zip_equal;
use crate::data::batch::Batch;
use crate::exec::device::word;
use crate::tables::gather::put_data;
use crate::tables::{TableLayout, TableUses, Tables};

/// Uses that one line of units adds up: rows that a whole batch uses are not one line's.
const CHUNK: usize = 64;

/// Where records lie on a device.
#[derive(Debug, Clone)]
pub struct DeviceLayout {
    layout: Arc<TableLayout>,
    tables: Vec<RecordLayout>,
}

#[derive(Debug, Clone, Copy)]
struct RecordLayout {
    /// The table's first number.
    start: usize,
    /// Numbers of a record, of them before the weight, and of the weight.
    stride: usize,
    header: usize,
    width: usize,
}

/// A batch, as the tables on a device read it.
#[derive(Debug, Clone, Default)]
pub struct TableBatch {
    /// Where the entries of every slot start, then the entries; see `kernels::gather`.
    pub entries: Vec<u32>,
    /// Fields that come from no table, by tower and domain.
    pub data: Vec<f32>,
    /// Words of the rows that the batch uses, by table.
    pub rows: Vec<u32>,
    /// Words of the chunks of their uses.
    pub chunks: Vec<u32>,
    /// Words of the uses.
    pub uses: Vec<u32>,
}

impl DeviceLayout {
    /// That of these tables.
    pub fn new(of: &Tables) -> Self {
        let mut start = 0;
        let tables = of.tables.iter().map(|table| {
            let layout = RecordLayout {
                start,
                stride: table.rule.stride(),
                header: table.rule.weight().start,
                width: table.declared.dim,
            };
            start += table.records.len();
            layout
        });
        Self {
            tables: tables.collect(),
            layout: Arc::clone(&of.layout),
        }
    }

    /// A batch as they read it.
    pub fn batch(&self, batch: &Batch, uses: &[TableUses]) -> TableBatch {
        let mut found = TableBatch::default();
        let starts = self.gathered(batch, &mut found);
        self.used(uses, &starts, &mut found);
        found
    }

    /// The entries of all slots and the data; by input, where the gradients of its embedded fields start.
    fn gathered(&self, batch: &Batch, found: &mut TableBatch) -> Vec<usize> {
        let mut starts = vec![0];
        let mut entries = Vec::new();
        let mut embedded = Vec::new();
        let mut first = 0;
        for tower in Tower::ALL {
            let rows = batch.tower(tower);
            for (domain, places) in rows.domains.iter().enumerate() {
                let columns = self.layout.of(tower, domain);
                for place in places.clone() {
                    for field in &columns.fields {
                        let table = self.tables[field.table];
                        for (row, factor) in field.entries(&rows.columns[field.feature], place) {
                            let at = table.start + row as usize * table.stride + table.header;
                            entries.extend([word(at), factor.to_bits()]);
                        }
                        starts.push(word(entries.len() / 2));
                    }
                    let start = found.data.len();
                    let width = columns.width - columns.embedded;
                    found.data.resize(start + width, 0.0);
                    put_data(columns, rows, place, &mut found.data[start..]);
                }
                embedded.push(first);
                first += places.len() * columns.embedded;
            }
        }
        starts.append(&mut entries);
        found.entries = starts;
        embedded
    }

    /// The rows that the batch uses, and for what.
    fn used(&self, uses: &[TableUses], starts: &[usize], found: &mut TableBatch) {
        let mut chunks = 0;
        for (index, (table, uses)) in zip_equal(&self.tables, uses).enumerate() {
            for (place, row) in uses.rows.iter().enumerate() {
                let record = table.start + *row as usize * table.stride;
                let of = uses.of(place);
                let count = of.len().div_ceil(CHUNK);
                let mut words = [0; used::WORDS];
                words[used::RECORD] = word(record);
                words[used::TABLE] = word(index);
                words[used::CHUNK] = word(chunks);
                words[used::CHUNKS] = word(count);
                found.rows.extend(words);
                chunks += count;
                for uses in of.chunks(CHUNK) {
                    let mut words = [0; chunk::WORDS];
                    words[chunk::FIRST] = word(found.uses.len() / 2);
                    words[chunk::USES] = word(uses.len());
                    words[chunk::WIDTH] = word(table.width);
                    found.chunks.extend(words);
                    for used in uses {
                        let at = starts[used.input as usize] + used.start as usize;
                        found.uses.extend([word(at), used.factor.to_bits()]);
                    }
                }
            }
        }
    }
}
