//! Weights on their way into a file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path as FilePath;

use serde_json::{Map, Value, json};

use super::{Array, Weights, WeightsError, write_atomically};

/// Values whose bytes are written at a time.
const AT_ONCE: usize = 4096;

/// Weights that are written without being in memory as a whole: an array is made piece by piece, when its turn comes.
#[derive(Default)]
pub struct Outgoing<'a> {
    /// Header: names to strings.
    pub metadata: BTreeMap<String, String>,
    arrays: BTreeMap<String, Pieces<'a>>,
}

struct Pieces<'a> {
    shape: Vec<usize>,
    values: Box<dyn Iterator<Item = Cow<'a, [f32]>> + 'a>,
}

impl Pieces<'_> {
    fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

impl<'a> Outgoing<'a> {
    /// Adds an array, row-major, whose pieces together have the length that its shape says.
    pub fn insert(
        &mut self,
        key: String,
        shape: Vec<usize>,
        pieces: impl Iterator<Item = Cow<'a, [f32]>> + 'a,
    ) {
        let values = Box::new(pieces);
        self.arrays.insert(key, Pieces { shape, values });
    }

    /// Writes a safetensors file, whole or not at all: a temporary file beside it is synced and
    /// then renamed. Equal weights give equal bytes.
    ///
    /// # Errors
    /// [`WeightsError::File`] if the system refuses, or an array has another length than its shape.
    pub fn save(self, path: &FilePath) -> Result<(), WeightsError> {
        write_atomically(path, |file| self.write(file))
            .map_err(|source| WeightsError::file(path, "write", source))
    }

    /// All of it in memory.
    pub fn collect(self) -> Weights {
        let array = |(key, pieces): (String, Pieces<'_>)| {
            let mut values = Vec::with_capacity(pieces.count());
            pieces
                .values
                .for_each(|piece| values.extend_from_slice(&piece));
            let shape = pieces.shape;
            (key, Array { shape, values })
        };
        Weights {
            metadata: self.metadata,
            arrays: self.arrays.into_iter().map(array).collect(),
        }
    }

    fn write(self, file: &mut dyn Write) -> io::Result<()> {
        let header = self.header();
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for (key, pieces) in self.arrays {
            let (count, mut written) = (pieces.count(), 0);
            for piece in pieces.values {
                written += piece.len();
                for values in piece.chunks(AT_ONCE) {
                    let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                    file.write_all(&bytes.collect::<Vec<u8>>())?;
                }
            }
            if written != count {
                let cause = format!("`{key}` has {written} values, its shape {count}");
                return Err(io::Error::other(cause));
            }
        }
        Ok(())
    }

    fn header(&self) -> Vec<u8> {
        let mut header = Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".to_owned(), json!(self.metadata));
        }
        let mut start = 0;
        for (key, pieces) in &self.arrays {
            let end = start + pieces.count() * size_of::<f32>();
            let entry =
                json!({"dtype": "F32", "shape": pieces.shape, "data_offsets": [start, end]});
            header.insert(key.clone(), entry);
            start = end;
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        // The format asks for data on a multiple of eight.
        header.resize(header.len().next_multiple_of(8), b' ');
        header
    }
}

impl From<Weights> for Outgoing<'_> {
    fn from(weights: Weights) -> Self {
        let mut outgoing = Self {
            metadata: weights.metadata,
            arrays: BTreeMap::new(),
        };
        for (key, Array { shape, values }) in weights.arrays {
            outgoing.insert(key, shape, std::iter::once(Cow::Owned(values)));
        }
        outgoing
    }
}

impl<'a> From<&'a Weights> for Outgoing<'a> {
    fn from(weights: &'a Weights) -> Self {
        let mut outgoing = Self {
            metadata: weights.metadata.clone(),
            arrays: BTreeMap::new(),
        };
        for (key, Array { shape, values }) in &weights.arrays {
            let values = std::iter::once(Cow::Borrowed(&**values));
            outgoing.insert(key.clone(), shape.clone(), values);
        }
        outgoing
    }
}
