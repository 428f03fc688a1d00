//! Data of wide rows in wide row groups, and the memory of a process that reads it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int64Array, ListArray, RecordBatch};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType, Field};
use mtmd::data::{Dataset, Parts, RowReader, Scan, Shuffle};
use mtmd::schema::{FeatureKind, Schema};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::fixture::{numbered, schema};
use crate::held::peak;

/// Rows of a file, all in one row group.
const ROWS: usize = 300_000;
pub const FILES: usize = 24;
/// Floats and ids of a row.
const WIDTH: usize = 64;
const IDS: usize = 16;

fn wide() -> &'static Schema {
    schema(|schema| {
        for feature in schema.spec.query.to_mut() {
            if let FeatureKind::Vector { width } = &mut feature.kind {
                *width = WIDTH;
            }
        }
    })
}

fn lists(values: ArrayRef, length: usize) -> ArrayRef {
    let offsets = OffsetBuffer::from_lengths(vec![length; ROWS]);
    let field = Field::new("item", values.data_type().clone(), true);
    Arc::new(ListArray::new(Arc::new(field), offsets, values, None))
}

/// Writes [`FILES`] files and returns their bytes: one of one row group, without compression or dictionaries; the others
/// are links to it.
pub fn write(folder: &Path) -> u64 {
    let floats = (0..ROWS * WIDTH).map(|place| (place * 7919 % 10_007) as f32);
    let ids = (0..ROWS * IDS).map(|place| (place * 104_729 % 1_000_003) as i64);
    let frame = numbered(0, ROWS)
        .with(
            "text",
            lists(Arc::new(Float32Array::from_iter_values(floats)), WIDTH),
        )
        .with(
            "history",
            lists(Arc::new(Int64Array::from_iter_values(ids)), IDS),
        );
    let batch = RecordBatch::try_from_iter_with_nullable(
        frame.0.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    assert!(batch.column_by_name("text").unwrap().data_type() != &DataType::Null);
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_max_row_group_row_count(Some(ROWS))
        .build();
    let first = folder.join("0.parquet");
    let file = File::create(&first).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    assert_eq!(writer.close().unwrap().num_row_groups(), 1);
    for index in 1..FILES {
        fs::hard_link(&first, folder.join(format!("{index}.parquet"))).unwrap();
    }
    FILES as u64 * first.metadata().unwrap().len()
}

/// Reads all rows twice, the first pass and a shuffled one, and prints the bytes held at most beyond those before.
pub fn read(data: PathBuf) {
    let before = peak();
    let dataset = RowReader::new(Dataset::open(wide(), &[data]).unwrap());
    let vocabularies = Arc::new(dataset.learn(Parts::TRAIN).unwrap().vocabularies);
    let scan = Scan {
        parts: Parts::TRAIN,
        batch: 512,
        shuffle: Some(Shuffle {
            seed: 1,
            epoch: 0,
            buffer: 8192,
        }),
        skip: 0,
    };
    let batches = dataset.batches(&vocabularies, scan).unwrap();
    let rows: usize = batches.map(|batch| batch.unwrap().rows).sum();
    assert_eq!(rows, ROWS * FILES);
    println!("held {}", peak() - before);
}
