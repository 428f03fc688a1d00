//! The rows of a batch, as kernels address them.

use mtmd_schema::plan::Plan;

use super::kernels::words::{TILE, domain, tile};
use super::piece::{buffer, fill, item, word};
use super::tables::{domain_index, program_index};
use crate::bug::bug;
use crate::exec::host::Job;

/// Tables of a batch, and the sizes of the arrays that it goes through.
#[derive(Debug)]
pub struct BatchRows {
    /// Words of the tiles.
    pub tiles: Vec<u32>,
    /// Words of the domains.
    pub domains: Vec<u32>,
    /// Rows of both towers.
    pub rows: usize,
    /// Elements of the fields.
    pub fields: usize,
    /// Elements of the outputs.
    pub outputs: usize,
    /// Elements of the gradients of embedded fields.
    pub embedded: usize,
}

impl BatchRows {
    /// Those of the domains with rows.
    pub fn new(plan: &Plan, jobs: &[Job<'_, f32>]) -> Self {
        let domains = plan.query.domains.len() + plan.item.domains.len();
        let mut found = Self {
            tiles: Vec::new(),
            domains: vec![0; domains * domain::WORDS],
            rows: 0,
            fields: 0,
            outputs: 0,
            embedded: 0,
        };
        jobs.iter().for_each(|job| found.add(plan, job));
        found
    }

    /// Number of tiles.
    pub fn tile_count(&self) -> usize {
        self.tiles.len() / tile::WORDS
    }

    fn add(&mut self, plan: &Plan, job: &Job<'_, f32>) {
        let of = job.program;
        let fields = buffer(of, of.input).width;
        let outputs = buffer(of, of.output).width;
        let program = program_index(plan, job.tower, job.domain);
        let rows = job.places.len();
        let first_tile = self.tile_count();
        for start in (0..rows).step_by(TILE) {
            let words = [
                (tile::ROW, word(self.rows + start)),
                (tile::ROWS, word((rows - start).min(TILE))),
                (tile::PROGRAM, word(program)),
                (tile::OWN_BLOCK, word(job.own().start)),
                (tile::MOMENTS, word(job.statistics().start)),
                (tile::FIELDS, word(self.fields + start * fields)),
                (tile::OUTPUTS, word(self.outputs + start * outputs)),
                (tile::EMBEDDED, word(self.embedded + start * of.embedded)),
            ];
            self.tiles.extend(item(tile::WORDS, &words));
        }
        let words = [
            (domain::ROW, word(self.rows)),
            (domain::ROWS, word(rows)),
            (domain::TILE, word(first_tile)),
            (domain::TILES, word(self.tile_count() - first_tile)),
        ];
        let at = domain_index(plan, job.tower, job.domain) * domain::WORDS;
        match self.domains.get_mut(at..at + domain::WORDS) {
            Some(to) => fill(to, &words),
            None => bug!("no domain {} of the {} tower", job.domain, job.tower.name()),
        }
        self.rows += rows;
        self.fields += rows * fields;
        self.outputs += rows * outputs;
        self.embedded += rows * of.embedded;
    }
}
