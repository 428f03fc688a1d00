//! Columns of lists of numbers, put together from levels and values at once.
//!
//! Of itself the Parquet reader spreads the values over the places of missing and empty lists, copies them together
//! again, and looks at the levels of every entry several times.

use std::sync::Arc;

use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{ArrayRef, ArrowPrimitiveType, ListArray, PrimitiveArray};
use arrow_buffer::{ArrowNativeType, BooleanBufferBuilder, NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, FieldRef};
use parquet::basic::Type;
use parquet::column::page::PageReader;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type as physical;
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnDescPtr;

/// Levels that are looked at together.
const TOGETHER: usize = 8;

/// A column of lists.
pub(crate) trait ListReader: Send {
    /// The lists of the next rows, of which there must be so many.
    fn read(&mut self, rows: usize) -> Result<ArrayRef>;
}

/// The field and the column of a field of the file whose entries are read here, as numbers of 4 or 8 bytes; `None` for others.
pub(crate) fn lists(
    field: &Field,
    column: &ColumnDescPtr,
    pages: impl FnOnce() -> Result<Box<dyn PageReader>>,
) -> Result<Option<(FieldRef, Box<dyn ListReader>)>> {
    let (DataType::List(entry) | DataType::LargeList(entry) | DataType::FixedSizeList(entry, _)) =
        field.data_type()
    else {
        return Ok(None);
    };
    if column.max_rep_level() != 1 {
        return Ok(None);
    }
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16};
    let (found, reader): (_, fn(_, _, _) -> Box<dyn ListReader>) =
        match (entry.data_type(), column.physical_type()) {
            (Int8 | Int16 | UInt8 | UInt16 | Int32, Type::INT32) => {
                (Int32, EntryReader::<physical::Int32Type, Int32Type>::boxed)
            }
            (Int64, Type::INT64) => (Int64, EntryReader::<physical::Int64Type, Int64Type>::boxed),
            (Float32, Type::FLOAT) => (
                Float32,
                EntryReader::<physical::FloatType, Float32Type>::boxed,
            ),
            (Float64, Type::DOUBLE) => (
                Float64,
                EntryReader::<physical::DoubleType, Float64Type>::boxed,
            ),
            _ => return Ok(None),
        };
    let entry = Arc::new(Field::new(entry.name(), found, true));
    let list = Field::new(field.name(), DataType::List(Arc::clone(&entry)), true);
    Ok(Some((
        Arc::new(list),
        reader(pages()?, Arc::clone(column), entry),
    )))
}

/// Entries of one kind, as the file and as Arrow has it.
struct EntryReader<P: physical::DataType, A> {
    reader: ColumnReaderImpl<P>,
    entry: FieldRef,
    levels: Levels,
    kind: std::marker::PhantomData<fn() -> A>,
}

impl<P, A> EntryReader<P, A>
where
    P: physical::DataType<T: ArrowNativeType>,
    A: ArrowPrimitiveType<Native = P::T>,
{
    fn boxed(
        pages: Box<dyn PageReader>,
        column: ColumnDescPtr,
        entry: FieldRef,
    ) -> Box<dyn ListReader> {
        Box::new(Self {
            entry,
            levels: Levels {
                entry: column.repeated_ancestor_def_level(),
                value: column.max_def_level(),
                defined: Vec::new(),
                repeated: Vec::new(),
            },
            reader: ColumnReaderImpl::new(column, pages),
            kind: std::marker::PhantomData,
        })
    }
}

impl<P, A> ListReader for EntryReader<P, A>
where
    P: physical::DataType<T: ArrowNativeType>,
    A: ArrowPrimitiveType<Native = P::T>,
{
    fn read(&mut self, rows: usize) -> Result<ArrayRef> {
        let levels = &mut self.levels;
        levels.defined.clear();
        levels.repeated.clear();
        let mut values = Vec::new();
        let (defined, repeated) = (Some(&mut levels.defined), Some(&mut levels.repeated));
        let (found, ..) = self
            .reader
            .read_records(rows, defined, repeated, &mut values)?;
        let (ends, lists) = levels.spans(rows);
        if found != rows || ends.len() != rows + 1 {
            return Err(ParquetError::General(
                "a column has too few rows".to_owned(),
            ));
        }
        let entries = ends.last().map_or(0, |end| *end as usize);
        let values: PrimitiveArray<A> = match values.len() == entries {
            true => PrimitiveArray::new(values.into(), None),
            false => levels.spread(values),
        };
        let array = ListArray::try_new(
            Arc::clone(&self.entry),
            OffsetBuffer::new(ends.into()),
            Arc::new(values),
            lists,
        )?;
        Ok(Arc::new(array))
    }
}

/// The levels of some rows' entries. A row without one has a level, too.
struct Levels {
    /// From which on there is an entry.
    entry: i16,
    /// From which on the entry has a value.
    value: i16,
    defined: Vec<i16>,
    /// 0 where a row begins.
    repeated: Vec<i16>,
}

impl Levels {
    /// Where the lists of the rows end, after a 0, and which are there.
    fn spans(&self, rows: usize) -> (Vec<i32>, Option<NullBuffer>) {
        let mut ends = Vec::with_capacity(rows + 1);
        let mut there = BooleanBufferBuilder::new(rows);
        let mut entries = 0;
        let mut each = |defined: &[i16], repeated: &[i16]| {
            // Most of a long list.
            let within = defined
                .iter()
                .fold(true, |all, level| all & (*level >= self.entry))
                & repeated.iter().fold(true, |all, level| all & (*level != 0));
            if within {
                entries += defined.len() as i32;
                return;
            }
            for (defined, repeated) in defined.iter().zip(repeated) {
                if *repeated == 0 {
                    ends.push(entries);
                    there.append(*defined + 1 >= self.entry);
                }
                entries += i32::from(*defined >= self.entry);
            }
        };
        let (defined, defined_rest) = self.defined.as_chunks::<TOGETHER>();
        let (repeated, repeated_rest) = self.repeated.as_chunks::<TOGETHER>();
        for (defined, repeated) in defined.iter().zip(repeated) {
            each(defined, repeated);
        }
        each(defined_rest, repeated_rest);
        ends.push(entries);
        let there = NullBuffer::new(there.finish());
        (ends, Some(there).filter(|there| there.null_count() > 0))
    }

    /// Values at the places of entries that have one; the others are null.
    fn spread<A: ArrowPrimitiveType>(&self, values: Vec<A::Native>) -> PrimitiveArray<A> {
        let mut values = values.into_iter();
        let entries = self.defined.iter().filter(|level| **level >= self.entry);
        entries
            .map(|level| (*level >= self.value).then(|| values.next()).flatten())
            .collect()
    }
}
