//! From the raw values of a domain key to domains.

use std::collections::{BTreeMap, HashMap};

use crate::arrays::keys::{Keys, Odd, ReadKeys};
use crate::arrays::numbers::value;
use crate::bug::bug;
use crate::data::fault::Fault;
use crate::data::origin::BatchOrigin;
use crate::data::purpose::Purpose;
use crate::data::report::Unknown;
use crate::hash::BuildMix;
use crate::schema::{Axis, DomainSet, Others, Value};

/// Raw values of an axis to domains.
#[derive(Debug)]
pub(crate) struct DomainLookup {
    axis: &'static Axis,
    /// What becomes of a row of no domain.
    others: Others,
    ints: HashMap<i64, u16, BuildMix>,
    texts: HashMap<&'static str, u16, BuildMix>,
}

impl DomainLookup {
    pub(crate) fn new(axis: &'static Axis, purpose: Purpose) -> Self {
        let mut domains = Self {
            axis,
            others: match purpose {
                Purpose::Learn => axis.others,
                Purpose::Score | Purpose::Embed(_) => Others::Skip,
            },
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
    fn find(&self, keys: &Keys, rows: usize) -> Vec<Option<u16>> {
        let rows = 0..rows;
        match keys {
            Keys::Ints(ints) => {
                let find = |row| self.ints.get(&ints.get(row)?).copied();
                rows.map(find).collect()
            }
            Keys::Unsigned(keys) => {
                let find = |row| {
                    self.ints
                        .get(&i64::try_from(value(keys, row)?).ok()?)
                        .copied()
                };
                rows.map(find).collect()
            }
            Keys::Texts(texts) => {
                let mut find = texts.each(|key| self.texts.get(key).copied());
                rows.map(|row| find(row)?).collect()
            }
        }
    }

    /// What a row of no domain is: faulty, or, where the spec says so, skipped and counted. A value that may stand for
    /// several, one of a domain among them, is a fault in any case.
    fn unknown(
        &self,
        keys: &ReadKeys,
        row: usize,
        place: BatchOrigin,
        unknown: &mut Unknown,
    ) -> Option<Fault> {
        if let Some(odd @ Odd::Inexact { .. }) = keys.odd_at(row) {
            return Some(Fault::bad(&self.axis.column, odd.fault("a domain's value")));
        }
        match self.others {
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

/// The domains of a record batch's rows.
#[expect(
    clippy::large_enum_variant,
    reason = "there are two at a time, and they stay where they are"
)]
pub(crate) enum RowDomains<'a> {
    /// Those of a column.
    Read {
        lookup: &'a DomainLookup,
        keys: ReadKeys,
        /// `None` where there is none.
        found: Vec<Option<u16>>,
    },
    /// Of an axis whose tower is not read: nothing looks at them.
    NotRead,
}

impl<'a> RowDomains<'a> {
    pub(crate) fn read(lookup: &'a DomainLookup, keys: ReadKeys, rows: usize) -> Self {
        Self::Read {
            found: lookup.find(&keys.values, rows),
            lookup,
            keys,
        }
    }

    /// The domain of a row. If it has none, the row is counted or faulty.
    pub(crate) fn of(
        &self,
        row: usize,
        place: BatchOrigin,
        unknown: &mut Unknown,
        faults: &mut BTreeMap<u32, Fault>,
    ) -> Option<u16> {
        let Self::Read {
            lookup,
            keys,
            found,
        } = self
        else {
            return Some(0);
        };
        let Some(domain) = found.get(row) else {
            bug!("the domain of row {row} of {}", found.len());
        };
        if domain.is_none() {
            let fault = lookup.unknown(keys, row, place, unknown);
            faults.extend(fault.map(|fault| (row as u32, fault)));
        }
        *domain
    }
}

/// Domains as flags, by domain.
pub(crate) fn mask(domains: &DomainSet) -> Vec<bool> {
    let end = domains.last().map_or(0, |last| last.0 + 1);
    let mut mask = vec![false; end];
    for domain in domains {
        if let Some(flag) = mask.get_mut(domain.0) {
            *flag = true;
        }
    }
    mask
}
