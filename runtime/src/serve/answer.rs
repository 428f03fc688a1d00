//! Answers to requests, apart from how they come and go.

use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::features::word;
use super::metrics::{Metrics, Stage};
use super::rank::{Place, Query, Ranked, rank_all, rank_some};
use super::version::{Decoding, Version};
use crate::bug::zip_equal;
use crate::data::Inputs;
use crate::error::Error;
use crate::index::{Index, IndexDomain, ItemId};
use crate::schema::{Choice as _, TaskId, Tower};

/// Items that are returned of a ranking of all, unless a request says how many.
const TOP: usize = 100;

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read.
    Malformed(String),
    /// It asks for what does not exist.
    Unknown(String),
    /// It says something that cannot be used.
    Unusable(String),
    /// Its deadline has passed.
    TooLate,
    /// A bug of ours.
    Failed(String),
}

/// What a request may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Ids of candidates, rows and returned items at most.
    pub items: usize,
}

/// A request that is being answered.
#[derive(Debug)]
pub struct Call<'a> {
    /// The version that answers it.
    pub version: &'a Version,
    /// What it may ask for.
    pub limits: Limits,
    /// When it is given up.
    pub deadline: Instant,
    /// What is counted.
    pub metrics: &'a Metrics,
}

/// `POST /v1/rank`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RankRequest {
    surface: Option<Json>,
    query: Map<String, Json>,
    #[serde(default)]
    candidates: CandidatesRequest,
    utility: Option<Map<String, Json>>,
    tasks: Option<Vec<String>>,
    top: Option<usize>,
}

/// The items to rank: those with these ids, of these products; without either, all.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct CandidatesRequest {
    ids: Option<Vec<Json>>,
    products: Option<Vec<String>>,
}

/// `POST /v1/embed`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EmbedRequest {
    tower: String,
    rows: Vec<Map<String, Json>>,
}

