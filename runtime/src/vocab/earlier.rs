//! What another model learned from its rows, and how a new one goes on with it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::moments::NumberMoments;
use super::vocabularies::{StoredVocabularies, Vocabularies};
use super::vocabulary::{RawValue, Vocabulary, mismatch, room};
use crate::bug::bug;
use crate::error::{Error, Result};
use crate::schema::Schema;
use crate::schema::transfer::Slice;

/// Vocabularies and moments as they were stored, of whatever schema.
#[derive(Debug)]
pub struct Earlier {
    vocabularies: HashMap<String, Vocabulary>,
    moments: BTreeMap<String, NumberMoments>,
}

/// What became of a vocabulary that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// Table in the new schema.
    pub table: String,
    /// Values that were there and stay.
    pub kept: usize,
    /// Values that came in.
    pub added: usize,
    /// Values that were there and have no room.
    pub lost: usize,
}

impl Earlier {
    /// Reads what [`Vocabularies::to_json`] wrote.
    ///
    /// # Errors
    /// Text that is not of this form.
    pub fn parse(text: &str) -> Result<Self> {
        let stored: StoredVocabularies<Vocabulary> =
            serde_json::from_str(text).map_err(|error| {
                Error::weights(
                    "the vocabularies of the weights",
                    error.to_string(),
                    "start from another folder",
                )
            })?;
        let named = |vocabulary: Vocabulary| (vocabulary.table.clone(), vocabulary);
        Ok(Self {
            vocabularies: stored.vocabularies.into_iter().map(named).collect(),
            moments: stored.moments,
        })
    }

    /// Values of a table, in the order of their rows from row 1 on.
    ///
    /// # Errors
    /// A table without a learned vocabulary.
    pub fn values(&self, table: &str) -> Result<&[RawValue]> {
        let found = self.vocabularies.get(table);
        let found = found.ok_or_else(|| mismatch(table, "the weights to start from have none"))?;
        Ok(&found.values)
    }
}

impl Vocabularies {
    /// These vocabularies after earlier ones: the earlier values first, in their order, then those that are new,
    /// the most frequent first, as far as there is room. So no value loses its row because a few new rows do not
    /// have it. `tables` has the earlier name of each table that goes on, by its own; `moments` the same of the
    /// numbers that go on to be standardised as they were.
    ///
    /// # Errors
    /// Tables and numbers that have learned nothing, here or there.
    pub fn after(
        &self,
        schema: &Schema,
        earlier: &Earlier,
        tables: &BTreeMap<String, String>,
        moments: &BTreeMap<String, String>,
    ) -> Result<(Self, Vec<Growth>)> {
        let mut learned: Vec<Vocabulary> = self.learned().cloned().collect();
        let mut growths = Vec::new();
        let mut joined = BTreeSet::new();
        for vocabulary in &mut learned {
            if let Some((to, from)) = tables.get_key_value(&vocabulary.table) {
                joined.insert(to);
                growths.push(join(schema, earlier.values(from)?, vocabulary));
            }
        }
        if let Some(table) = tables.keys().find(|table| !joined.contains(table)) {
            return Err(mismatch(table, "the model's table learns none"));
        }
        let mut all = self.all_moments().clone();
        for (to, from) in moments {
            let (Some(to), Some(from)) = (all.get_mut(to), earlier.moments.get(from)) else {
                let cause = format!(
                    "the mean and deviation of `{from}` cannot become those of `{to}`: one of the two has learned none"
                );
                return Err(mismatch("", cause));
            };
            *to = *from;
        }
        Ok((Self::new(schema, learned, all)?, growths))
    }
}

/// Puts earlier values before those that were learned.
fn join(schema: &Schema, earlier: &[RawValue], learned: &mut Vocabulary) -> Growth {
    let Some(table) = schema.tables.iter().find(|it| it.name == learned.table) else {
        bug!(
            "a vocabulary of table `{}`, which the schema lacks",
            learned.table
        );
    };
    let room = room(table);
    let kept = earlier.len().min(room);
    let mut values: Vec<RawValue> = earlier.iter().take(room).cloned().collect();
    let known: HashSet<&RawValue> = earlier.iter().collect();
    let fresh = learned.values.iter().filter(|value| !known.contains(value));
    let fresh: Vec<&RawValue> = fresh.collect();
    values.extend(fresh.iter().take(room - kept).map(|&value| value.clone()));
    let added = values.len() - kept;
    learned.unfit += (fresh.len() - added) as u64;
    learned.values = values;
    Growth {
        table: learned.table.clone(),
        kept,
        added,
        lost: earlier.len() - kept,
    }
}

/// What the rows of a table start as when its vocabulary changes, as runs of rows: the row of a value that was
/// there, and of one that comes in what it was so far. That is row 0, or one of `others`, the rows that values outside
/// the earlier vocabulary were hashed into. So no prediction changes because a value comes in.
pub fn rows_by_value(
    earlier: &[RawValue],
    now: &[RawValue],
    others: Option<Range<usize>>,
) -> Vec<Slice> {
    let rows: HashMap<&RawValue, usize> = earlier.iter().zip(1..).collect();
    let others = others.filter(|rows| !rows.is_empty()).unwrap_or(0..1);
    let outside = |value: &RawValue| others.start + (value.hash() % others.len() as u64) as usize;
    let mut pieces: Vec<Slice> = Vec::new();
    for (value, to) in now.iter().zip(1..) {
        let from = rows.get(value).copied().unwrap_or_else(|| outside(value));
        match pieces.last_mut() {
            Some(last) if last.to + last.width == to && last.from + last.width == from => {
                last.width += 1;
            }
            _ => pieces.push(Slice { to, from, width: 1 }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::hash_int;

    #[test]
    fn rows_follow_their_values() {
        let raw = |values: &[i64]| values.iter().map(|&v| RawValue::Int(v)).collect::<Vec<_>>();
        let piece = |to, from, width| Slice { to, from, width };
        let (before, now) = (raw(&[5, 6, 7, 8]), raw(&[5, 6, 9, 8, 7]));
        assert_eq!(
            rows_by_value(&before, &now, None),
            [
                piece(1, 1, 2),
                piece(3, 0, 1),
                piece(4, 4, 1),
                piece(5, 3, 1)
            ],
        );
        let text = [RawValue::Text("5".into())];
        assert_eq!(rows_by_value(&text, &raw(&[5]), None), [piece(1, 0, 1)]);
        // As `Vocabularies` finds the row of a value outside.
        let row = 5 + (hash_int(9) % 3) as usize;
        assert_eq!(
            rows_by_value(&before, &raw(&[9]), Some(5..8)),
            [piece(1, row, 1)]
        );
    }
}
