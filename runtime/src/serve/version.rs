//! A model and an index of its items, ready to answer.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::features::RequestRows;
use crate::data::{InputDecoder, Purpose};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::schema::{BadRows, Compiled, Schema, Tower};
use crate::score::{Scorer, golden};
use crate::training::checkpoint;

/// Where versions are loaded from.
#[derive(Debug, Clone)]
pub struct Source {
    /// What the model is.
    pub model: &'static Compiled,
    /// Folder of the weights.
    pub weights: PathBuf,
    /// Folder of the index; `None`: nothing can be ranked.
    pub index: Option<PathBuf>,
}

/// A model and an index of its items.
#[derive(Debug)]
pub struct Version {
    /// The model.
    pub scorer: Scorer,
    /// The items.
    pub index: Option<Index>,
    /// Identity of the weights and vocabularies.
    pub weights: String,
    /// Golden rows that gave their scores.
    pub golden: usize,
    /// Rows of requests, by what they are read for.
    pub query: Decoding,
    /// The same of items.
    pub item: Decoding,
    /// The same of both.
    pub pair: Decoding,
}

/// From a request's values to inputs.
#[derive(Debug)]
pub struct Decoding {
    /// From JSON to raw values.
    pub rows: RequestRows,
    /// From raw values to inputs.
    pub decoder: InputDecoder,
}

impl Source {
    /// Loads a version and holds it to its golden rows.
    ///
    /// # Errors
    /// Files that cannot be read, are damaged or are of another model, an index of other weights, and golden rows with
    /// other scores.
    pub fn load(&self) -> Result<Version> {
        let schema = &self.model.schema;
        let path = checkpoint::find_model(&self.weights)?;
        let (weights, vocabularies) = checkpoint::load_model(&path, schema)?;
        let identity = checkpoint::identity(&path)?;
        let index = self.index.as_deref();
        let index = index.map(|folder| open_index(folder, schema, &identity));
        let index = index.transpose()?;
        let scorer = Scorer::load(self.model, weights)?;
        let vocabularies = Arc::new(vocabularies);
        let golden = golden::check(&scorer.ready(), &vocabularies, &path)?;
        let types = golden::types(&path)?;
        let decoding = |purpose| {
            Ok(Decoding {
                rows: RequestRows::new(schema, purpose, &types)?,
                decoder: InputDecoder::new(schema, purpose, BadRows::Stop, &vocabularies),
            })
        };
        Ok(Version {
            query: decoding(Purpose::Embed(Tower::Query))?,
            item: decoding(Purpose::Embed(Tower::Item))?,
            pair: decoding(Purpose::Score)?,
            scorer,
            index,
            weights: identity,
            golden,
        })
    }
}

fn open_index(folder: &Path, schema: &Schema, weights: &str) -> Result<Index> {
    let index = Index::open(folder, true)?;
    let other = |cause: String, fix: &str| Error::weights(folder.display().to_string(), cause, fix);
    if index.file.weights != weights {
        return Err(other(
            format!(
                "the index is of other weights ({} of `{}`) than the model ({weights} of `{}`)",
                index.file.weights, index.file.model, schema.name
            ),
            "make the index by the model that is served: `mtmdc index`; queries of one model do not fit items of another",
        ));
    }
    if index.file.tower != Tower::Item {
        return Err(other(
            "the index holds embeddings of the query tower".to_owned(),
            "make one of items: `mtmdc index` without `--side query`",
        ));
    }
    Ok(index)
}

impl Version {
    /// What the model is.
    pub fn schema(&self) -> &'static Schema {
        self.scorer.schema()
    }
}
