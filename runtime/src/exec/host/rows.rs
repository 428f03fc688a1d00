//! The rows of a batch that a pass runs on.

use std::ops::Range;

use mtmd_schema::Tower;

use crate::bug::check;
use crate::data::batch::TowerBatch;

/// One tower's rows of a batch, grouped by domain.
#[derive(Debug)]
pub struct TowerRows<'a, E> {
    /// By domain: places of its rows, one range after another.
    pub domains: &'a [Range<usize>],
    /// By domain: the fields of its rows, `[rows, width]`, as its program's input has them.
    pub fields: &'a [Vec<E>],
    /// By place: rows of the batch that it stands for; `None`: one each.
    pub repeats: Option<&'a [u32]>,
}

impl<E> Clone for TowerRows<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for TowerRows<'_, E> {}

impl<'a, E> TowerRows<'a, E> {
    /// The rows of a tower's batch, with the fields of each domain.
    pub fn new(batch: &'a TowerBatch, fields: &'a [Vec<E>]) -> Self {
        Self {
            domains: &batch.domains,
            fields,
            repeats: batch.shared.as_ref().map(|shared| &*shared.count),
        }
    }

    /// Number of places.
    pub fn places(&self) -> usize {
        self.domains.last().map_or(0, |places| places.end)
    }

    /// That they are rows of such a tower.
    pub(super) fn check(&self, tower: Tower, domains: usize) {
        let places = check_places(tower, self.domains, domains);
        let repeats = self.repeats.map_or(places, <[u32]>::len);
        check!(
            self.fields.len() == domains && repeats == places,
            "rows of another {} tower",
            tower.name()
        );
    }
}

/// The number of places of so many domains, which must follow one another.
pub(in crate::exec) fn check_places(
    tower: Tower,
    places: &[Range<usize>],
    domains: usize,
) -> usize {
    check!(
        places.len() == domains,
        "places of {} domains of the {} tower, which has {domains}",
        places.len(),
        tower.name()
    );
    let mut end = 0;
    for places in places {
        check!(
            places.start == end && places.start <= places.end,
            "places {places:?} of a domain of the {} tower follow {end}",
            tower.name()
        );
        end = places.end;
    }
    end
}
