//! An index as Parquet or as NumPy's arrays, for programs of others. Beside them lies the index's description.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, FixedSizeListArray, Float16Array, Float32Array, Int8Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use half::f16;

use super::{INDEX, IdKind, Index, IndexDomain, ItemId, Rows, TaskFacts};
use crate::bug::bug;
use crate::error::{Error, Result};
use crate::parquet::output::OutputFile;
use crate::schema::{ElementType, IndexFormat};

/// Rows that are written at a time.
const ROWS: usize = 8192;

/// Writes an index that lies in one folder in another format into another folder: files for each domain with rows.
///
/// # Errors
/// What the system refuses.
pub fn convert(index: &Index, from: &Path, format: IndexFormat, to: &Path) -> Result<()> {
    for domain in index.domains().iter().filter(|it| it.facts().rows > 0) {
        match format {
            IndexFormat::Index => bug!("an index is converted to itself"),
            IndexFormat::Parquet => parquet(index, domain, to)?,
            IndexFormat::Npy => {
                let path = to.join(format!("{}.npy", domain.facts().name));
                npy(index, domain, to).map_err(|source| Error::file(path, "write it", source))?;
            }
        }
    }
    let path = to.join(INDEX);
    let copied = fs::copy(from.join(INDEX), &path);
    copied.map_err(|source| Error::file(path, "write it", source))?;
    Ok(())
}

/// `DOMAIN.parquet`: the column of ids, and of each task a list of numbers; of int8 a column `TASK_scale`, too.
fn parquet(index: &Index, domain: &IndexDomain, folder: &Path) -> Result<()> {
    let path = folder.join(format!("{}.parquet", domain.facts().name));
    let failed = |error: ArrowError| {
        Error::run(
            path.display().to_string(),
            error.to_string(),
            "report this as a bug",
        )
    };
    let weights = ("mtmdc.weights".to_owned(), index.file.weights.clone());
    let first = record_batch(index, domain, 0..0).map_err(failed)?;
    let mut output = OutputFile::create(&path, first.schema(), [weights])?;
    for rows in chunks(domain) {
        output.write(&record_batch(index, domain, rows).map_err(failed)?)?;
    }
    output.finish()
}

fn record_batch(
    index: &Index,
    domain: &IndexDomain,
    rows: Range<usize>,
) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<(String, ArrayRef)> = vec![(
        index.file.id.column.clone(),
        ids(index, domain, rows.clone()),
    )];
    for (at, task) in domain.facts().tasks.iter().enumerate() {
        columns.push((task.name.clone(), lists(domain, task, rows.clone())?));
        if let Rows::Int8(_, scales) = domain.rows() {
            let tasks = domain.facts().tasks.len();
            let of = rows.clone().map(|row| number(scales, row * tasks + at));
            let of = Float32Array::from_iter_values(of);
            columns.push((format!("{}_scale", task.name), Arc::new(of)));
        }
    }
    let fields = columns.iter();
    let fields = fields.map(|(name, array)| Field::new(name, array.data_type().clone(), false));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(
        schema,
        columns.into_iter().map(|(_, array)| array).collect(),
    )
}

fn ids(index: &Index, domain: &IndexDomain, rows: Range<usize>) -> ArrayRef {
    let ids = rows.map(|row| id(domain, row));
    match index.file.id.kind {
        IdKind::Int => {
            let ids = ids.map(|id| match id {
                ItemId::Int(id) => id,
                ItemId::Text(_) => bug!("{id} is no number"),
            });
            Arc::new(Int64Array::from_iter_values(ids))
        }
        IdKind::Text => {
            let ids = ids.map(|id| match id {
                ItemId::Text(id) => id,
                ItemId::Int(_) => bug!("{id} is no string"),
            });
            Arc::new(StringArray::from_iter_values(ids))
        }
    }
}

fn id(domain: &IndexDomain, row: usize) -> ItemId<'_> {
    match domain.id(row as u32) {
        Some(id) => id,
        None => bug!("row {row} has no id"),
    }
}

