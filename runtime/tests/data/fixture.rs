//! Small Parquet files for [`crate::schemas::SMALL`].

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{
    ArrayRef, Float32Array, Float64Array, Int8Array, Int32Array, Int64Array, ListArray,
    RecordBatch, StringArray, new_null_array,
};
use mtmd::data::batch::Batch;
use mtmd::data::{Dataset, Parts, RowReader, RowReport, Scan};
use mtmd::error::Error;
use mtmd::schema::Schema;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

use crate::schemas::{SMALL, small};

/// Columns of one file.
#[derive(Clone)]
pub struct Frame(pub BTreeMap<&'static str, ArrayRef>);

/// Four good rows that train.
pub fn frame() -> Frame {
    let lists = |rows: Vec<Option<Vec<Option<i64>>>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(rows))
    };
    let ids = |ids: &[i64]| Some(ids.iter().copied().map(Some).collect());
    let floats = |rows: Vec<Option<Vec<Option<f32>>>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows))
    };
    Frame(BTreeMap::from([
        (
            "surface",
            Arc::new(Int32Array::from(vec![0, 2, 3, 0])) as ArrayRef,
        ),
        (
            "product",
            Arc::new(StringArray::from(vec!["shop", "std", "shop", "std"])),
        ),
        ("day", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        (
            "hw_ctr",
            Arc::new(Float32Array::from(vec![
                Some(0.25),
                Some(0.5),
                None,
                Some(1.0),
            ])),
        ),
        (
            "is_click",
            Arc::new(Int8Array::from(vec![Some(1), Some(0), Some(1), None])),
        ),
        (
            "is_buy",
            Arc::new(Int8Array::from(vec![Some(1), Some(0), Some(0), Some(0)])),
        ),
        (
            "history",
            lists(vec![
                ids(&[5, 6]),
                None,
                ids(&[]),
                Some(vec![Some(7), None]),
            ]),
        ),
        (
            "user_id",
            Arc::new(StringArray::from(vec![
                Some("ann"),
                Some("bob"),
                Some("ann"),
                None,
            ])),
        ),
        (
            "text",
            floats(vec![
                None,
                Some(vec![Some(0.5), Some(-0.5)]),
                None,
                Some(vec![]),
            ]),
        ),
        (
            "age",
            Arc::new(Float64Array::from(vec![
                Some(20.0),
                None,
                Some(200.0),
                Some(-3.0),
            ])),
        ),
        (
            "ad_id",
            Arc::new(Int64Array::from(vec![Some(11), Some(12), None, Some(11)])),
        ),
        (
            "kind",
            Arc::new(StringArray::from(vec![
                Some("b"),
                Some("z"),
                None,
                Some("a"),
            ])),
        ),
        ("tags", lists(vec![ids(&[1]), ids(&[2, 3]), None, ids(&[])])),
        (
            "price",
            Arc::new(Int64Array::from(vec![Some(0), Some(5), Some(-7), None])),
        ),
    ]))
}

/// `rows` rows whose age is their number, from `first`.
pub fn numbered(first: usize, rows: usize) -> Frame {
    let template = frame();
    let all = template
        .0
        .iter()
        .map(|(name, array)| (*name, new_null_array(array.data_type(), rows)));
    let ages = (first..first + rows).map(|row| row as f64);
    Frame(all.collect())
        .with(
            "surface",
            Arc::new(Int32Array::from_iter(
                (0..rows).map(|row| Some([0, 2, 3][row % 3])),
            )) as ArrayRef,
        )
        .with(
            "product",
            Arc::new(StringArray::from_iter(
                (0..rows).map(|row| Some(["shop", "std"][row % 2])),
            )) as ArrayRef,
        )
        .with("day", Arc::new(Int64Array::from(vec![1; rows])) as ArrayRef)
        .with(
            "age",
            Arc::new(Float64Array::from_iter_values(ages)) as ArrayRef,
        )
        .with(
            "user_id",
            Arc::new(StringArray::from(vec!["ann"; rows])) as ArrayRef,
        )
}

impl Frame {
    /// With another column in place of its own, or one more.
    pub fn with(mut self, name: &'static str, array: impl Into<ArrayRef>) -> Self {
        self.0.insert(name, array.into());
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    pub fn write(&self, path: &Path) {
        self.write_groups(path, 1 << 20);
    }

    pub fn batch(&self) -> RecordBatch {
        let columns = self.0.iter();
        let columns = columns.map(|(name, array)| (*name, Arc::clone(array), true));
        RecordBatch::try_from_iter_with_nullable(columns).unwrap()
    }

    pub fn write_groups(&self, path: &Path, group_rows: usize) {
        let properties = WriterProperties::builder();
        let properties = properties.set_max_row_group_row_count(Some(group_rows));
        write_as(&self.batch(), path, properties.build());
    }

    /// Writes one file into a new folder.
    pub fn folder(&self) -> Folder {
        let folder = Folder(TempDir::new().unwrap());
        self.write(&folder.file("a.parquet"));
        folder
    }
}

/// Writes rows as the properties say.
pub fn write_as(batch: &RecordBatch, path: &Path, properties: WriterProperties) {
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// A folder of files for one test.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new(files: &[(&str, &Frame)]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        files
            .iter()
            .for_each(|(name, frame)| frame.write(&folder.file(name)));
        folder
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn open(&self) -> Result<RowReader, Error> {
        self.open_as(&SMALL)
    }

    pub fn open_as(&self, schema: &'static Schema) -> Result<RowReader, Error> {
        Dataset::open(schema, &[self.0.path().to_owned()]).map(RowReader::new)
    }

    /// An error's text, with the folder's path left out.
    pub fn text(&self, error: &Error) -> String {
        error
            .to_string()
            .replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// A changed copy of the small schema.
pub fn schema(change: impl FnOnce(&mut Schema)) -> &'static Schema {
    let mut schema = small();
    change(&mut schema);
    Box::leak(Box::new(schema))
}

/// All rows that train, in file order, and the report.
pub fn read(dataset: &RowReader, batch: usize) -> Result<(Vec<Batch>, RowReport), Error> {
    let vocabularies = Arc::new(dataset.learn(Parts::TRAIN)?.vocabularies);
    let scan = Scan {
        parts: Parts::TRAIN,
        batch,
        shuffle: None,
        skip: 0,
    };
    let mut batches = dataset.batches(&vocabularies, scan)?;
    let read = batches.by_ref().collect::<Result<Vec<Batch>, Error>>()?;
    Ok((read, batches.report().unwrap().clone()))
}
