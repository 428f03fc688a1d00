//! An open hash table of rows: each slot holds a row + 1, or 0.

use crate::bug::bug;

/// What a search finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The row that is looked for.
    Row(u32),
    /// The slot where it would be.
    Free(usize),
}

/// Searches for a row by its hash; `is` says whether a row is the one.
pub fn search(slots: &[u32], hash: u64, is: impl Fn(u32) -> bool) -> Slot {
    let count = slots.len() as u64;
    let mut at = hash.checked_rem(count).unwrap_or_default() as usize;
    for _ in 0..slots.len() {
        match slots.get(at).copied().unwrap_or_default().checked_sub(1) {
            None => return Slot::Free(at),
            Some(row) if is(row) => return Slot::Row(row),
            Some(_) => at = if at + 1 == slots.len() { 0 } else { at + 1 },
        }
    }
    // Of a table that is full, which none of ours is: the row is not there.
    Slot::Free(slots.len())
}

/// A table that grows.
#[derive(Debug, Clone, Default)]
pub struct Slots {
    slots: Vec<u32>,
    rows: usize,
}

impl Slots {
    /// The smallest table.
    const LEAST: usize = 16;

    /// The slots: at least twice as many as rows.
    pub fn all(&self) -> &[u32] {
        &self.slots
    }

    /// The row with a hash for which `is` holds; if there is none, the next row number, which is then added. `hash_of` is
    /// that of a row that is there.
    pub fn find_or_add(
        &mut self,
        hash: u64,
        is: impl Fn(u32) -> bool,
        hash_of: impl Fn(u32) -> u64,
    ) -> Found {
        if 2 * (self.rows + 1) > self.slots.len() {
            self.grow(hash_of);
        }
        match search(&self.slots, hash, is) {
            Slot::Row(row) => Found::There(row),
            Slot::Free(at) => {
                let row = self.rows as u32;
                self.put(at, row);
                self.rows += 1;
                Found::Added(row)
            }
        }
    }

    fn grow(&mut self, hash_of: impl Fn(u32) -> u64) {
        let size = (2 * self.slots.len()).max(Self::LEAST);
        self.slots = vec![0; size];
        for row in 0..self.rows as u32 {
            match search(&self.slots, hash_of(row), |_| false) {
                Slot::Free(at) => self.put(at, row),
                Slot::Row(row) => bug!("row {row} is there before it is added"),
            }
        }
    }

    fn put(&mut self, at: usize, row: u32) {
        let Some(slot) = self.slots.get_mut(at) else {
            bug!("slot {at} of {}", self.slots.len());
        };
        *slot = row + 1;
    }
}

/// Whether a row was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It was.
    There(u32),
    /// It is now.
    Added(u32),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Every key has the row of its first addition, whatever the hashes are.
        #[test]
        fn rows_are_found_again(
            keys in prop::collection::vec((0_u64..40, 0_u64..5), 0..200),
            weak: bool,
        ) {
            let hash = |key: u64| if weak { key % 3 } else { crate::hash::mix(key) };
            let (mut slots, mut rows) = (Slots::default(), Vec::new());
            for (key, _) in keys {
                let known = rows.iter().position(|known| *known == key);
                let is = |row: u32| rows[row as usize] == key;
                let found = slots.find_or_add(hash(key), is, |row| hash(rows[row as usize]));
                match known {
                    Some(row) => prop_assert_eq!(found, Found::There(row as u32)),
                    None => {
                        prop_assert_eq!(found, Found::Added(rows.len() as u32));
                        rows.push(key);
                    }
                }
            }
            for (row, key) in rows.iter().enumerate() {
                let found = search(slots.all(), hash(*key), |row| rows[row as usize] == *key);
                prop_assert_eq!(found, Slot::Row(row as u32));
            }
            let absent = search(slots.all(), hash(99), |row| rows[row as usize] == 99);
            prop_assert!(matches!(absent, Slot::Free(_)));
            prop_assert!(slots.all().is_empty() || slots.all().len() >= 2 * rows.len());
        }
    }
}
