//! Weights on their way out of a file and into a model.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path as FilePath;

use burn::module::Module;
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use super::{Array, Load, Path, Weights, WeightsError};

/// Values of an array that are read from a file at a time, at most.
const PIECE: usize = 1 << 20;
/// Bytes of a header at most, as everywhere in this format.
const HEADER: u64 = 100_000_000;

/// Arrays on their way into a model. Those of a file are read when they are asked for. Everything that does not fit is remembered, and
/// [`Loading::finish`] tells all of it at once.
#[derive(Debug)]
pub struct Loading {
    /// Header: names to strings.
    pub metadata: BTreeMap<String, String>,
    arrays: BTreeMap<String, Held>,
    file: Option<File>,
    problems: Vec<Problem>,
}

/// An array, and where its values are.
#[derive(Debug)]
struct Held {
    shape: Vec<usize>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Here(Vec<f32>),
    /// So many bytes after the file's beginning.
    InFile(u64),
}

/// Why a weight does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The model has it, the file does not.
    Missing {
        /// Key.
        key: String,
        /// Shape in the model.
        shape: Vec<usize>,
    },
    /// The file has it, the model does not.
    Unexpected {
        /// Key.
        key: String,
        /// Shape in the file.
        shape: Vec<usize>,
    },
    /// Both have it, in two shapes.
    Shape {
        /// Key.
        key: String,
        /// Shape in the model.
        model: Vec<usize>,
        /// Shape in the file.
        file: Vec<usize>,
    },
    /// The system did not give its values.
    Unread {
        /// Key.
        key: String,
        /// What it said.
        cause: String,
    },
}

impl Loading {
    /// Opens a safetensors file of float32 arrays and reads its header.
    ///
    /// # Errors
    /// [`WeightsError::File`] if the system refuses, [`WeightsError::Damaged`] if the file is not
    /// whole or holds other types.
    pub fn open(path: &FilePath) -> Result<Self, WeightsError> {
        let refused = |source| WeightsError::file(path, "read", source);
        let mut file = File::open(path).map_err(refused)?;
        let length = file.metadata().map_err(refused)?.len();
        let header = read_header(&mut file, length).map_err(refused)?;
        let held = header.and_then(|(header, start)| held(&header, start, length));
        let (metadata, arrays) = held.map_err(|cause| WeightsError::Damaged {
            path: path.to_owned(),
            cause,
        })?;
        Ok(Self {
            metadata,
            arrays,
            file: Some(file),
            problems: Vec::new(),
        })
    }

    /// Moves an array of this shape out, row-major.
    pub fn take(&mut self, key: &str, shape: &[usize]) -> Option<Vec<f32>> {
        let held = self.fitting(key, shape)?;
        self.values(key, held)
    }

    /// Hands an array of this shape over, some whole rows of it at a time; says whether there was such a one.
    pub fn pieces(&mut self, key: &str, shape: &[usize], each: impl FnMut(&[f32])) -> bool {
        match self.fitting(key, shape) {
            Some(held) => self.hand_over(key, held, each),
            None => false,
        }
    }

    /// The module with its parameters and buffers replaced by the arrays whose keys are its own
    /// after `prefix` (none if empty). A parameter that has no fitting array keeps its value.
    pub fn module<M: Module>(&mut self, prefix: &str, module: M) -> M {
        module.map(&mut Load {
            path: Path::starting(prefix),
            from: self,
        })
    }

