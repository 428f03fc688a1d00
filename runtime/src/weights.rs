//! Named weights, and their file: safetensors with PyTorch's names and layouts.
//!
//! A key is a parameter's path in the model, which is its path in the graph.

mod loading;
mod outgoing;
mod path;
pub mod plan;
mod takeover;

pub use loading::{Loading, Problem};
pub use outgoing::Outgoing;
pub use path::Path;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path as FilePath, PathBuf};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

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

    /// Writes a safetensors file; see [`Outgoing::save`].
    ///
    /// # Errors
    /// [`WeightsError::File`] if the system refuses.
    pub fn save(&self, path: &FilePath) -> Result<(), WeightsError> {
        Outgoing::from(self).save(path)
    }

    /// Reads a safetensors file of float32 arrays whole.
    ///
    /// # Errors
    /// [`WeightsError::File`] if the system refuses, [`WeightsError::Damaged`] if the file is not
    /// whole or holds other types.
    pub fn open(path: &FilePath) -> Result<Self, WeightsError> {
        let collected = Loading::open(path)?.collect();
        // Nothing was asked to fit: what is told here could not be read.
        collected.map_err(|problems| WeightsError::Damaged {
            path: path.to_owned(),
            cause: problems
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
        })
    }

    /// Starts handing the arrays to a model; see [`Loading`].
    pub fn into_loading(self) -> Loading {
        self.into()
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

/// The module with the weights of a file that holds it and nothing else.
///
/// # Errors
/// Those of [`Weights::open`], and [`WeightsError::Mismatch`] with all keys that are missing,
/// unexpected or of another shape.
pub fn load<M: Module>(path: &FilePath, module: M) -> Result<M, WeightsError> {
    let mut loading = Loading::open(path)?;
    let module = loading.module("", module);
    let finished = loading.finish();
    finished.map_err(|problems| WeightsError::mismatch(path, problems))?;
    Ok(module)
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

    fn mismatch(path: &FilePath, problems: Vec<Problem>) -> Self {
        Self::Mismatch {
            path: path.to_owned(),
            problems,
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
