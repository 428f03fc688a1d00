//! Weights files, read.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::bug::check;
use crate::error::{Error, Result};

/// Values of an array that are read at a time, at most.
const PIECE: usize = 1 << 18;
/// Bytes of a header at most, as everywhere in this format.
const HEADER: u64 = 100_000_000;

/// A weights file on its way into a model: arrays are read as they are asked for, straight into
/// their place. What does not fit is collected, and [`Reader::finish`] reports all of it at once.
#[derive(Debug)]
pub struct Reader {
    /// Header: names to strings.
    pub metadata: BTreeMap<String, String>,
    /// Arrays that nobody has asked for yet.
    arrays: BTreeMap<String, StoredArray>,
    file: File,
    problems: Vec<Problem>,
}

/// An array of the file.
#[derive(Debug)]
struct StoredArray {
    shape: Vec<usize>,
    /// Byte of the file that it starts at.
    start: u64,
}

/// Why an array does not fit.
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
    /// The header lacks an entry, or has one that cannot be read.
    Header {
        /// Name of the entry.
        name: String,
    },
    /// The system refused its values.
    Unread {
        /// Key.
        key: String,
        /// Answer of the system.
        cause: String,
    },
}

impl Reader {
    /// Opens a safetensors file of float32 arrays and reads its header.
    ///
    /// # Errors
    /// A file that the system refuses, and one that is damaged or holds other types.
    pub fn open(path: &Path) -> Result<Self> {
        let refused = |source| Error::file(path, "read the weights", source);
        let mut file = File::open(path).map_err(refused)?;
        let length = file.metadata().map_err(refused)?.len();
        let header = read_header(&mut file, length).map_err(refused)?;
        let found = header.and_then(|(header, start)| stored(&header, start, length));
        let (metadata, arrays) = found.map_err(|cause| {
            Error::weights(
                path.display().to_string(),
                format!("not a whole safetensors file, or a damaged one: {cause}"),
                "use another checkpoint",
            )
        })?;
        Ok(Self {
            metadata,
            arrays,
            file,
            problems: Vec::new(),
        })
    }

    /// Keys and shapes of the arrays that nobody has asked for yet.
    pub fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let arrays = self.arrays.iter();
        arrays.map(|(key, stored)| (&**key, &*stored.shape))
    }

    /// Reads an array of this shape, row-major, into its place; returns whether there was one.
    pub fn read(&mut self, key: &str, shape: &[usize], into: &mut [f32]) -> bool {
        check!(
            into.len() == shape.iter().product::<usize>(),
            "room for {} elements of `{key}`, which is {shape:?}",
            into.len()
        );
        let mut rest = into;
        self.pieces(key, shape, |piece| {
            let (here, others) = std::mem::take(&mut rest).split_at_mut(piece.len());
            here.copy_from_slice(piece);
            rest = others;
        })
    }

    /// Reads an array of this shape, some whole rows at a time; returns whether there was one.
    pub fn pieces(&mut self, key: &str, shape: &[usize], mut each: impl FnMut(&[f32])) -> bool {
        let Some(start) = self.fitting(key, shape) else {
            return false;
        };
        match read(&mut self.file, start, shape, &mut each) {
            Ok(()) => true,
            Err(cause) => {
                self.problems.push(Problem::Unread {
                    key: key.to_owned(),
                    cause: cause.to_string(),
                });
                false
            }
        }
    }

    /// Takes an entry out of the header; `None`, and a problem, without one that can be read.
    pub fn header<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        let found = self.metadata.get(name).and_then(|text| text.parse().ok());
        if found.is_none() {
            self.problems.push(Problem::Header {
                name: name.to_owned(),
            });
        }
        found
    }

    /// Ends the reading: all that did not fit, and all arrays that nobody asked for.
    pub fn finish(self) -> Vec<Problem> {
        let left = self.arrays.into_iter().map(|(key, stored)| {
            let shape = stored.shape;
            Problem::Unexpected { key, shape }
        });
        self.problems.into_iter().chain(left).collect()
    }

    /// Takes out an array of this shape: the byte that it starts at.
    fn fitting(&mut self, key: &str, shape: &[usize]) -> Option<u64> {
        let problem = match self.arrays.remove(key) {
            Some(stored) if stored.shape == shape => return Some(stored.start),
            Some(stored) => Problem::Shape {
                key: key.to_owned(),
                model: shape.to_vec(),
                file: stored.shape,
            },
            None => Problem::Missing {
                key: key.to_owned(),
                shape: shape.to_vec(),
            },
        };
        self.problems.push(problem);
        None
    }
}

/// Requires that everything fitted.
///
/// # Errors
/// All that did not, in one message.
pub fn require_fit(problems: &[Problem]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let unread = |problem: &Problem| matches!(problem, Problem::Unread { .. });
    let (cause, fix) = match problems.iter().any(unread) {
        true => ("they cannot be read", "check the disk, then try again"),
        false => (
            "they do not fit this model",
            "use the spec that the weights were trained with, or train again",
        ),
    };
    let list: Vec<String> = problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    let cause = format!("{cause}:{}", list.concat());
    Err(Error::weights("the weights", cause, fix))
}

/// The header of a file of this length, and the byte that its data starts at; or why it has none.
fn read_header(
    file: &mut File,
    length: u64,
) -> io::Result<std::result::Result<(Vec<u8>, u64), String>> {
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

type FileHeader = (BTreeMap<String, String>, BTreeMap<String, StoredArray>);

/// The metadata and arrays that a header declares.
fn stored(header: &[u8], start: u64, length: u64) -> std::result::Result<FileHeader, String> {
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
        let stored = StoredArray {
            shape: info.shape.clone(),
            start: start + info.data_offsets.0 as u64,
        };
        arrays.insert(key, stored);
    }
    let metadata = header.metadata().clone().unwrap_or_default();
    Ok((metadata.into_iter().collect(), arrays))
}

/// Reads an array from a byte on, some whole rows at a time.
fn read(
    file: &mut File,
    start: u64,
    shape: &[usize],
    each: &mut dyn FnMut(&[f32]),
) -> io::Result<()> {
    let row = shape.iter().skip(1).product::<usize>().max(1);
    let piece = (PIECE / row).max(1) * row;
    file.seek(SeekFrom::Start(start))?;
    let (mut bytes, mut values) = (Vec::new(), Vec::new());
    let mut left: usize = shape.iter().product();
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
            Self::Unexpected { key, shape } => {
                write!(f, "`{key}` {shape:?} does not belong to this model")
            }
            Self::Shape { key, model, file } => {
                write!(f, "`{key}` is {file:?}, in this model {model:?}")
            }
            Self::Header { name } => write!(f, "the header has no valid `{name}`"),
            Self::Unread { key, cause } => write!(f, "`{key}` cannot be read: {cause}"),
        }
    }
}