    /// Ends the loading.
    ///
    /// # Errors
    /// [`Vec<Problem>`] if any array was missing, of another shape, or is left over.
    pub fn finish(self) -> Result<(), Vec<Problem>> {
        let left = self
            .arrays
            .into_iter()
            .map(|(key, array)| Problem::Unexpected {
                key,
                shape: array.shape,
            });
        let problems: Vec<Problem> = self.problems.into_iter().chain(left).collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// All that is left, in memory.
    ///
    /// # Errors
    /// [`Vec<Problem>`] of what cannot be read, or did not fit before.
    pub fn collect(mut self) -> Result<Weights, Vec<Problem>> {
        let mut arrays = BTreeMap::new();
        while let Some((key, held)) = self.arrays.pop_first() {
            let shape = held.shape.clone();
            if let Some(values) = self.values(&key, held) {
                arrays.insert(key, Array { shape, values });
            }
        }
        let metadata = std::mem::take(&mut self.metadata);
        self.finish().map(|()| Weights { metadata, arrays })
    }

    fn fitting(&mut self, key: &str, shape: &[usize]) -> Option<Held> {
        let problem = match self.arrays.remove(key) {
            Some(held) if held.shape == shape => return Some(held),
            Some(held) => Problem::Shape {
                key: key.to_owned(),
                model: shape.to_vec(),
                file: held.shape,
            },
            None => Problem::Missing {
                key: key.to_owned(),
                shape: shape.to_vec(),
            },
        };
        self.problems.push(problem);
        None
    }

    fn values(&mut self, key: &str, held: Held) -> Option<Vec<f32>> {
        if let Values::Here(values) = held.values {
            return Some(values);
        }
        let mut values = Vec::with_capacity(held.shape.iter().product());
        self.hand_over(key, held, |piece| values.extend_from_slice(piece))
            .then_some(values)
    }

    fn hand_over(&mut self, key: &str, held: Held, mut each: impl FnMut(&[f32])) -> bool {
        let count: usize = held.shape.iter().product();
        let row = held.shape.iter().skip(1).product::<usize>().max(1);
        let piece = (PIECE / row).max(1) * row;
        let read = match (held.values, &mut self.file) {
            (Values::Here(values), _) => {
                values.chunks(piece).for_each(each);
                Ok(())
            }
            (Values::InFile(start), Some(file)) => read(file, start, count, piece, &mut each),
            (Values::InFile(_), None) => Err(io::Error::other("there is no file")),
        };
        if let Err(cause) = &read {
            self.problems.push(Problem::Unread {
                key: key.to_owned(),
                cause: cause.to_string(),
            });
        }
        read.is_ok()
    }
}

impl From<Weights> for Loading {
    fn from(weights: Weights) -> Self {
        let held = |(key, Array { shape, values })| {
            let values = Values::Here(values);
            (key, Held { shape, values })
        };
        Self {
            metadata: weights.metadata,
            arrays: weights.arrays.into_iter().map(held).collect(),
            file: None,
            problems: Vec::new(),
        }
    }
}

/// What a file of this length begins with, and where its data does; or why it is none of this format.
fn read_header(file: &mut File, length: u64) -> io::Result<Result<(Vec<u8>, u64), String>> {
    let mut size = [0; 8];
    if length < size.len() as u64 {
        return Ok(Err("it is too short to have a header".to_owned()));
    }
    file.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > HEADER || size > length - 8 {
        return Ok(Err(format!("a header of {size} bytes in {length}")));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header)?;
    Ok(Ok((header, 8 + size)))
}

type Found = (BTreeMap<String, String>, BTreeMap<String, Held>);

/// What a header says that the file holds.
fn held(header: &[u8], start: u64, length: u64) -> Result<Found, String> {
    let header: Metadata = serde_json::from_slice(header).map_err(|error| error.to_string())?;
    let end = start + header.data_len() as u64;
    if end != length {
        return Err(format!("{length} bytes, of which the header says {end}"));
    }
    let mut arrays = BTreeMap::new();
    for (key, info) in header.tensors() {
        if info.dtype != Dtype::F32 {
            return Err(format!("`{key}` is {:?}, not F32", info.dtype));
        }
        let held = Held {
            shape: info.shape.clone(),
            values: Values::InFile(start + info.data_offsets.0 as u64),
        };
        arrays.insert(key, held);
    }
    let metadata = header.metadata().clone().unwrap_or_default();
    Ok((metadata.into_iter().collect(), arrays))
}

/// Reads `count` values from a place on, `piece` at a time.
fn read(
    file: &mut File,
    start: u64,
    count: usize,
    piece: usize,
    each: &mut dyn FnMut(&[f32]),
) -> io::Result<()> {
    file.seek(SeekFrom::Start(start))?;
    let (mut bytes, mut values) = (Vec::new(), Vec::new());
    let mut left = count;
    while left > 0 {
        let now = left.min(piece);
        bytes.resize(now * size_of::<f32>(), 0);
        file.read_exact(&mut bytes)?;
        let (numbers, _) = bytes.as_chunks::<4>();
        values.clear();
        values.extend(numbers.iter().map(|&number| f32::from_le_bytes(number)));
        each(&values);
        left -= now;
    }
    Ok(())
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key, shape } => write!(f, "`{key}` {shape:?} is missing"),
            Self::Unexpected { key, shape } => write!(f, "`{key}` {shape:?} is not of this model"),
            Self::Shape { key, model, file } => {
                write!(f, "`{key}` is {file:?}, in this model {model:?}")
            }
            Self::Unread { key, cause } => write!(f, "`{key}` cannot be read: {cause}"),
        }
    }
}
