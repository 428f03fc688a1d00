//! Rows with a planted signal: what users and ads like about each other decides the score.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Int64Builder, ListBuilder};
use arrow_array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

/// Draws that are the same every time.
pub struct Draws(u64);

impl Draws {
    /// Those of a seed, which is not 0.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// A draw from U[0, 1).
    pub fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() * bound as f64) as usize
    }
}

/// Writes `rows` rows of five days, a day a fifth, as one Parquet file.
pub fn write(path: &Path, rows: usize) {
    write_users(path, rows, 40);
}

/// The same for this many users.
pub fn write_users(path: &Path, rows: usize, all_users: usize) {
    const ADS: usize = 30;
    let mut draws = Draws(0x1234_5678_9ABC_DEF1);
    let mut taste =
        |count: usize| -> Vec<f64> { (0..count).map(|_| 3.0 * draws.next() - 1.5).collect() };
    let (users, ads) = (taste(all_users), taste(ADS));
    let mut ints: [Vec<i64>; 4] = Default::default();
    let (mut product, mut age, mut score) = (Vec::new(), Vec::new(), Vec::new());
    let (mut click, mut buy) = (Vec::new(), Vec::new());
    let mut history = ListBuilder::new(Int64Builder::new());
    for row in 0..rows {
        let (user, ad) = (draws.below(all_users), draws.below(ADS));
        let (surface, shop) = (draws.below(2), draws.below(2) == 0);
        let years = 2.0 * draws.next() - 1.0;
        let logit = users[user] + ads[ad] + 0.5 * surface as f64 - 1.0;
        let p = 1.0 / (1.0 + (-logit).exp());
        let clicked = draws.next() < p;
        let values = [
            (1 + 5 * row / rows) as i64,
            surface as i64,
            user as i64,
            ad as i64,
        ];
        ints.iter_mut()
            .zip(values)
            .for_each(|(column, value)| column.push(value));
        product.push(if shop { "shop" } else { "standard" });
        age.push(years);
        score.push(p as f32);
        click.push(i64::from(clicked));
        buy.push(i64::from(clicked && draws.next() < 0.4));
        for _ in 0..draws.below(3) {
            history.values().append_value(draws.below(ADS) as i64);
        }
        history.append(true);
    }
    let [day, surface, user, ad] = ints;
    let kind: Vec<i64> = ad.iter().map(|ad| ad % 5).collect();
    let int = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("day", int(day)),
        ("surface", int(surface)),
        ("product", Arc::new(StringArray::from(product)) as ArrayRef),
        ("user_id", int(user)),
        ("history", Arc::new(history.finish()) as ArrayRef),
        ("age", Arc::new(Float64Array::from(age)) as ArrayRef),
        ("ad_id", int(ad)),
        ("kind", int(kind)),
        ("hw_ctr", Arc::new(Float32Array::from(score)) as ArrayRef),
        ("is_click", int(click)),
        ("is_buy", int(buy)),
    ])
    .expect("columns of one length");
    save(&batch, path);
}

/// 500 rows, 100 a day, row 7 of every hundred without a sound score.
pub fn write_with_bad_scores(path: &Path) {
    write(path, 500);
    replace(path, "hw_ctr", |_| {
        let scores = (0..500).map(|row| if row % 100 == 7 { f32::NAN } else { 0.5 });
        Arc::new(Float32Array::from_iter_values(scores)) as ArrayRef
    });
}

/// Moves the rows from `first` on to another file.
pub fn split(path: &Path, other: &Path, first: usize) {
    let batch = read(path);
    save(&batch.slice(first, batch.num_rows() - first), other);
    save(&batch.slice(0, first), path);
}

/// Writes rows as a file.
pub fn save(batch: &RecordBatch, path: &Path) {
    save_with(batch, path, None);
}

fn save_with(batch: &RecordBatch, path: &Path, properties: Option<WriterProperties>) {
    let file = File::create(path).expect("a file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), properties).expect("a writer");
    writer.write(batch).expect("written");
    writer.close().expect("closed");
}

/// Takes columns out of such a file.
pub fn without(path: &Path, columns: &[&str]) {
    let rows = read(path);
    let schema = rows.schema();
    let kept = schema.fields().iter().zip(rows.columns());
    let kept = kept.filter(|(field, _)| !columns.contains(&field.name().as_str()));
    let kept = kept.map(|(field, column)| (field.name(), Arc::clone(column)));
    save(
        &RecordBatch::try_from_iter(kept).expect("columns of one length"),
        path,
    );
}

/// The rows of such a file.
pub fn read(path: &Path) -> RecordBatch {
    let file = File::open(path).expect("a file");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("a reader");
    let mut reader = reader.with_batch_size(1 << 20).build().expect("a reader");
    reader.next().expect("rows").expect("sound")
}

/// Writes the rows of such a file again in row groups of so many.
pub fn regroup(path: &Path, rows: usize) {
    let batch = read(path);
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows));
    save_with(&batch, path, Some(properties.build()));
}

/// Puts other values in a column of such a file; they are made of the rows that stand there.
pub fn replace(path: &Path, column: &str, values: impl FnOnce(&RecordBatch) -> ArrayRef) {
    let batch = read(path);
    let values = values(&batch);
    let (schema, mut columns, _) = batch.into_parts();
    let place = schema.index_of(column).expect("the column");
    columns[place] = values;
    let names = schema.fields().iter().map(|field| field.name());
    let batch = RecordBatch::try_from_iter(names.zip(columns)).expect("columns of one length");
    save(&batch, path);
}
