//! What tells the files of a data set from others, wherever they lie.

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use twox_hash::XxHash3_128;

use crate::data::dataset::Dataset;

impl Dataset {
    /// A fingerprint of each file, in the order of [`Dataset::files`]: XXH3-128 over its footer, which is in memory, with
    /// the rows of each row group and of each column there its name, type, place, bytes and statistics. It depends on
    /// neither the path nor the time, so that a copy has the same; nor on values, so that two files
    /// whose footers agree in all of this have the same, too.
    pub fn fingerprints(&self) -> impl Iterator<Item = u128> {
        self.metadata().map(of)
    }
}

fn of(metadata: &ParquetMetaData) -> u128 {
    let mut hash = XxHash3_128::new();
    for group in metadata.row_groups() {
        number(&mut hash, group.num_rows());
        number(&mut hash, group.num_columns() as i64);
        group
            .columns()
            .iter()
            .for_each(|chunk| column(&mut hash, chunk));
    }
    hash.finish_128()
}

fn column(hash: &mut XxHash3_128, chunk: &ColumnChunkMetaData) {
    bytes(hash, Some(chunk.column_path().string().as_bytes()));
    for value in [
        chunk.column_type() as i64,
        chunk.num_values(),
        chunk.dictionary_page_offset().unwrap_or(-1),
        chunk.data_page_offset(),
        chunk.compressed_size(),
        chunk.uncompressed_size(),
    ] {
        number(hash, value);
    }
    let statistics = chunk.statistics();
    let missing = statistics.and_then(|found| found.null_count_opt());
    number(hash, missing.map_or(-1, u64::cast_signed));
    bytes(hash, statistics.and_then(|found| found.min_bytes_opt()));
    bytes(hash, statistics.and_then(|found| found.max_bytes_opt()));
}

fn number(hash: &mut XxHash3_128, value: i64) {
    hash.write(&value.to_le_bytes());
}

/// With their length before them, so that what follows cannot be taken for a part of them.
fn bytes(hash: &mut XxHash3_128, bytes: Option<&[u8]>) {
    number(hash, bytes.map_or(-1, |bytes| bytes.len() as i64));
    hash.write(bytes.unwrap_or_default());
}
