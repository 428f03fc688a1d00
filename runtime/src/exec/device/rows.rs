//! The rows of a batch, as kernels address them.

use std::ops::Range;

use mtmd_schema::Tower;
use mtmd_schema::plan::{Plan, Program};

use super::kernels::words::{TILE, domain, pair, tile};
use super::piece::{buffer, fill, item, word};
use super::tables::{domain_index, program_index, slots};
use crate::bug::{bug, check, zip_equal};
use crate::data::batch::Batch;
use crate::exec::heads::{ByPlace, HeadRows, places};
use crate::exec::host::check_places;

/// Tables of a batch, and the sizes of the arrays that it goes through. Rows of the query tower come first, then those of
/// the item tower; a tower's rows are its places, by domain.
#[derive(Debug, Default)]
pub struct BatchRows {
    /// Words of the tiles.
    pub tiles: Vec<u32>,
    /// Words of the domains.
    pub domains: Vec<u32>,
    /// Rows of the batch that each row stands for.
    pub counts: Vec<u32>,
    /// Rows of the tower that has more.
    pub most: usize,
    /// Elements of the fields.
    pub fields: usize,
    /// Elements of the outputs.
    pub outputs: usize,
    /// Elements of the gradients of embedded fields.
    pub embedded: usize,
    /// Elements of the fields that come from no table.
    pub data: usize,
    /// Fields of all rows that come from tables.
    pub slots: usize,
}

/// The program of a domain of the plan.
pub fn program_of(plan: &Plan, tower: Tower, domain: usize) -> &Program {
    let of = plan.tower(tower);
    let place = of.domains.get(domain);
    match place.and_then(|place| of.programs.get(place.program)) {
        Some(program) => program,
        None => bug!("no domain {domain} of the {} tower", tower.name()),
    }
}

impl BatchRows {
    /// Those of a batch.
    pub fn new(plan: &Plan, batch: &Batch) -> Self {
        let domains = plan.query.domains.len() + plan.item.domains.len();
        let mut found = Self {
            domains: vec![0; domains * domain::WORDS],
            ..Self::default()
        };
        for tower in Tower::ALL {
            let rows = batch.tower(tower);
            let all = check_places(tower, &rows.domains, plan.tower(tower).domains.len());
            let start = found.rows();
            match &rows.shared {
                Some(shared) => found.counts.extend_from_slice(&shared.count),
                None => found.counts.resize(start + all, 1),
            }
            check!(
                found.rows() == start + all,
                "counts of {} of {all} places",
                found.rows() - start
            );
            found.most = found.most.max(all);
            for (domain, places) in rows.domains.iter().enumerate() {
                let rows = start + places.start..start + places.end;
                found.add(plan, tower, domain, rows);
            }
        }
        found
    }

    /// Rows of both towers.
    pub fn rows(&self) -> usize {
        self.counts.len()
    }

    /// Number of tiles.
    pub fn tile_count(&self) -> usize {
        self.tiles.len() / tile::WORDS
    }

    /// A domain's rows.
    fn add(&mut self, plan: &Plan, tower: Tower, domain: usize, rows: Range<usize>) {
        let of = program_of(plan, tower, domain);
        let Some(place) = plan.tower(tower).domains.get(domain) else {
            bug!("no domain {domain} of the {} tower", tower.name());
        };
        let fields = buffer(of, of.input).width;
        let outputs = buffer(of, of.output).width;
        let slots = slots(of).len();
        let first_tile = self.tile_count();
        for start in rows.clone().step_by(TILE) {
            let before = start - rows.start;
            let end = rows.end.min(start + TILE);
            let Some(counts) = self.counts.get(start..end) else {
                bug!("rows {start} to {end} of {}", self.rows());
            };
            let words = [
                (tile::ROW, word(start)),
                (tile::ROWS, word(end - start)),
                (tile::PROGRAM, word(program_index(plan, tower, domain))),
                (tile::OWN_BLOCK, word(of.parameters.at(place.block))),
                (tile::MOMENTS, word(of.statistics.at(place.block))),
                (tile::FIELDS, word(self.fields + before * fields)),
                (tile::OUTPUTS, word(self.outputs + before * outputs)),
                (tile::EMBEDDED, word(self.embedded + before * of.embedded)),
                (tile::COUNT, counts.iter().sum()),
                (
                    tile::DATA,
                    word(self.data + before * (fields - of.embedded)),
                ),
                (tile::SLOT, word(self.slots + before * slots)),
            ];
            self.tiles.extend(item(tile::WORDS, &words));
        }
        let words = [
            (domain::ROW, word(rows.start)),
            (domain::ROWS, word(rows.len())),
            (domain::TILE, word(first_tile)),
            (domain::TILES, word(self.tile_count() - first_tile)),
        ];
        let at = domain_index(plan, tower, domain) * domain::WORDS;
        match self.domains.get_mut(at..at + domain::WORDS) {
            Some(to) => fill(to, &words),
            None => bug!("no domain {domain} of the {} tower", tower.name()),
        }
        self.fields += rows.len() * fields;
        self.outputs += rows.len() * outputs;
        self.embedded += rows.len() * of.embedded;
        self.data += rows.len() * (fields - of.embedded);
        self.slots += rows.len() * slots;
    }
}

