//! Tables in files: `tables.NAME.weight`, and next to it the optimiser's state.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::bug::check;
use crate::error::Result;
use crate::params::transfer::TransferTarget;
use crate::params::{Reader, Writer};
use crate::schema::key;
use crate::tables::Tables;
use crate::tables::rule::StateArray;
use crate::tables::table::TableStore;

/// Entry of the header of the optimisers' state: steps of the tables.
const STEPS: &str = "tables.step";

impl Tables {
    /// Adds the weights to a file that is to be written. All rows must be up to date: see
    /// [`Tables::flush`].
    pub fn write_weights<'a>(&'a self, writer: &mut Writer<'a>) {
        self.require_flushed();
        for table in &self.tables {
            write(table, table.rule.weight_array(), table.key(), writer);
        }
    }

    /// Adds the optimisers' state to a file that is to be written. All rows must be up to date.
    pub fn write_state<'a>(&'a self, writer: &mut Writer<'a>) {
        self.require_flushed();
        let steps = self.steps.to_string();
        writer.metadata.insert(STEPS.to_owned(), steps);
        for table in &self.tables {
            for array in table.rule.arrays() {
                write(table, array, table.array_key(array), writer);
            }
        }
    }

    /// Reads the weights. The reader records arrays that do not fit.
    ///
    /// # Errors
    /// A row 0 that is not zero.
    pub fn read_weights(&mut self, reader: &mut Reader) -> Result<()> {
        for table in &mut self.tables {
            let key = table.key();
            read(table, table.rule.weight_array(), &key, reader);
        }
        self.require_zero_rows()
    }

    /// Reads the optimisers' state into tables that have made no step. The reader records arrays that
    /// do not fit.
    ///
    /// # Errors
    /// A row 0 that is not zero.
    pub fn read_state(&mut self, reader: &mut Reader) -> Result<()> {
        check!(self.steps == 0, "tables that have made a step are resumed");
        if let Some(steps) = reader.header(STEPS) {
            self.start_at(steps);
        }
        for table in &mut self.tables {
            for array in table.rule.arrays() {
                let key = table.array_key(array);
                read(table, array, &key, reader);
                table.require_zero_row(array, key)?;
            }
        }
        Ok(())
    }

    /// The weights by key, to be written in place: of tables that have made no step.
    pub fn targets(&mut self) -> BTreeMap<String, TransferTarget<'_>> {
        check!(self.steps == 0, "tables that have made a step are replaced");
        self.tables.iter_mut().map(TableStore::target).collect()
    }

    /// Requires that row 0 of every table is zero.
    ///
    /// # Errors
    /// A table whose row 0 is not.
    pub fn require_zero_rows(&self) -> Result<()> {
        let mut tables = self.tables.iter();
        tables.try_for_each(|table| table.require_zero_row(table.rule.weight_array(), table.key()))
    }

    fn require_flushed(&self) {
        let flushed = self.clocks.iter().all(|clock| clock.is_fresh());
        check!(flushed, "rows that are behind are written");
    }
}

fn write<'a>(table: &'a TableStore, array: StateArray, key: String, writer: &mut Writer<'a>) {
    let shape = array.shape(table.declared.rows);
    writer.insert_pieces(key, shape, table.pieces(array).map(Cow::Owned));
}

fn read(table: &mut TableStore, array: StateArray, key: &str, reader: &mut Reader) {
    let mut row = 0;
    reader.pieces(key, &array.shape(table.declared.rows), |values| {
        table.put(array, row, values);
        row += values.len() / array.width;
    });
}

impl TableStore {
    fn key(&self) -> String {
        key::table(&self.declared.name)
    }

    fn target(&mut self) -> (String, TransferTarget<'_>) {
        let (key, weight) = (self.key(), self.rule.weight_array());
        let target = TransferTarget {
            shape: weight.shape(self.declared.rows),
            start: weight.start,
            stride: self.rule.stride(),
            values: &mut self.records,
        };
        (key, target)
    }

    fn array_key(&self, array: StateArray) -> String {
        format!("{}.{}", self.key(), array.name)
    }
}
