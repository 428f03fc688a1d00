//! The rows of a batch, as kernels address them.

use mtmd_schema::plan::Plan;

use super::kernels::words::{TILE, domain, tile};
use super::piece::word;
use super::tables::{DeviceProgram, domain_index};
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
    pub fn new<E: crate::exec::host::Real>(
        plan: &Plan,
        programs: &[DeviceProgram<'_>],
        jobs: &[Job<'_, E>],
    ) -> Self {
        let domains = plan.query.domains.len() + plan.item.domains.len();
        let mut found = Self {
            tiles: Vec::new(),
            domains: vec![0; domains * domain::WORDS],
            rows: 0,
            fields: 0,
            outputs: 0,
            embedded: 0,
        };
        for job in jobs {
            let same = |of: &DeviceProgram<'_>| std::ptr::eq(of.program, job.program);
            let Some(program) = programs.iter().position(same) else {
                bug!("a domain of another plan");
            };
            found.add(domain_index(plan, job.tower, job.domain), program, job);
        }
        found
    }

    /// Number of tiles.
    pub fn tile_count(&self) -> usize {
        self.tiles.len() / tile::WORDS
    }

    fn add<E: crate::exec::host::Real>(&mut self, index: usize, program: usize, job: &Job<'_, E>) {
        let of = job.program;
        let width = |buffer: mtmd_schema::plan::BufferId| match of.buffers.get(buffer.0) {
            Some(buffer) => buffer.width,
            None => bug!("buffer {} of another program", buffer.0),
        };
        let (fields, outputs) = (width(of.input), width(of.output));
        let rows = job.places.len();
        let first_tile = self.tile_count();
        for start in (0..rows).step_by(TILE) {
            let mut words = [0; tile::WORDS];
            for (at, value) in [
                (tile::ROW, self.rows + start),
                (tile::ROWS, (rows - start).min(TILE)),
                (tile::PROGRAM, program),
                (tile::OWN_BLOCK, job.own().start),
                (tile::MOMENTS, job.statistics().start),
                (tile::FIELDS, self.fields + start * fields),
                (tile::OUTPUTS, self.outputs + start * outputs),
                (tile::EMBEDDED, self.embedded + start * of.embedded),
            ] {
                if let Some(to) = words.get_mut(at) {
                    *to = word(value);
                }
            }
            self.tiles.extend(words);
        }
        let at = index * domain::WORDS;
        let tiles = self.tile_count() - first_tile;
        for (place, value) in [
            (domain::ROW, self.rows),
            (domain::ROWS, rows),
            (domain::TILE, first_tile),
            (domain::TILES, tiles),
        ] {
            match self.domains.get_mut(at + place) {
                Some(to) => *to = word(value),
                None => bug!("no domain {index}"),
            }
        }
        self.rows += rows;
        self.fields += rows * fields;
        self.outputs += rows * outputs;
        self.embedded += rows * of.embedded;
    }
}
