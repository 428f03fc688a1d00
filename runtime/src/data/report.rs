//! What became of the rows of a pass over the data.

use std::collections::BTreeMap;
use std::fmt;

use crate::data::split::Parts;

/// Values of an axis that are counted apart; further ones are counted together.
const DISTINCT: usize = 1000;
/// Values of an axis that are shown.
const SHOWN: usize = 5;

/// Counts of a pass over the data.
#[derive(Debug, Clone, PartialEq)]
pub struct RowReport {
    /// Parts that were wanted.
    pub parts: Parts,
    /// Rows of these parts.
    pub read: u64,
    /// Rows that can be used.
    pub used: u64,
    /// Rows of other parts and of none.
    pub outside: u64,
    /// Rows of no surface.
    pub surfaces: Unknown,
    /// Rows of no product, with a known surface.
    pub products: Unknown,
    /// Bad rows, by the column that makes them bad (the first one, if there are more).
    pub bad: BTreeMap<&'static str, Bad>,
}

/// Rows whose value of an axis is no domain's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Unknown {
    /// Column of the axis.
    pub column: &'static str,
    /// Rows.
    pub rows: u64,
    /// Rows by value, of the first thousand values.
    pub values: BTreeMap<String, u64>,
    /// File and row of the first in the order of reading.
    pub first: Option<String>,
}

/// Bad rows of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// Rows.
    pub rows: u64,
    /// File, row and cause of the first in the order of reading.
    pub first: String,
}

impl RowReport {
    pub(super) fn new(parts: Parts, surfaces: &'static str, products: &'static str) -> Self {
        let unknown = |column| Unknown {
            column,
            ..Unknown::default()
        };
        Self {
            parts,
            read: 0,
            used: 0,
            outside: 0,
            surfaces: unknown(surfaces),
            products: unknown(products),
            bad: BTreeMap::new(),
        }
    }

    /// Adds the counts of rows that were read after these.
    pub(crate) fn add(&mut self, other: Self) {
        self.read += other.read;
        self.used += other.used;
        self.outside += other.outside;
        self.surfaces.add(other.surfaces);
        self.products.add(other.products);
        for (column, bad) in other.bad {
            let rows = bad.rows;
            self.bad
                .entry(column)
                .and_modify(|known| known.rows += rows)
                .or_insert(bad);
        }
    }
}

impl Unknown {
    pub(super) fn count(&mut self, value: String, at: impl FnOnce() -> String) {
        self.rows += 1;
        self.first.get_or_insert_with(at);
        self.add_value(value, 1);
    }

    fn add_value(&mut self, value: String, rows: u64) {
        if self.values.len() < DISTINCT || self.values.contains_key(&value) {
            *self.values.entry(value).or_default() += rows;
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.first = self.first.take().or(other.first);
        other
            .values
            .into_iter()
            .for_each(|(value, rows)| self.add_value(value, rows));
    }
}

impl fmt::Display for RowReport {
    /// One line for the rows, and one for each reason to leave rows out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} rows used ({})",
            self.used, self.read, self.parts
        )?;
        for unknown in [&self.surfaces, &self.products] {
            if unknown.rows > 0 {
                write!(f, "\n  {} skipped: {unknown}", unknown.rows)?;
            }
        }
        for (column, bad) in &self.bad {
            write!(
                f,
                "\n  {} skipped: bad `{column}`, the first in {}",
                bad.rows, bad.first
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values: Vec<_> = self.values.iter().collect();
        values.sort_by(|(x, a), (y, b)| b.cmp(a).then_with(|| x.cmp(y)));
        write!(f, "`{}` is ", self.column)?;
        for (index, (value, rows)) in values.iter().take(SHOWN).enumerate() {
            write!(f, "{}{value} ({rows})", if index == 0 { "" } else { ", " })?;
        }
        if values.len() > SHOWN {
            write!(f, ", …")?;
        }
        match &self.first {
            Some(first) => write!(f, ", the first in {first}"),
            None => Ok(()),
        }
    }
}
