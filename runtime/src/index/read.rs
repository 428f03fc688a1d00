//! An index, mapped into memory.

use std::fs::{self, File};
use std::path::Path;

use bytemuck::{AnyBitPattern, try_cast_slice};
use memmap2::Mmap;

use super::elements::{size, stride};
use super::ids::{IdKind, ItemId, text_of};
use super::slots::{Slot, search};
use super::write::DomainFiles;
use super::{DomainFacts, FORMAT, INDEX, IndexFile};
use crate::bug::bug;
use crate::error::{Error, Result};
use crate::schema::ElementType;
use crate::training::checksums;

const FIX: &str = "make the index again by `mtmdc index`";

/// An index, mapped into memory. Its files must not be changed while it is open.
#[derive(Debug)]
pub struct Index {
    /// What it holds.
    pub file: IndexFile,
    domains: Vec<IndexDomain>,
}

/// The rows of a domain.
#[derive(Debug)]
pub struct IndexDomain {
    facts: DomainFacts,
    element: ElementType,
    kind: IdKind,
    rows: Mapped,
    scales: Option<Mapped>,
    ids: Mapped,
    texts: Option<Mapped>,
    slots: Mapped,
    digests: Mapped,
}

/// The numbers of rows, side by side, by the type that they are stored as.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// 32-bit floats.
    Float32(&'a [f32]),
    /// 16-bit floats, by their bits.
    Float16(&'a [u16]),
    /// 8-bit integers, and the scales: `[rows, tasks]`.
    Int8(&'a [i8], &'a [f32]),
}

impl Index {
    /// Opens the index in a folder. With `verify`, every file is held against its digest.
    ///
    /// # Errors
    /// Files that cannot be read, are damaged, or are of another version of the layout.
    pub fn open(folder: &Path, verify: bool) -> Result<Self> {
        let path = folder.join(INDEX);
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => Error::weights(
                folder.display().to_string(),
                format!("no `{INDEX}` lies there"),
                "give the folder of an index: `mtmdc index` writes one",
            ),
            _ => Error::file(&path, "read it", source),
        })?;
        let broken = |cause: String| Error::weights(path.display().to_string(), cause, FIX);
        let file: IndexFile = serde_json::from_str(&text)
            .map_err(|error| broken(format!("no description of an index: {error}")))?;
        if file.format != FORMAT {
            return Err(broken(format!(
                "layout {} of another version; this one reads {FORMAT}",
                file.format
            )));
        }
        if verify {
            checksums::verify(folder, |_| true)?;
        }
        let domains = file.domains.iter();
        let domains = domains.map(|facts| IndexDomain::open(folder, &file, facts.clone()));
        Ok(Self {
            domains: domains.collect::<Result<_>>()?,
            file,
        })
    }

    /// By domain of the tower.
    pub fn domains(&self) -> &[IndexDomain] {
        &self.domains
    }
}

impl IndexDomain {
    fn open(folder: &Path, file: &IndexFile, facts: DomainFacts) -> Result<Self> {
        let files = DomainFiles::new(folder, &facts.name);
        let (rows, element, kind) = (facts.rows, file.element, file.id.kind);
        if facts.stride != stride(element, facts.width()) {
            return Err(Error::weights(
                folder.join(INDEX).display().to_string(),
                format!(
                    "rows of {} numbers that are {} bytes apart",
                    facts.width(),
                    facts.stride
                ),
                FIX,
            ));
        }
        let map = |kind: &str, count: Option<usize>, size: usize| {
            Mapped::open(&files.path(kind), count, size)
        };
        let scales = || map("scales", rows.checked_mul(facts.tasks.len()), 4).map(Some);
        let domain = Self {
            rows: map("rows", Some(rows), facts.stride)?,
            scales: match element {
                ElementType::Int8 => scales()?,
                ElementType::Float32 | ElementType::Float16 => None,
            },
            ids: match kind {
                IdKind::Int => map("ids", Some(rows), 8)?,
                IdKind::Text => map("ids", rows.checked_add(1), 8)?,
            },
            texts: match kind {
                IdKind::Int => None,
                IdKind::Text => Some(map("texts", None, 1)?),
            },
            slots: map("slots", Some(facts.slots), 4)?,
            digests: map("digests", Some(rows), 8)?,
            element,
            kind,
            facts,
        };
        Ok(domain)
    }

