//! From the raw values of a domain key to domains.

use std::collections::HashMap;

use crate::data::arrays::Keys;
use crate::data::decode::Place;
use crate::data::report::Unknown;
use crate::error::{Error, Result};
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
            for value in domain.values {
                match *value {
                    Value::Int(value) => domains.ints.insert(value, index),
                    Value::Text(value) => domains.texts.insert(value, index),
                };
            }
        }
        domains
    }

    /// The domain of a row; `None`, counted, if it has none and the spec skips such rows.
    #[inline]
    pub(super) fn find(
        &self,
        keys: &Keys,
        row: usize,
        place: Place,
        unknown: &mut Unknown,
    ) -> Result<Option<u16>> {
        let domain = match keys {
            Keys::Ints(ints) => ints.get(row).and_then(|key| self.ints.get(&key)),
            Keys::Texts(texts) => texts.get(row).and_then(|key| self.texts.get(key)),
        };
        if let Some(&domain) = domain {
            return Ok(Some(domain));
        }
        match self.axis.others {
            Others::Skip => {
                unknown.count(keys.show(row));
                Ok(None)
            }
            Others::Error => Err(Error::data(
                place.row(row as u32, self.axis.column),
                format!(
                    "{} is the value of no domain ({} of the spec)",
                    keys.show(row),
                    self.axis.place
                ),
                "name the value in a domain, or write `others skip` there to leave such rows out and count them \
                 (rows are counted from 0)",
            )),
        }
    }
}
