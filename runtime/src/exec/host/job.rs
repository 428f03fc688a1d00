//! The rows of one domain in a pass.

#![expect(
    clippy::indexing_slicing,
    reason = "domains and blocks are verified, rows are held to their fields"
)]

use std::ops::Range;

use mtmd_schema::Tower;
use mtmd_schema::plan::{Plan, Program};

use super::batch_norm::DomainRows;
use super::lanes::{Cut, Lane};
use super::parameters::Parameters;
use super::product::Way;
use super::real::Real;
use super::rows::TowerRows;
use crate::bug::check;

/// The rows of one domain, and the program that they go through.
#[derive(Debug)]
pub struct Job<'a, E> {
    /// The tower.
    pub tower: Tower,
    /// Index of the domain.
    pub domain: usize,
    /// Index of its program.
    pub at: usize,
    /// Its program.
    pub program: &'a Program,
    /// Which of the program's blocks is the domain's.
    pub block: usize,
    /// Places of the rows in the tower.
    pub places: Range<usize>,
    /// The rows.
    pub rows: DomainRows<'a, E>,
    /// Their chunks, by lane.
    pub lanes: Vec<Lane>,
    /// How products are made.
    pub way: Way,
}

impl<'a, E: Real> Job<'a, E> {
    /// One for each domain with rows, in the order of the towers and their places. `way` is that of products with so many
    /// rows.
    pub fn all(
        plan: &'a Plan,
        towers: &[(Tower, TowerRows<'a, E>)],
        way: impl Fn(usize) -> Way,
    ) -> Vec<Self> {
        let all = towers.iter().map(|(_, rows)| rows.places()).sum();
        let way = &way;
        let jobs = towers.iter().flat_map(|(tower, rows)| {
            let domains = rows.domains.iter().enumerate();
            let filled = domains.filter(|(_, places)| !places.is_empty());
            filled.map(|(domain, _)| Self::new(plan, *tower, *rows, domain, all, way))
        });
        jobs.collect()
    }

    fn new(
        plan: &'a Plan,
        tower: Tower,
        rows: TowerRows<'a, E>,
        domain: usize,
        all: usize,
        way: &impl Fn(usize) -> Way,
    ) -> Self {
        let place = plan.tower(tower).domains[domain];
        let program = &plan.tower(tower).programs[place.program];
        let places = rows.domains[domain].clone();
        let fields = &rows.fields[domain];
        let width = program.buffers[program.input.0].width;
        check!(
            fields.len() == places.len() * width,
            "{} fields of {} rows of domain {domain} of the {} tower, each of {width}",
            fields.len(),
            places.len(),
            tower.name()
        );
        let cut = Cut {
            rows: places.len(),
            all,
        };
        Self {
            tower,
            domain,
            at: place.program,
            program,
            block: place.block,
            rows: DomainRows {
                fields,
                repeats: rows.repeats.map(|repeats| &repeats[places.clone()]),
            },
            lanes: cut.lanes(),
            way: way(places.len()),
            places,
        }
    }

    /// Number of chunks.
    pub fn chunks(&self) -> usize {
        self.lanes.iter().map(Vec::len).sum()
    }

    /// Elements of the domain's block of parameters.
    pub fn own(&self) -> Range<usize> {
        self.program.parameters.range(self.block)
    }

    /// Elements of the domain's block of running statistics.
    pub fn statistics(&self) -> Range<usize> {
        self.program.statistics.range(self.block)
    }

    /// The parameters as the program addresses them.
    pub fn parameters<'p>(&self, all: &'p [E]) -> Parameters<'p, E> {
        Parameters {
            all,
            own: self.own().start,
        }
    }

    /// The fields of some of its rows.
    pub fn fields(&self, rows: &Range<usize>) -> &'a [E] {
        let width = self.program.buffers[self.program.input.0].width;
        &self.rows.fields[rows.start * width..rows.end * width]
    }
}
