//! Named weights, and their file: safetensors with PyTorch's names and layouts.
//!
//! A key is a parameter's path in the model, which is its path in the graph.

mod path;
pub mod plan;
mod takeover;

pub use path::Path;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path as FilePath, PathBuf};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value, json};

use crate::schema::Schema;

/// Key and shape of every float parameter and buffer of a module, in the order of its fields.
pub fn list<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
    struct List {
        path: Path,
        found: Vec<(String, Vec<usize>)>,
    }
    impl ModuleVisitor for List {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let shape = param.lazy_shape().as_slice().to_vec();
            self.found.push((self.path.key(), shape));
        }
    }
    let mut list = List {
        path: Path::default(),
        found: Vec::new(),
    };
    module.visit(&mut list);
    list.found
}

/// An array of a weights file, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Shape.
    pub shape: Vec<usize>,
    /// Values.
    pub values: Vec<f32>,
}

/// Content of a weights file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Weights {
    /// Header: names to strings, such as `spec_hash`, `weights_hash` and `graph_hash`.
    pub metadata: BTreeMap<String, String>,
    /// Arrays by key.
    pub arrays: BTreeMap<String, Array>,
}

impl Weights {
    /// No arrays, under a header that says which spec and graph they will be of.
    pub fn of(schema: &Schema) -> Self {
        let hashes = [
            ("spec_hash", schema.spec_hash),
            ("weights_hash", schema.weights_hash),
            ("graph_hash", schema.graph_hash),
        ];
        let hashes = hashes.map(|(name, hash)| (name.to_owned(), hash.to_owned()));
        Self {
            metadata: BTreeMap::from(hashes),
            arrays: BTreeMap::new(),
        }
    }

    /// Adds every float parameter and buffer of a module, under keys that start with `prefix`
    /// (none if empty).
    pub fn insert_module<M: Module>(&mut self, prefix: &str, module: &M) {
        module.visit(&mut Collect {
            path: Path::starting(prefix),
            arrays: &mut self.arrays,
        });
    }

    /// Writes a safetensors file, whole or not at all: a temporary file beside it is synced and
    /// then renamed. Equal weights give equal bytes.
    ///
    /// # Errors
    /// [`WeightsError::File`] if the system refuses.
    pub fn save(&self, path: &FilePath) -> Result<(), WeightsError> {
        write_atomically(path, |file| self.write(file))
            .map_err(|source| WeightsError::file(path, "write", source))
    }

    /// Reads a safetensors file of float32 arrays.
    ///
    /// # Errors
    /// [`WeightsError::File`] if the system refuses, [`WeightsError::Damaged`] if the file is not
    /// whole or holds other types.
    pub fn open(path: &FilePath) -> Result<Self, WeightsError> {
        let bytes = fs::read(path).map_err(|source| WeightsError::file(path, "read", source))?;
        Self::parse(&bytes).map_err(|cause| WeightsError::Damaged {
            path: path.to_owned(),
            cause,
        })
    }

    /// Starts handing the arrays to a model; see [`Loading`].
    pub fn into_loading(self) -> Loading {
        Loading {
            arrays: self.arrays,
            problems: Vec::new(),
        }
    }

    fn write(&self, file: &mut dyn Write) -> io::Result<()> {
        let mut header = Map::new();
        if !self.metadata.is_empty() {
            header.insert("__metadata__".to_owned(), json!(self.metadata));
        }
        let mut start = 0;
        for (key, array) in &self.arrays {
            let end = start + array.values.len() * size_of::<f32>();
            let entry = json!({"dtype": "F32", "shape": array.shape, "data_offsets": [start, end]});
            header.insert(key.clone(), entry);
            start = end;
        }
        let mut header = Value::Object(header).to_string().into_bytes();
        // The format asks for data on a multiple of eight.
        header.resize(header.len().next_multiple_of(8), b' ');
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        for values in self
            .arrays
            .values()
            .flat_map(|array| array.values.chunks(4096))
        {
            let bytes: Vec<u8> = values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            file.write_all(&bytes)?;
        }
        Ok(())
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let mut weights = Self::default();
        weights
            .metadata
            .extend(header.metadata().clone().unwrap_or_default());
        for (key, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(format!("`{key}` is {:?}, not F32", view.dtype()));
            }
            let (values, _) = view.data().as_chunks::<4>();
            let array = Array {
                shape: view.shape().to_vec(),
                values: values
                    .iter()
                    .map(|&bytes| f32::from_le_bytes(bytes))
                    .collect(),
            };
            weights.arrays.insert(key.to_owned(), array);
        }
        Ok(weights)
    }
}