/// The gradients of embedded fields by tower and domain, from those of all.
pub fn by_domain(plan: &Plan, batch: &Batch, all: &[f32]) -> [Vec<Vec<f32>>; 2] {
    let mut left = all;
    let found = Tower::ALL.map(|tower| {
        let domains = batch.tower(tower).domains.iter().enumerate();
        let domain = |(domain, places): (usize, &Range<usize>)| {
            let width = program_of(plan, tower, domain).embedded;
            let Some((here, after)) = left.split_at_checked(places.len() * width) else {
                bug!("too few gradients of the {} tower's fields", tower.name());
            };
            left = after;
            here.to_vec()
        };
        domains.map(domain).collect()
    });
    check!(
        left.is_empty(),
        "gradients of {} fields too many",
        left.len()
    );
    found
}

/// What heads and loss read of a batch.
#[derive(Debug)]
pub struct BatchHeads {
    /// Words of the batch's rows; from `starts` on, where those of each row of both towers start; from `places` on,
    /// those rows of the batch.
    pub pairs: Vec<u32>,
    /// See `pairs`.
    pub starts: usize,
    /// See `pairs`.
    pub places: usize,
    /// By task and row of the batch: the label, 0 without one; then the share in the task's mean, 0 without one.
    pub labels: Vec<f32>,
    /// Rows of the batch.
    pub rows: usize,
}

impl BatchHeads {
    /// Those of a batch.
    pub fn new(plan: &Plan, batch: &Batch, heads: &[HeadRows]) -> Self {
        let [query, item] = Tower::ALL.map(|tower| places(batch.tower(tower), batch.rows));
        let queries = batch.query.order.len();
        let mut pairs = Vec::with_capacity(batch.rows * pair::WORDS);
        let domains = zip_equal(&batch.surface, &batch.product);
        for ((&query, &item), (&surface, &product)) in zip_equal(zip_equal(&query, &item), domains)
        {
            let program = |tower, domain: u16| word(program_index(plan, tower, domain.into()));
            let words = [
                (pair::QUERY, query),
                (pair::QUERY_PROGRAM, program(Tower::Query, surface)),
                (pair::ITEM, word(queries + item as usize)),
                (pair::ITEM_PROGRAM, program(Tower::Item, product)),
            ];
            pairs.extend(self::item(pair::WORDS, &words));
        }
        let starts = pairs.len();
        let by_query = ByPlace::new(&query, queries);
        let by_item = ByPlace::new(&item, batch.item.order.len());
        let (_, ends) = by_item.parts();
        let (first, rows) = by_query.parts();
        pairs.extend_from_slice(first);
        let shift = word(rows.len());
        let after = by_item.parts().0.iter().skip(1);
        pairs.extend(after.map(|start| start + shift));
        let places = pairs.len();
        pairs.extend_from_slice(rows);
        pairs.extend_from_slice(ends);
        Self {
            pairs,
            starts,
            places,
            labels: labels(batch.rows, heads),
            rows: batch.rows,
        }
    }
}

/// Labels and shares, `[2, tasks, rows]`.
fn labels(rows: usize, heads: &[HeadRows]) -> Vec<f32> {
    let mut all = vec![0.0; 2 * heads.len() * rows];
    let (labels, shares) = all.split_at_mut(heads.len() * rows);
    let tasks = labels
        .chunks_mut(rows.max(1))
        .zip(shares.chunks_mut(rows.max(1)));
    for ((labels, shares), of) in tasks.zip(heads) {
        let valid = &of.labels;
        let values = zip_equal(&valid.labels, &valid.shares);
        for (&at, (&label, &share)) in zip_equal(&valid.at, values) {
            let row = of.pairs.rows.get(at as usize).map(|row| *row as usize);
            let to = row.and_then(|row| labels.get_mut(row).zip(shares.get_mut(row)));
            let Some(to) = to else {
                bug!("a label of row {at} of {rows}");
            };
            (*to.0, *to.1) = (label as f32, share as f32);
        }
    }
    all
}
