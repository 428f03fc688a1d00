//! Files that are cut, damaged, changed, or packed in a way that is not read.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{BrotliLevel, Compression};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataWriter};

use crate::fixture::{Folder, frame, numbered, read};

#[test]
fn a_truncated_file_is_named() {
    let folder = Folder::new(&[("a.parquet", &frame()), ("b.parquet", &frame())]);
    let whole = fs::read(folder.file("b.parquet")).unwrap();
    for size in [0, 3, 10, whole.len() / 2, whole.len() - 1] {
        fs::write(folder.file("b.parquet"), &whole[..size]).unwrap();
        let error = folder.open().unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(
            folder
                .text(&error)
                .starts_with("b.parquet: not a whole Parquet file"),
            "{error}"
        );
    }
}

/// Any byte of a file may be wrong: then there is an error, or other values, never a panic.
#[test]
fn a_damaged_file_never_panics() {
    let folder = frame().folder();
    let path = folder.file("a.parquet");
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for place in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        let result = folder.open().and_then(|dataset| read(&dataset, 10));
        if let Err(error) = result {
            refused += 1;
            assert_eq!(error.exit_code(), 1, "{error}");
        }
    }
    assert!(refused > 0);
}

/// Between two row groups, a file grows, or another takes its place.
#[test]
fn a_file_that_changes_while_it_is_read_is_refused() {
    let grow = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, [bytes.as_slice(), b"more"].concat()).unwrap();
    };
    let replace = |path: &Path| {
        let other = path.with_extension("new");
        fs::copy(path, &other).unwrap();
        fs::rename(other, path).unwrap();
    };
    let changes: [fn(&Path); 2] = [grow, replace];
    for change in changes {
        let folder = Folder::new(&[]);
        let path = folder.file("a.parquet");
        numbered(0, 9).write_groups(&path, 3);
        let dataset = folder.open().unwrap();
        read(&dataset, 4).unwrap();
        change(&path);
        let error = read(&dataset, 4).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert_eq!(
            folder.text(&error),
            "a.parquet: the file has changed since this run opened it\n\
             help: run again, and write nothing to the data while it is read"
        );
    }
}

/// Writes a file's footer anew, with one column in another codec.
fn repack(path: &Path, column: &str, codec: Compression) {
    let mut file = fs::read(path).unwrap();
    let bytes = bytes::Bytes::from(file.clone());
    let footer = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).unwrap();
    let metadata = Arc::unwrap_or_clone(Arc::clone(footer.metadata()));
    let groups = metadata.row_groups().iter().map(|group| {
        let chunks = group.columns().iter().map(|chunk| {
            let chunk = chunk.clone();
            match chunk.column_path().string() == column {
                true => chunk.into_builder().set_compression(codec).build().unwrap(),
                false => chunk,
            }
        });
        let chunks = chunks.collect();
        let group = group.clone().into_builder();
        group.set_column_metadata(chunks).build().unwrap()
    });
    let groups = groups.collect();
    let metadata: ParquetMetaData = metadata
        .clone()
        .into_builder()
        .set_row_groups(groups)
        .build();
    let length = file.len();
    let size = u32::from_le_bytes(file[length - 8..length - 4].try_into().unwrap());
    file.truncate(length - 8 - size as usize);
    ParquetMetaDataWriter::new(&mut file, &metadata)
        .finish()
        .unwrap();
    fs::write(path, file).unwrap();
}

#[test]
fn a_codec_that_is_left_out_is_named_before_anything_runs() {
    let folder = Folder::new(&[]);
    let path = folder.file("a.parquet");
    let spare = frame().0["age"].clone();
    for (codec, name) in [
        (Compression::BROTLI(BrotliLevel::default()), "Brotli"),
        (Compression::LZO, "LZO"),
    ] {
        frame().with("spare", spare.clone()).write(&path);
        // Of a column that the model does not read, it does not matter.
        repack(&path, "spare", codec);
        read(&folder.open().unwrap(), 10).unwrap();
        repack(&path, "age", codec);
        let error = folder.open().unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert_eq!(
            folder.text(&error),
            format!(
                "a.parquet: column `age` is packed by {name}, which cannot be read\n\
                 help: write the file again with zstd, snappy, gzip, lz4 or no compression"
            )
        );
    }
}