    /// What it holds.
    pub fn facts(&self) -> &DomainFacts {
        &self.facts
    }

    /// Numbers from one row to the next.
    pub fn stride(&self) -> usize {
        self.facts.stride / size(self.element)
    }

    /// The numbers of all rows, [`Self::stride`] for each.
    pub fn rows(&self) -> Rows<'_> {
        match (self.element, &self.scales) {
            (ElementType::Float32, _) => Rows::Float32(self.rows.values()),
            (ElementType::Float16, _) => Rows::Float16(self.rows.values()),
            (ElementType::Int8, Some(scales)) => Rows::Int8(self.rows.values(), scales.values()),
            (ElementType::Int8, None) => bug!("rows of int8 without scales"),
        }
    }

    /// A row as it is stored, and its scales.
    pub fn stored(&self, row: u32) -> (&[u8], &[f32]) {
        let start = row as usize * self.facts.stride;
        let bytes = self.rows.bytes().get(start..start + self.facts.stride);
        let tasks = self.facts.tasks.len();
        let scales = match &self.scales {
            Some(scales) => scales
                .values()
                .get(row as usize * tasks..(row as usize + 1) * tasks),
            None => Some(&[][..]),
        };
        match bytes.zip(scales) {
            Some(stored) => stored,
            None => bug!("row {row} of {}", self.facts.rows),
        }
    }

    /// The id of a row; `None` if the files contradict each other.
    pub fn id(&self, row: u32) -> Option<ItemId<'_>> {
        match (self.kind, &self.texts) {
            (IdKind::Int, _) => self
                .ids
                .values()
                .get(row as usize)
                .copied()
                .map(ItemId::Int),
            (IdKind::Text, Some(texts)) => {
                text_of(self.ids.values(), texts.bytes(), row).map(ItemId::Text)
            }
            (IdKind::Text, None) => bug!("strings without their bytes"),
        }
    }

    /// The row of an id; `None` if it is not there.
    pub fn find(&self, id: ItemId<'_>) -> Option<u32> {
        let is = |row| self.id(row) == Some(id);
        match search(self.slots.values(), id.hash(), is) {
            Slot::Row(row) => Some(row),
            Slot::Free(_) => None,
        }
    }

    /// The digest of a row's features.
    pub fn digest(&self, row: u32) -> Option<u64> {
        self.digests.values().get(row as usize).copied()
    }
}

/// A file in memory; `None` where it is empty.
#[derive(Debug)]
struct Mapped(Option<Mmap>);

impl Mapped {
    /// Maps a file, which must hold `count` entries of `size` bytes.
    fn open(path: &Path, count: Option<usize>, size: usize) -> Result<Self> {
        let refused = |source| Error::file(path, "read it", source);
        let file = File::open(path).map_err(refused)?;
        let length = file.metadata().map_err(refused)?.len();
        let needed = match count {
            Some(count) => count.checked_mul(size).map(|bytes| bytes as u64),
            None => Some(length),
        };
        if needed != Some(length) {
            let cause = format!(
                "{length} bytes, not {} of {size}",
                count.unwrap_or_default()
            );
            return Err(Error::weights(path.display().to_string(), cause, FIX));
        }
        if length == 0 {
            return Ok(Self(None));
        }
        #[expect(unsafe_code, reason = "a file is mapped")]
        // SAFETY: it is mapped to be read, and the caller is told not to change it.
        let map = unsafe { Mmap::map(&file) }.map_err(refused)?;
        Ok(Self(Some(map)))
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    fn values<T: AnyBitPattern>(&self) -> &[T] {
        match try_cast_slice(self.bytes()) {
            Ok(values) => values,
            // A map begins at a page, and its length was held to the size of its entries.
            Err(error) => bug!("a mapped file: {error}"),
        }
    }
}
