//! One Parquet file, on disk or in an object store: finding it, and reading its footer.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::bug::bug;
use crate::error::{Error, Result};
use crate::parquet::footer::{Footer, is_of};
use crate::parquet::row_group::RowGroup;
use crate::store::guard::ByteSource;
#[cfg(feature = "cloud")]
use crate::store::object::Object;
#[cfg(feature = "cloud")]
use crate::store::ranges::{self, Ranges};
use crate::store::stamp::{Stamp, changed};

/// A file, its footer read.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// Its path or URL.
    pub path: PathBuf,
    pub footer: Footer,
    lies: Lies,
}

/// Where a file is stored, and what shows that it is unchanged.
#[derive(Debug, Clone)]
enum Lies {
    OnDisk(Stamp),
    #[cfg(feature = "cloud")]
    InStore(Object),
}

/// The files at a path or URL: a Parquet file, or a folder of `*.parquet`, sorted by name; not those in folders within,
/// nor those whose name starts with `.` or `_`.
pub(crate) fn open(path: &Path) -> Result<Vec<DataFile>> {
    let scheme = path.to_str().and_then(|text| text.split_once("://"));
    match scheme.map(|(scheme, _)| scheme) {
        None => list(path)?.into_iter().map(on_disk).collect(),
        Some("s3" | "gs") => in_store(path),
        Some(scheme) => Err(Error::usage(
            path.display().to_string(),
            format!("data cannot be read from `{scheme}://`"),
            "give a path, or a URL that starts with s3:// or gs://",
        )),
    }
}

#[cfg(feature = "cloud")]
fn in_store(url: &Path) -> Result<Vec<DataFile>> {
    ranges::open(url, |object, bytes| {
        DataFile::new(object.url.clone(), bytes, Lies::InStore(object))
    })
}

#[cfg(not(feature = "cloud"))]
fn in_store(url: &Path) -> Result<Vec<DataFile>> {
    Err(Error::usage(
        url.display().to_string(),
        "this program was built without object stores",
        "run it by `mtmdc train` or `mtmdc eval`, which build it with them, or build its crate with `--features cloud`",
    ))
}

fn on_disk(path: PathBuf) -> Result<DataFile> {
    let (file, stamp) = stamped(&path)?;
    DataFile::new(path, &file, Lies::OnDisk(stamp))
}

fn stamped(path: &Path) -> Result<(File, Stamp)> {
    let open = || {
        let file = File::open(path)?;
        let stamp = Stamp::of(&file)?;
        Ok((file, stamp))
    };
    open().map_err(|source| Error::file(path, "read the data", source))
}

impl DataFile {
    /// Reads the footer.
    fn new(path: PathBuf, bytes: &impl ByteSource, lies: Lies) -> Result<Self> {
        Ok(Self {
            footer: Footer::read(&path, bytes)?,
            path,
            lies,
        })
    }

    /// Indices and sizes of the row groups.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (usize, u64)> {
        self.footer.rows.iter().copied().enumerate()
    }

    /// Bytes of a column in a row group, once they are decompressed.
    pub(crate) fn size(&self, group: usize, column: &str) -> u64 {
        let chunks = self.footer.metadata.row_group(group).columns().iter();
        let chunks = chunks.filter(|chunk| is_of(chunk, column));
        let sizes = chunks.map(|chunk| match u64::try_from(chunk.uncompressed_size()) {
            Ok(size) => size,
            Err(_) => bug!("the footer of {} was not checked", self.path.display()),
        });
        sizes.fold(0, u64::saturating_add)
    }

    /// Reads one row group, the needed columns only.
    pub(crate) fn read(&self, group: usize, columns: &[&str]) -> Result<RowGroup> {
        match &self.lies {
            #[cfg(feature = "cloud")]
            Lies::InStore(object) => {
                let spans = self.footer.spans(group, columns);
                let bytes = Ranges::of_columns(object, spans)?;
                RowGroup::open(&self.path, &self.footer, bytes, group, columns)
            }
            Lies::OnDisk(stamp) => {
                let (file, found) = stamped(&self.path)?;
                match found == *stamp {
                    true => RowGroup::open(&self.path, &self.footer, file, group, columns),
                    false => Err(changed(&self.path, "file")),
                }
            }
        }
    }

    /// Its path or URL in canonical form.
    pub(crate) fn identity(&self) -> Result<PathBuf> {
        match self.lies {
            #[cfg(feature = "cloud")]
            Lies::InStore(_) => Ok(self.path.clone()),
            Lies::OnDisk(_) => fs::canonicalize(&self.path)
                .map_err(|source| Error::file(&self.path, "read the data", source)),
        }
    }
}

fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::data(
            path.display().to_string(),
            "there is no such file or folder",
            "name the data with `data` in the spec or `--data` on the command line",
        ),
        _ => Error::file(path, "read the data", source),
    };
    if !fs::metadata(path).map_err(refused)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(refused)? {
        let entry = entry.map_err(refused)?.path();
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(['.', '_']) {
            continue;
        }
        let is_folder = entry.is_dir();
        if name.ends_with(".parquet") && !is_folder {
            files.push(entry);
        } else if is_folder {
            folders.push(entry);
        }
    }
    files.sort();
    folders.sort();
    let within = |folder: &Path| {
        let folder = folder.display();
        format!("folders within are not read: give each that has files, as `--data {folder}`")
    };
    // Some programs write one table as a folder of such a name.
    let table = |folder: &&PathBuf| folder.extension().is_some_and(|it| it == "parquet");
    if let Some(folder) = folders.iter().find(table) {
        let place = folder.display().to_string();
        return Err(Error::data(place, "a folder, not a file", within(folder)));
    }
    if files.is_empty() {
        let fix = match folders.first() {
            Some(folder) => within(folder),
            None => "give a folder with Parquet files right in it, or a file".to_owned(),
        };
        let cause = "the folder holds no `*.parquet` file";
        return Err(Error::data(path.display().to_string(), cause, fix));
    }
    Ok(files)
}
