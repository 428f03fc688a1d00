//! Slices of row groups, read ahead by several threads, each of which decodes some of the columns.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use crate::data::dataset::{Dataset, RowGroupRef};
use crate::data::loader::ordered::spawn;
use crate::error::{Error, Result};
use crate::store::guard::damaged;

/// Threads at most.
const READERS: usize = 4;
/// Slices that wait for the others of their rows, of each thread.
const WAITING: usize = 1;

/// Some rows of a row group.
pub(crate) struct RowSlice {
    pub file: usize,
    /// Row of the file that is the first here.
    pub first_row: u64,
    pub rows: RecordBatch,
}

/// All slices of some row groups, in their order.
pub(crate) struct Slices {
    dataset: Dataset,
    /// Of every thread the slices of its columns, and `None` after the last.
    readers: Vec<Receiver<Result<Option<RowSlice>>>>,
}

impl Slices {
    /// Starts to read; the threads end when the slices are not wanted any more.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub(crate) fn read(
        dataset: &Dataset,
        units: Vec<RowGroupRef>,
        threads: &mut Vec<JoinHandle<()>>,
    ) -> Result<Self> {
        let threads_at_most = rayon::current_num_threads().min(READERS);
        let units: Arc<[RowGroupRef]> = units.into();
        let mut readers = Vec::new();
        for columns in dataset.shares(units.first(), threads_at_most) {
            let (sender, receiver) = sync_channel(WAITING);
            let (dataset, units) = (dataset.clone(), Arc::clone(&units));
            let run = move || read(&dataset, &units, &columns, &sender);
            threads.push(spawn("mtmd-read", run)?);
            readers.push(receiver);
        }
        Ok(Self {
            dataset: dataset.clone(),
            readers,
        })
    }

    /// The next slice, with all columns; `None` after the last.
    pub(crate) fn next(&self) -> Result<Option<RowSlice>> {
        let readers = self.readers.iter();
        let mut parts = readers.map(|reader| reader.recv().map_err(|_| ended_early())?);
        let first = parts.next().transpose()?.flatten();
        parts.try_fold(first, |whole, part| match (whole, part?) {
            (None, None) => Ok(None),
            (Some(slice), None) | (None, Some(slice)) => Err(self.uneven(slice.file)),
            (Some(whole), Some(part)) => {
                let file = whole.file;
                let joined = whole.join(part).ok_or_else(|| self.uneven(file));
                joined.map(Some)
            }
        })
    }

    fn uneven(&self, file: usize) -> Error {
        let path = self.dataset.path(file);
        damaged(path, &"its columns are of different lengths")
    }
}

impl RowSlice {
    /// Both with the columns of both; `None` if they are not of the same rows.
    fn join(self, other: Self) -> Option<Self> {
        let place = |slice: &Self| (slice.file, slice.first_row, slice.rows.num_rows());
        if place(&self) != place(&other) {
            return None;
        }
        let fields = [&self.rows, &other.rows].map(|rows| rows.schema_ref().fields().iter());
        let schema = Schema::new(fields.into_iter().flatten().cloned().collect::<Vec<_>>());
        let columns = [self.rows.columns(), other.rows.columns()].concat();
        let rows = RecordBatch::try_new(Arc::new(schema), columns).ok()?;
        Some(Self { rows, ..self })
    }
}

/// A thread's work: reads these columns of all row groups in slices.
fn read(
    dataset: &Dataset,
    units: &[RowGroupRef],
    columns: &[String],
    sender: &SyncSender<Result<Option<RowSlice>>>,
) {
    let slices = units.iter().flat_map(|unit| {
        let (group, error) = match dataset.read(*unit, columns) {
            Ok(group) => (Some(group), None),
            Err(error) => (None, Some(Err(error))),
        };
        let mut next_row = unit.first_row;
        let slices = group.into_iter().flatten().map(move |rows| {
            let rows = rows?;
            let first_row = next_row;
            next_row += rows.num_rows() as u64;
            Ok(Some(RowSlice {
                file: unit.file,
                first_row,
                rows,
            }))
        });
        slices.chain(error)
    });
    for slice in slices.chain(std::iter::once(Ok(None))) {
        let is_error = slice.is_err();
        // A send fails if the slices are not wanted any more.
        if sender.send(slice).is_err() || is_error {
            return;
        }
    }
}

/// A thread ended without a word.
pub(crate) fn ended_early() -> Error {
    Error::run(
        "the data reader",
        "its thread ended early",
        "report this as a bug",
    )
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int64Array};

    use super::*;

    #[test]
    fn parts_of_the_same_rows_are_joined_and_others_are_not() {
        let part = |name: &str, first_row, values: &[i64]| {
            let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
            let rows = RecordBatch::try_from_iter([(name, column)]).unwrap();
            RowSlice {
                file: 3,
                first_row,
                rows,
            }
        };
        let joined = part("a", 8, &[1, 2]).join(part("b", 8, &[5, 6])).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![5, 6]));
        assert_eq!(joined.rows.column_by_name("b"), Some(&column));
        assert_eq!((joined.rows.num_columns(), joined.first_row), (2, 8));
        assert!(part("a", 8, &[1, 2]).join(part("b", 8, &[5])).is_none());
        assert!(part("a", 8, &[1, 2]).join(part("b", 9, &[5, 6])).is_none());
    }
}
