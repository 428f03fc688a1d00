//! From the raw values of a domain key to domains.

use std::collections::HashMap;

use crate::data::arrays::Keys;
use crate::data::candidates::Fault;
use crate::data::decode::Place;
use crate::data::report::Unknown;
use crate::hash::BuildMix;
use crate::schema::{Axis, Others, Value};

/// Raw values of an axis to domains.
#[derive(Debug)]
pub(super) struct Domains {
    pub axis: &'static Axis,
    ints: HashMap<i64, u16, BuildMix>,
    texts: HashMap<&'static str, u16, BuildMix>,
}

impl Domains {
    pub(super) fn new(axis: &'static Axis) -> Self {
        let mut domains = Self {
            axis,
            ints: HashMap::default(),
            texts: HashMap::default(),
        };
        for (domain, index) in axis.domains.iter().zip(0..) {
            for value in domain.values.iter() {
                match value {
                    Value::Int(value) => domains.ints.insert(*value, index),
                    Value::Text(value) => domains.texts.insert(value, index),
                };
            }
        }
        domains
    }

    /// The domain of each row; `None` if it has none.
    pub(super) fn find(&self, keys: &Keys, rows: usize) -> Vec<Option<u16>> {
        let rows = 0..rows;
        match keys {
            Keys::Ints(ints) => {
                let find = |row| self.ints.get(&ints.get(row)?).copied();
                rows.map(find).collect()
            }
            Keys::Texts(texts) => {
                let mut find = texts.each(|key| self.texts.get(key).copied());
                rows.map(|row| find(row)?).collect()
            }
        }
    }

    /// What a row of no domain is: skipped and counted, or, where the spec says so, faulty.
    pub(super) fn unknown(
        &self,
        keys: &Keys,
        row: usize,
        place: Place,
        unknown: &mut Unknown,
    ) -> Option<Fault> {
        match self.axis.others {
            Others::Skip => {
                let at = || place.row_of_file(row as u32);
                unknown.count(keys.show(row), at);
                None
            }
            Others::Error => Some(Fault {
                column: &self.axis.column,
                cause: format!(
                    "{} is the value of no domain ({} of the spec)",
                    keys.show(row),
                    self.axis.place
                ),
                fix: "name the value in a domain, or write `others skip` there to leave such rows out and count \
                      them; `--on-bad-row skip` does so for this run (rows are counted from 0)",
            }),
        }
    }
}