struct Collect<'a> {
    path: Path,
    arrays: &'a mut BTreeMap<String, Array>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let array = Array {
            shape: param.lazy_shape().as_slice().to_vec(),
            values: param.val().into_data().iter::<f32>().collect(),
        };
        self.arrays.insert(self.path.key(), array);
    }
}

/// Arrays on their way into a model. Everything that does not fit is remembered, and
/// [`Loading::finish`] tells all of it at once.
#[derive(Debug)]
pub struct Loading {
    arrays: BTreeMap<String, Array>,
    problems: Vec<Problem>,
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
}

impl Loading {
    /// Moves an array of this shape out, row-major.
    pub fn take(&mut self, key: &str, shape: &[usize]) -> Option<Vec<f32>> {
        let problem = match self.arrays.remove(key) {
            Some(array) if array.shape == shape => return Some(array.values),
            Some(array) => Problem::Shape {
                key: key.to_owned(),
                model: shape.to_vec(),
                file: array.shape,
            },
            None => Problem::Missing {
                key: key.to_owned(),
                shape: shape.to_vec(),
            },
        };
        self.problems.push(problem);
        None
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
}

/// The module with the weights of a file that holds it and nothing else.
///
/// # Errors
/// Those of [`Weights::open`], and [`WeightsError::Mismatch`] with all keys that are missing,
/// unexpected or of another shape.
pub fn load<M: Module>(path: &FilePath, module: M) -> Result<M, WeightsError> {
    let mut loading = Weights::open(path)?.into_loading();
    let module = loading.module("", module);
    match loading.finish() {
        Ok(()) => Ok(module),
        Err(problems) => Err(WeightsError::Mismatch {
            path: path.to_owned(),
            problems,
        }),
    }
}

struct Load<'a> {
    path: Path,
    from: &'a mut Loading,
}

impl ModuleMapper for Load<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        match self.from.take(&self.path.key(), shape.as_slice()) {
            Some(values) => param.map(|old| replace(&old, TensorData::new(values, shape))),
            None => param,
        }
    }
}

/// A tensor of other values that is in all else as `old`: device, type, gradient.
pub(crate) fn replace<const D: usize>(old: &Tensor<D>, values: TensorData) -> Tensor<D> {
    Tensor::from_data(values, (&old.device(), old.dtype())).set_require_grad(old.is_require_grad())
}

/// Writes a file whole or not at all.
///
/// # Errors
/// What the system refuses; the file at `path` is then as it was, and no other file is left.
pub fn write_atomically(
    path: &FilePath,
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
        // The first error is the one to tell.
        drop(fs::remove_file(&temporary));
        return Err(error);
    }
    sync_folder(path)
}

/// Makes a rename in the file's folder last, where the system knows how.
fn sync_folder(path: &FilePath) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => FilePath::new("."),
    };
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Why weights were not written or read.
#[derive(Debug)]
pub enum WeightsError {
    /// The system refused the file.
    File {
        /// File.
        path: PathBuf,
        /// `read` or `write`.
        action: &'static str,
        /// Its answer.
        source: io::Error,
    },
    /// The file is not whole, or not of this format.
    Damaged {
        /// File.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// The file is of another model.
    Mismatch {
        /// File.
        path: PathBuf,
        /// All that does not fit.
        problems: Vec<Problem>,
    },
}

impl WeightsError {
    fn file(path: &FilePath, action: &'static str, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            action,
            source,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { key, shape } => write!(f, "`{key}` {shape:?} is missing"),
            Self::Unexpected { key, shape } => write!(f, "`{key}` {shape:?} is not of this model"),
            Self::Shape { key, model, file } => {
                write!(f, "`{key}` is {file:?}, in this model {model:?}")
            }
        }
    }
}

impl fmt::Display for WeightsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File {
                path,
                action,
                source,
            } => write!(
                f,
                "{}: cannot {action} the weights: {source}",
                path.display()
            ),
            Self::Damaged { path, cause } => write!(
                f,
                "{}: no whole weights file: {cause}\nhelp: use another checkpoint",
                path.display()
            ),
            Self::Mismatch { path, problems } => {
                writeln!(f, "{}: weights of another model:", path.display())?;
                for problem in problems {
                    writeln!(f, "  {problem}")?;
                }
                write!(f, "help: use the spec that the weights were trained with")
            }
        }
    }
}

impl std::error::Error for WeightsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Damaged { .. } | Self::Mismatch { .. } => None,
        }
    }
}
