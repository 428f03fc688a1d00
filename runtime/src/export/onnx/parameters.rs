//! The arrays of the weights file that a domain's program addresses.

use mtmd_schema::plan::{Address, Program, Scope};
use mtmd_schema::{DomainId, Tower};

use super::graph::{Graph, Value};
use crate::bug::{bug, check};
use crate::params::{Array, ParameterIndex, Part};

/// The parameters and running statistics of a domain.
#[derive(Debug)]
pub struct Parameters<'a> {
    /// By place in the flat array.
    values: Vec<Stored<'a>>,
    /// By place in the flat array of running statistics.
    statistics: Vec<Stored<'a>>,
    /// First elements of the domain's blocks.
    own: usize,
    own_statistics: usize,
}

/// An array of the weights file.
#[derive(Debug, Clone)]
pub struct Stored<'a> {
    /// Key.
    key: String,
    /// Shape.
    pub shape: &'a [usize],
    /// First element.
    start: usize,
    /// Number of elements.
    pub len: usize,
}

impl Stored<'_> {
    /// The array as a value of a graph.
    pub fn value(&self, graph: &mut Graph) -> Value {
        graph.weight(&self.key, self.shape)
    }
}

impl<'a> Parameters<'a> {
    /// Those of a domain, whose block of its program is `block`.
    pub fn new(
        index: &ParameterIndex<'a>,
        (tower, domain): (Tower, DomainId),
        (program, block): (&Program, usize),
    ) -> Self {
        let parts = [Part::Shared(tower), Part::Domain(tower, domain)];
        let (mut values, mut statistics) = (Vec::new(), Vec::new());
        for entry in parts.into_iter().flat_map(|part| index.of(part)) {
            let to = match entry.array {
                Array::Values => &mut values,
                Array::Statistics => &mut statistics,
            };
            to.push(Stored {
                key: index.key(&entry),
                shape: entry.shape,
                start: entry.range.start,
                len: entry.range.len(),
            });
        }
        for stored in [&mut values, &mut statistics] {
            stored.sort_by_key(|stored| stored.start);
        }
        Self {
            values,
            statistics,
            own: program.parameters.at(block),
            own_statistics: program.statistics.at(block),
        }
    }

    /// The arrays that `count` elements from an address on are.
    pub fn get(&self, first: Address, count: usize) -> &[Stored<'a>] {
        exactly(&self.values, self.start(first), count)
    }

    /// The array that they are.
    pub fn one(&self, first: Address, count: usize) -> &Stored<'a> {
        single(self.get(first, count))
    }

    /// The array that has `count` elements from an address on, and the place of the first of them.
    pub fn within(&self, first: Address, count: usize) -> (&Stored<'a>, usize) {
        let start = self.start(first);
        let after = self.values.partition_point(|stored| stored.start <= start);
        let found = after
            .checked_sub(1)
            .and_then(|place| self.values.get(place));
        match found {
            Some(stored) if start + count <= stored.start + stored.len => {
                (stored, start - stored.start)
            }
            _ => bug!("{count} elements from {start} on are not of one array"),
        }
    }

    fn start(&self, first: Address) -> usize {
        match first.scope {
            Scope::Own => self.own + first.offset,
            Scope::Tower => first.offset,
        }
    }

    /// The array of running statistics that `count` elements from an offset on are.
    pub fn statistics(&self, offset: usize, count: usize) -> &Stored<'a> {
        single(exactly(
            &self.statistics,
            self.own_statistics + offset,
            count,
        ))
    }
}

fn exactly<'s, 'a>(all: &'s [Stored<'a>], start: usize, count: usize) -> &'s [Stored<'a>] {
    let from = all.partition_point(|stored| stored.start < start);
    let to = all.partition_point(|stored| stored.start < start + count);
    let found = all.get(from..to).unwrap_or_default();
    let mut next = start;
    for stored in found {
        check!(stored.start == next, "`{}` starts after {next}", stored.key);
        next += stored.len;
    }
    check!(
        next == start + count,
        "{count} elements from {start} on are not whole arrays"
    );
    found
}

fn single<'s, 'a>(found: &'s [Stored<'a>]) -> &'s Stored<'a> {
    match found {
        [one] => one,
        several => bug!("{} arrays instead of one", several.len()),
    }
}
