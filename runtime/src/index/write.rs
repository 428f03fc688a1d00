//! Writing the files of a domain.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use mtmd_schema::plan::Output;

use super::elements::{ErrorSums, StoredRow, stride};
use super::ids::{IdKind, IdList, Ids, ItemId};
use super::slots::Found;
use super::{DomainFacts, TaskFacts};
use crate::bug::{bug, zip_equal};
use crate::error::{Error, Result};
use crate::schema::{ElementType, Schema};

/// The names of a domain's files.
#[derive(Debug, Clone)]
pub struct DomainFiles {
    folder: PathBuf,
    domain: String,
}

impl DomainFiles {
    /// Those in a folder.
    pub fn new(folder: &Path, domain: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            domain: domain.to_owned(),
        }
    }

    /// `DOMAIN.KIND`.
    pub fn path(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.domain))
    }
}

/// A file of rows of equal size, in any order.
#[derive(Debug)]
struct RowFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// The byte that is written next.
    at: u64,
}

impl RowFile {
    fn create(path: PathBuf) -> Result<Self> {
        let file = File::create(&path).map_err(|source| refused(&path, source))?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, file),
            at: 0,
            path,
        })
    }

    fn put(&mut self, row: u32, bytes: &[u8]) -> Result<()> {
        let start = u64::from(row) * bytes.len() as u64;
        let mut write = || {
            if start != self.at {
                self.file.seek(SeekFrom::Start(start))?;
            }
            self.file.write_all(bytes)
        };
        write().map_err(|source| refused(&self.path, source))?;
        self.at = start + bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        let ended = self.file.flush();
        ended.map_err(|source| refused(&self.path, source))
    }
}

/// Writes the rows of a domain.
#[derive(Debug)]
pub struct DomainWriter {
    files: DomainFiles,
    element: ElementType,
    facts: DomainFacts,
    ids: Ids,
    digests: Vec<u64>,
    rows: RowFile,
    scales: Option<RowFile>,
    errors: Vec<ErrorSums>,
    stored: StoredRow,
}

impl DomainWriter {
    /// A domain without a row, with these tasks.
    pub fn create(
        files: DomainFiles,
        (schema, outputs): (&Schema, &[Output]),
        element: ElementType,
        kind: IdKind,
    ) -> Result<Self> {
        let mut width = 0;
        let tasks = outputs.iter().map(|output| {
            let start = width;
            width += output.width;
            TaskFacts {
                name: schema.task(output.task).name.to_string(),
                start,
                width: output.width,
                error: 0.0,
            }
        });
        let tasks: Vec<TaskFacts> = tasks.collect();
        let scales = match element {
            ElementType::Int8 => Some(RowFile::create(files.path("scales"))?),
            ElementType::Float32 | ElementType::Float16 => None,
        };
        Ok(Self {
            rows: RowFile::create(files.path("rows"))?,
            scales,
            element,
            errors: vec![ErrorSums::default(); tasks.len()],
            facts: DomainFacts {
                name: files.domain.clone(),
                rows: 0,
                stride: stride(element, width),
                slots: 0,
                tasks,
            },
            files,
            ids: Ids::new(kind),
            digests: Vec::new(),
            stored: StoredRow::default(),
        })
    }

    /// The row of an id: a new one, or that which it has.
    pub fn row(&mut self, id: ItemId<'_>, digest: u64) -> Found {
        let found = self.ids.find_or_add(id);
        match found {
            Found::Added(_) => self.digests.push(digest),
            Found::There(row) => match self.digests.get_mut(row as usize) {
                Some(known) => *known = digest,
                None => bug!("the digest of row {row} of {}", self.digests.len()),
            },
        }
        found
    }

    /// Writes the embeddings of a row, the tasks' side by side; `false` if a number is beyond what the type holds.
    pub fn put(&mut self, row: u32, values: &[f32]) -> Result<bool> {
        let Self {
            stored,
            facts,
            errors,
            ..
        } = self;
        if !stored.store(self.element, &facts.tasks, values, errors) {
            return Ok(false);
        }
        let stored = std::mem::take(&mut self.stored);
        self.put_stored(row, &stored.bytes, &stored.scales)?;
        self.stored = stored;
        Ok(true)
    }

    /// Writes a row as another index stores it.
    pub fn put_stored(&mut self, row: u32, bytes: &[u8], scales: &[f32]) -> Result<()> {
        self.rows.put(row, bytes)?;
        match &mut self.scales {
            Some(file) => file.put(row, &little_endian(scales, |scale| scale.to_le_bytes())),
            None => Ok(()),
        }
    }

    /// Ends the files. `earlier` has the errors of an index whose rows were taken over.
    pub fn finish(self, earlier: Option<&DomainFacts>) -> Result<DomainFacts> {
        let Self {
            files,
            mut facts,
            ids,
            digests,
            rows,
            scales,
            errors,
            ..
        } = self;
        let save = |kind: &str, bytes: Vec<u8>| {
            let path = files.path(kind);
            fs::write(&path, bytes).map_err(|source| refused(&path, source))
        };
        match &ids.list {
            IdList::Ints(ids) => save("ids", little_endian(ids, |id| id.to_le_bytes()))?,
            IdList::Texts { offsets, bytes } => {
                save("ids", little_endian(offsets, |end| end.to_le_bytes()))?;
                save("texts", bytes.clone())?;
            }
        }
        let slots = ids.slots.all();
        save("slots", little_endian(slots, |slot| slot.to_le_bytes()))?;
        save(
            "digests",
            little_endian(&digests, |digest| digest.to_le_bytes()),
        )?;
        facts.rows = ids.len();
        facts.slots = slots.len();
        for (at, (task, sums)) in zip_equal(&mut facts.tasks, &errors).enumerate() {
            let before = earlier.and_then(|earlier| earlier.tasks.get(at));
            task.error = match (*sums == ErrorSums::default(), before) {
                (true, Some(before)) => before.error,
                _ => sums.relative(),
            };
        }
        rows.finish()?;
        scales.map_or(Ok(()), RowFile::finish)?;
        Ok(facts)
    }
}

fn little_endian<T: Copy, const N: usize>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| bytes(*value)).collect()
}

fn refused(path: &Path, source: io::Error) -> Error {
    Error::file(path, "write it", source)
}