/// A task's numbers of some rows.
fn lists(
    domain: &IndexDomain,
    task: &TaskFacts,
    rows: Range<usize>,
) -> Result<ArrayRef, ArrowError> {
    let stride = domain.stride();
    let places = rows.flat_map(|row| {
        let start = row * stride + task.start;
        start..start + task.width
    });
    let (values, element): (ArrayRef, _) = match domain.rows() {
        Rows::Float32(all) => {
            let values = places.map(|at| number(all, at));
            (
                Arc::new(Float32Array::from_iter_values(values)),
                DataType::Float32,
            )
        }
        Rows::Float16(all) => {
            let values = places.map(|at| f16::from_bits(number(all, at)));
            (
                Arc::new(Float16Array::from_iter_values(values)),
                DataType::Float16,
            )
        }
        Rows::Int8(all, _) => {
            let values = places.map(|at| number(all, at));
            (
                Arc::new(Int8Array::from_iter_values(values)),
                DataType::Int8,
            )
        }
    };
    let field = Arc::new(Field::new("item", element, false));
    let lists = FixedSizeListArray::try_new(field, task.width as i32, values, None)?;
    Ok(Arc::new(lists))
}

fn number<T: Copy>(all: &[T], at: usize) -> T {
    match all.get(at) {
        Some(number) => *number,
        None => bug!("number {at} of {}", all.len()),
    }
}

/// `DOMAIN.npy`: `[rows, width]`; of int8 `DOMAIN.scales.npy`, `[rows, tasks]`; `DOMAIN.ids.npy`, or of strings
/// `DOMAIN.ids.json`.
fn npy(index: &Index, domain: &IndexDomain, folder: &Path) -> io::Result<()> {
    let facts = domain.facts();
    let create = |suffix: &str| {
        let file = File::create(folder.join(format!("{}.{suffix}", facts.name)))?;
        Ok::<_, io::Error>(BufWriter::new(file))
    };
    let shape = |columns| format!("({}, {columns})", facts.rows);
    let width = facts.width();
    let mut rows = create("npy")?;
    rows.write_all(&header(numpy_type(index.file.element), &shape(width)))?;
    let used = width * super::elements::size(index.file.element);
    for row in 0..facts.rows as u32 {
        let (bytes, _) = domain.stored(row);
        rows.write_all(bytes.get(..used).unwrap_or(bytes))?;
    }
    rows.flush()?;
    if let Rows::Int8(_, scales) = domain.rows() {
        let mut file = create("scales.npy")?;
        file.write_all(&header("<f4", &shape(facts.tasks.len())))?;
        file.write_all(bytemuck::cast_slice(scales))?;
        file.flush()?;
    }
    let all = (0..facts.rows).map(|row| id(domain, row));
    match index.file.id.kind {
        IdKind::Int => {
            let mut file = create("ids.npy")?;
            file.write_all(&header("<i8", &format!("({},)", facts.rows)))?;
            for id in all {
                if let ItemId::Int(id) = id {
                    file.write_all(&id.to_le_bytes())?;
                }
            }
            file.flush()
        }
        IdKind::Text => {
            let texts: Vec<&str> = all
                .filter_map(|id| match id {
                    ItemId::Text(id) => Some(id),
                    ItemId::Int(_) => None,
                })
                .collect();
            let mut file = create("ids.json")?;
            serde_json::to_writer(&mut file, &texts)?;
            file.flush()
        }
    }
}

fn numpy_type(element: ElementType) -> &'static str {
    match element {
        ElementType::Float32 => "<f4",
        ElementType::Float16 => "<f2",
        ElementType::Int8 => "|i1",
    }
}

/// The header of version 1.0 of NumPy's format, a multiple of 64 bytes long.
fn header(element: &str, shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '{element}', 'fortran_order': False, 'shape': {shape}, }}");
    let before = b"\x93NUMPY\x01\x00";
    let length = (before.len() + 2 + text.len() + 1).next_multiple_of(64) - before.len() - 2;
    text.extend(std::iter::repeat_n(' ', length - text.len() - 1));
    text.push('\n');
    let size = (length as u16).to_le_bytes();
    [&before[..], &size, text.as_bytes()].concat()
}

/// Rows that are written at a time.
fn chunks(domain: &IndexDomain) -> impl Iterator<Item = Range<usize>> {
    let rows = domain.facts().rows;
    let starts = (0..rows).step_by(ROWS);
    starts.map(move |start| start..rows.min(start + ROWS))
}
