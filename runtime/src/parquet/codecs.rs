//! How the columns of a file may be packed.

use std::path::Path;

use parquet::basic::Compression;
use parquet::file::metadata::ParquetMetaData;

use crate::error::{Error, Result};
use crate::parquet::footer::is_of;

/// Refuses a file that has a needed column in a codec that this program is built without.
pub(crate) fn check(path: &Path, metadata: &ParquetMetaData, columns: &[String]) -> Result<()> {
    let groups = metadata.row_groups().iter();
    for chunk in groups.flat_map(|group| group.columns()) {
        let Some(codec) = missing(chunk.compression()) else {
            continue;
        };
        if let Some(column) = columns.iter().find(|column| is_of(chunk, column)) {
            return Err(Error::data(
                path.display().to_string(),
                format!("column `{column}` is packed by {codec}, which cannot be read"),
                "write the file again with zstd, snappy, gzip, lz4 or no compression",
            ));
        }
    }
    Ok(())
}

/// A codec that is left out: Brotli is slow and large, LZO is read by no library.
fn missing(codec: Compression) -> Option<&'static str> {
    match codec {
        Compression::BROTLI(_) => Some("Brotli"),
        Compression::LZO => Some("LZO"),
        Compression::UNCOMPRESSED
        | Compression::SNAPPY
        | Compression::GZIP(_)
        | Compression::LZ4
        | Compression::LZ4_RAW
        | Compression::ZSTD(_) => None,
    }
}
