//! Parquet files that are written: each whole, or not there.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::bug::bug;
use crate::error::{Error, Result};

/// A file that takes its name once it is whole.
pub(crate) struct OutputFile {
    path: PathBuf,
    /// `None` once it is closed, which is when the value is dropped.
    writer: Option<ArrowWriter<File>>,
}

impl OutputFile {
    /// Begins a file of these columns. `facts` are written into its footer.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn create(
        path: &Path,
        schema: SchemaRef,
        facts: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let facts = facts.into_iter();
        let facts = facts
            .map(|(key, value)| KeyValue::new(key, value))
            .collect();
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(facts))
            .build();
        let open = || {
            let file = File::create(unfinished(path))?;
            ArrowWriter::try_new(file, schema, Some(properties)).map_err(refusal)
        };
        let writer = open().map_err(|source| refused(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            writer: Some(writer),
        })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let Some(writer) = &mut self.writer else {
            bug!("{} is written to after its end", self.path.display());
        };
        let written = writer.write(rows);
        written.map_err(|error| refused(&self.path, refusal(error)))
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// What the system refuses.
    pub(crate) fn finish(mut self) -> Result<()> {
        let Some(writer) = self.writer.take() else {
            bug!("{} is ended twice", self.path.display());
        };
        let finish = || {
            writer.into_inner().map_err(refusal)?.sync_all()?;
            fs::rename(unfinished(&self.path), &self.path)
        };
        let finished = finish();
        if finished.is_err() {
            remove(&self.path);
        }
        finished.map_err(|source| refused(&self.path, source))
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.writer.take().is_some() {
            remove(&self.path);
        }
    }
}

/// What the file is called until it is whole.
fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("tmp")
}

/// The first error is the one to tell; a file that was never made cannot be removed.
fn remove(path: &Path) {
    let _ = fs::remove_file(unfinished(path));
}

fn refused(path: &Path, source: io::Error) -> Error {
    Error::file(path, "write it", source)
}

fn refusal(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
