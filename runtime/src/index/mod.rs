//! An index: the embeddings of one tower's rows, each with its id, in files that are mapped into memory.
//!
//! The folder holds, all numbers little-endian:
//!
//! | file | what |
//! |---|---|
//! | `index.json` | [`IndexFile`]: the model, the type of the numbers, and of each domain its rows, its tasks and where their numbers lie in a row |
//! | `DOMAIN.rows` | the rows, each of `stride` bytes, a multiple of 64: the tasks' embeddings side by side |
//! | `DOMAIN.scales` | of `int8` alone: float32 `[rows, tasks]`; a number times its scale is the embedding's |
//! | `DOMAIN.ids` | whole numbers: int64 `[rows]`; strings: uint64 `[rows + 1]`, where each begins in `DOMAIN.texts`, and the end |
//! | `DOMAIN.texts` | of strings alone: all of them, UTF-8 |
//! | `DOMAIN.slots` | uint32: an open hash table. The row of an id is found from slot `hash % slots` on, one slot at a time; a slot holds row + 1, and 0 where the search ends |
//! | `DOMAIN.digests` | uint64 `[rows]`: the low half of XXH3-128 of a row's features, by which it is known again when the index is renewed |
//! | `checksums.json` | digests of all files |
//!
//! The hash is that of table rows ([`crate::hash`]).

mod build;
mod convert;
mod elements;
mod ids;
mod read;
mod slots;
mod write;

use serde::{Deserialize, Serialize};

use crate::schema::{ElementType, Tower};

pub use build::{Build, BuildReport};
pub use convert::convert;
pub use ids::{IdKind, ItemId};
pub use read::{Index, IndexDomain, Rows};

/// Number of the layout.
const FORMAT: u32 = 1;

/// The file that describes the folder.
const INDEX: &str = "index.json";

/// What a row's bytes are a multiple of: a cache line.
const LINE: usize = 64;

/// What an index holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexFile {
    /// Number of the layout.
    pub format: u32,
    /// Name of the model.
    pub model: String,
    /// Identity of its weights and vocabularies.
    pub weights: String,
    /// Hash of the spec that it was built by.
    pub spec_hash: String,
    /// Hash of the graph.
    pub graph_hash: String,
    /// The tower.
    pub tower: Tower,
    /// What identifies a row.
    pub id: IdFacts,
    /// Type of the numbers.
    #[serde(rename = "type")]
    pub element: ElementType,
    /// Fingerprints of the data's files.
    pub data: Vec<String>,
    /// By domain of the tower, those without rows too.
    pub domains: Vec<DomainFacts>,
}

/// What identifies a row among those of its domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdFacts {
    /// Column of the data.
    pub column: String,
    /// What it holds.
    pub kind: IdKind,
}

/// The rows of a domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainFacts {
    /// Its name, with which its files' names begin.
    pub name: String,
    /// Number of rows.
    pub rows: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Slots of the hash table, a power of two.
    pub slots: usize,
    /// Tasks that the domain has, in the order of a row.
    pub tasks: Vec<TaskFacts>,
}

/// A task's part of a row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// Name of the task.
    pub name: String,
    /// First number of the row that is its.
    pub start: usize,
    /// Numbers: emb_deep, then emb_shallow.
    pub width: usize,
    /// Root mean square of what the type of the numbers changes, over that of the embeddings; of the rows that were
    /// computed for this index.
    pub error: f64,
}

impl DomainFacts {
    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.tasks.iter().map(|task| task.width).sum()
    }
}
