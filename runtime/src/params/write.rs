//! Weights files, written: safetensors.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::bug::check;
use crate::error::{Error, Result};

/// Values whose bytes are written at a time.
const AT_ONCE: usize = 4096;

/// Arrays on their way into a file. They are written in the order of their keys and are never in
/// memory as a whole: an array that is made in pieces is made when its turn comes.
#[derive(Default)]
pub struct Writer<'a> {
    /// Header: names to strings, such as `spec_hash`.
    pub metadata: BTreeMap<String, String>,
    arrays: BTreeMap<String, ArraySource<'a>>,
}

struct ArraySource<'a> {
    shape: Vec<usize>,
    pieces: Box<dyn Iterator<Item = Cow<'a, [f32]>> + 'a>,
}

impl ArraySource<'_> {
    fn len(&self) -> usize {
        self.shape.iter().product()
    }
}

impl<'a> Writer<'a> {
    /// Adds an array, row-major.
    pub fn insert(&mut self, key: String, shape: Vec<usize>, values: &'a [f32]) {
        self.insert_pieces(key, shape, std::iter::once(Cow::Borrowed(values)));
    }

    /// Adds an array whose pieces, one after another, are its elements.
    pub fn insert_pieces(
        &mut self,
        key: String,
        shape: Vec<usize>,
        pieces: impl Iterator<Item = Cow<'a, [f32]>> + 'a,
    ) {
        let pieces = Box::new(pieces);
        let replaced = self.arrays.insert(key, ArraySource { shape, pieces });
        check!(replaced.is_none(), "two arrays have one key");
    }

    /// Leaves out the arrays whose keys are not wanted.
    pub fn keep(&mut self, wanted: impl Fn(&str) -> bool) {
        self.arrays.retain(|key, _| wanted(key));
    }

    /// The bytes of the file that each array will have, by key.
    pub fn places(&self) -> BTreeMap<String, Range<u64>> {
        let mut start = (size_of::<u64>() + self.header().len()) as u64;
        let places = self.arrays.iter().map(|(key, source)| {
            let end = start + (source.len() * size_of::<f32>()) as u64;
            let place = start..end;
            start = end;
            (key.clone(), place)
        });
        places.collect()
    }

    /// Writes the file, whole or not at all. Equal weights give equal bytes.
    ///
    /// # Errors
    /// A file that the system refuses.
    pub fn save(self, path: &Path) -> Result<()> {
        write_atomically(path, |file| self.write(file))
            .map_err(|source| Error::file(path, "write the weights", source))
    }

    fn write(self, file: &mut dyn Write) -> io::Result<()> {
        let header = self.header();
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        let mut bytes = Vec::with_capacity(AT_ONCE * size_of::<f32>());
        for (key, source) in self.arrays {
            let (expected, mut written) = (source.len(), 0);
            for piece in source.pieces {
                written += piece.len();
                for values in piece.chunks(AT_ONCE) {
                    bytes.clear();
                    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                    file.write_all(&bytes)?;
                }
            }
            check!(
                written == expected,
                "{written} elements of `{key}`, which has {expected}"
            );
        }
        Ok(())
    }

    fn header(&self) -> Vec<u8> {
        let mut header = Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".to_owned(), json!(self.metadata));
        }
        let mut start = 0;
        for (key, source) in &self.arrays {
            let end = start + source.len() * size_of::<f32>();
            let entry =
                json!({"dtype": "F32", "shape": source.shape, "data_offsets": [start, end]});
            header.insert(key.clone(), entry);
            start = end;
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        // The format requires data to start at a multiple of eight.
        header.resize(header.len().next_multiple_of(8), b' ');
        header
    }
}

/// Writes a file whole or not at all: a temporary file next to it is synced, then renamed.
///
/// # Errors
/// What the system refuses; the file at `path` is then unchanged, and no other file is left.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        let mut file = BufWriter::new(File::create(&temporary)?);
        write(&mut file)?;
        file.into_inner()?.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if let Err(error) = written {
        // The first error is the one to report.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    sync_folder(path)
}

/// Makes a rename in the file's folder durable, where the system can.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