impl Call<'_> {
    /// Ranks items of the index for a query.
    ///
    /// # Errors
    /// What cannot be answered, and why.
    pub fn rank(&self, body: &[u8]) -> Result<Json, Refusal> {
        let started = Instant::now();
        let request: RankRequest = read(body)?;
        let Some(index) = &self.version.index else {
            return Err(Refusal::Unknown(
                "this server has no index: start it with `--index`".to_owned(),
            ));
        };
        let domains = self.domains(index, request.candidates.products.as_deref())?;
        let (places, unknown) = self.places(&domains, request.candidates.ids.as_deref())?;
        let utility = self.utility(request.utility)?;
        let reported = self.tasks(request.tasks.as_deref())?;
        let top = request.top.unwrap_or(match &places {
            Some(places) => places.len(),
            None => TOP.min(self.limits.items),
        });
        self.limit("`top`", top)?;
        let mut query = request.query;
        if let Some(surface) = request.surface {
            query.insert(word(Tower::Query).to_owned(), surface);
        }
        let inputs = self.inputs(&self.version.query, vec![query], Tower::Query)?;
        self.metrics.took(Stage::Decode, started.elapsed());
        let started = Instant::now();
        let embedding = self.version.scorer.embed(Tower::Query, &inputs.batch);
        self.metrics.took(Stage::Tower, started.elapsed());
        let started = Instant::now();
        let surface = inputs.batch.surface.first().copied().unwrap_or_default();
        let query = Query {
            embedding: &embedding,
            surface: usize::from(surface),
            utility: &utility,
            top,
            deadline: Some(self.deadline),
        };
        let (scored, ranked) = match &places {
            Some(places) => {
                let ranked = rank_some(&self.version.scorer, &query, &domains, places);
                (places.len(), ranked)
            }
            None => {
                let rows = domains.iter().map(|(_, domain)| domain.facts().rows);
                (rows.sum(), rank_all(&self.version.scorer, &query, &domains))
            }
        };
        let ranked = ranked.map_err(|_| Refusal::TooLate)?;
        self.metrics.took(Stage::Score, started.elapsed());
        self.metrics.ranked(scored, unknown.len());
        let items = ranked.iter().map(|item| self.item(index, item, &reported));
        Ok(json!({
            "model": &*self.version.schema().name,
            "version": self.version.weights,
            "items": items.collect::<Result<Vec<_>, _>>()?,
            "unknown": unknown,
            "scored": scored,
        }))
    }

    /// Embeds rows by one tower.
    ///
    /// # Errors
    /// What cannot be answered, and why.
    pub fn embed(&self, body: &[u8]) -> Result<Json, Refusal> {
        let request: EmbedRequest = read(body)?;
        let Some(tower) = Tower::from_word(&request.tower) else {
            return Err(Refusal::Unusable(format!(
                "`tower` is one of {}, this is `{}`",
                Tower::WORDS.join(" and "),
                request.tower
            )));
        };
        self.limit("the number of `rows`", request.rows.len())?;
        let started = Instant::now();
        let decoding = match tower {
            Tower::Query => &self.version.query,
            Tower::Item => &self.version.item,
        };
        let inputs = self.inputs(decoding, request.rows, tower)?;
        self.metrics.took(Stage::Decode, started.elapsed());
        let started = Instant::now();
        let embeddings = self.version.scorer.embed(tower, &inputs.batch);
        self.metrics.took(Stage::Tower, started.elapsed());
        let width = self.version.scorer.plan().tower(tower).width;
        let schema = self.version.schema();
        let batch = inputs.batch.tower(tower);
        let mut rows = vec![Json::Null; inputs.rows.len()];
        let places = batch.order.iter().enumerate();
        for ((place, row), embedding) in zip_equal(places, embeddings.chunks_exact(width.max(1))) {
            let domain = batch.domains.iter().position(|it| it.contains(&place));
            let domain = domain.unwrap_or_default();
            let outputs = self.version.scorer.outputs(tower, domain).iter();
            let tasks: Map<String, Json> = outputs
                .map(|output| {
                    let part = embedding.get(output.column..output.column + output.width);
                    let name = schema.task(output.task).name.to_string();
                    (
                        name,
                        part.unwrap_or_default()
                            .iter()
                            .copied()
                            .map(number)
                            .collect(),
                    )
                })
                .collect();
            let name = schema.axis(tower).domains.get(domain);
            let name = name.map_or("", |domain| &domain.name);
            if let Some(to) = rows.get_mut(*row as usize) {
                *to = json!({ word(tower): name, "embeddings": tasks });
            }
        }
        Ok(json!({
            "model": &*schema.name,
            "version": self.version.weights,
            "rows": rows,
        }))
    }

    /// The inputs of rows, every one of which must be usable.
    pub fn inputs(
        &self,
        decoding: &Decoding,
        rows: Vec<Map<String, Json>>,
        tower: Tower,
    ) -> Result<Inputs, Refusal> {
        let count = rows.len();
        let batch = decoding.rows.read(rows).map_err(Refusal::Unusable)?;
        let mut report = decoding.decoder.report();
        let inputs = decoding
            .decoder
            .inputs(&batch, Path::new("the request"), &mut report)
            .map_err(|error| Refusal::Unusable(told(&error)))?;
        if inputs.rows.len() < count {
            let axis = self.version.schema().axis(tower);
            let domains: Vec<&str> = axis.domains.iter().map(|it| &*it.name).collect();
            return Err(Refusal::Unusable(format!(
                "a row is of no {}: give `{}` as one of {}, or column `{}`",
                word(tower),
                word(tower),
                domains.join(", "),
                axis.column
            )));
        }
        Ok(inputs)
    }

    /// Refuses more than the limit.
    pub fn limit(&self, what: &str, found: usize) -> Result<(), Refusal> {
        match found <= self.limits.items {
            true => Ok(()),
            false => Err(Refusal::Unusable(format!(
                "{what} is {found}, more than {}, the limit of this server",
                self.limits.items
            ))),
        }
    }

    /// The domains with these names, or all.
    fn domains<'i>(
        &self,
        index: &'i Index,
        names: Option<&[String]>,
    ) -> Result<Vec<(usize, &'i IndexDomain)>, Refusal> {
        let all = index.domains().iter().enumerate();
        let Some(names) = names else {
            return Ok(all.collect());
        };
        let known = |name: &&String| index.domains().iter().any(|it| it.facts().name == **name);
        if let Some(name) = names.iter().find(|name| !known(name)) {
            let known: Vec<&str> = index.domains().iter().map(|it| &*it.facts().name).collect();
            return Err(Refusal::Unusable(format!(
                "`{name}` is none of the products {}",
                known.join(", ")
            )));
        }
        Ok(all
            .filter(|(_, it)| names.contains(&it.facts().name))
            .collect())
    }

    /// The items with these ids, `None` for all, and the ids of none. An id that several products have stands for the items
    /// of all of them.
    fn places(
        &self,
        domains: &[(usize, &IndexDomain)],
        ids: Option<&[Json]>,
    ) -> Result<(Option<Vec<Place>>, Vec<Json>), Refusal> {
        let Some(ids) = ids else {
            return Ok((None, Vec::new()));
        };
        self.limit("the number of `ids`", ids.len())?;
        let (mut places, mut unknown) = (Vec::with_capacity(ids.len()), Vec::new());
        for json in ids {
            let id = match json {
                Json::String(text) => Some(ItemId::Text(text)),
                Json::Number(number) => number.as_i64().map(ItemId::Int),
                _ => None,
            };
            let Some(id) = id else {
                return Err(Refusal::Unusable(format!(
                    "an id is a whole number or a string, this is {json}"
                )));
            };
            let before = places.len();
            for (index, domain) in domains {
                places.extend(domain.find(id).map(|row| Place {
                    domain: *index,
                    row,
                }));
            }
            if places.len() == before {
                unknown.push(json.clone());
            }
        }
        Ok((Some(places), unknown))
    }

    /// The weights that decide; by default P of the first task.
    fn utility(&self, weights: Option<Map<String, Json>>) -> Result<Vec<(TaskId, f64)>, Refusal> {
        let Some(weights) = weights else {
            return Ok(vec![(TaskId(0), 1.0)]);
        };
        let weights = weights.into_iter().map(|(name, weight)| {
            let weight = weight.as_f64().filter(|weight| weight.is_finite());
            let weight = weight.ok_or_else(|| {
                Refusal::Unusable(format!("the weight of `{name}` in `utility` is no number"))
            })?;
            Ok((self.task(&name)?, weight))
        });
        weights.collect()
    }

    fn tasks(&self, names: Option<&[String]>) -> Result<Vec<TaskId>, Refusal> {
        match names {
            Some(names) => names.iter().map(|name| self.task(name)).collect(),
            None => Ok((0..self.version.schema().tasks.len()).map(TaskId).collect()),
        }
    }

    /// The task of a name.
    pub fn task(&self, name: &str) -> Result<TaskId, Refusal> {
        let tasks = &self.version.schema().tasks;
        let found = tasks.iter().position(|task| &*task.name == name);
        found.map(TaskId).ok_or_else(|| {
            let known: Vec<&str> = tasks.iter().map(|task| &*task.name).collect();
            Refusal::Unusable(format!(
                "`{name}` is none of the tasks {}",
                known.join(", ")
            ))
        })
    }

    fn item(&self, index: &Index, item: &Ranked, tasks: &[TaskId]) -> Result<Json, Refusal> {
        let domain = index.domains().get(item.place.domain);
        let id = domain.and_then(|domain| domain.id(item.place.row));
        let (Some(domain), Some(id)) = (domain, id) else {
            return Err(Refusal::Failed("an item of the index has no id".to_owned()));
        };
        let scores = tasks.iter().map(|task| {
            let score = item.scores.get(task.0).copied().flatten();
            let name = self.version.schema().task(*task).name.to_string();
            (name, score.map_or(Json::Null, Json::from))
        });
        let scores: Map<String, Json> = scores.collect();
        self.metrics.not_finite(item);
        let id = match id {
            ItemId::Int(id) => Json::from(id),
            ItemId::Text(id) => Json::from(id),
        };
        Ok(json!({
            "id": id,
            "product": domain.facts().name,
            "utility": Json::from(item.utility),
            "scores": scores,
        }))
    }
}

/// A number, null if it is none.
pub fn number(value: f32) -> Json {
    Json::from(f64::from(value))
}

/// What is wrong with a row. The help of such an error speaks of files and of options.
pub fn told(error: &Error) -> String {
    match error {
        Error::Data(message) => format!("{}: {}", message.place, message.cause),
        other => other.to_string(),
    }
}

/// Reads a body of JSON.
fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refusal::Unusable(error.to_string()),
        _ => Refusal::Malformed(error.to_string()),
    })
}

/// How long a request may take, from now on.
pub fn deadline(after: Duration) -> Instant {
    let now = Instant::now();
    // Further away than a clock reaches is as good as never.
    now.checked_add(after)
        .unwrap_or(now + Duration::from_secs(86_400))
}
