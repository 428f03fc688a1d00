//! Ranking an index' items for a query.

use std::time::Instant;

use rayon::prelude::*;

use crate::bug::{bug, zip_equal};
use crate::exec::host::{StoredRows, TaskQuery, chain, gather, scan};
use crate::index::{IndexDomain, Rows};
use crate::schema::{TaskId, Tower};
use crate::score::Scorer;

/// Rows that are scored between two looks at the clock.
const CHUNK: usize = 1 << 14;

/// An item of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index of its domain.
    pub domain: usize,
    /// Its row.
    pub row: u32,
}

/// What is to be ranked, and how.
#[derive(Debug)]
pub struct Query<'a> {
    /// The query tower's output.
    pub embedding: &'a [f32],
    /// Index of its surface.
    pub surface: usize,
    /// Σ weight · P of these tasks decides; a task that an item has not adds nothing.
    pub utility: &'a [(TaskId, f64)],
    /// Items that are returned.
    pub top: usize,
    /// When to give up.
    pub deadline: Option<Instant>,
}

/// A ranked item.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The item.
    pub place: Place,
    /// What decided.
    pub utility: f64,
    /// P of each task, in the schema's order; `None` where the task does not exist, or P is no number.
    pub scores: Vec<Option<f64>>,
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLate;

/// How the items of a domain are scored.
struct DomainScoring<'a> {
    rows: StoredRows<'a>,
    stride: usize,
    /// The tasks that both the surface and the domain have, parents before their children.
    tasks: Vec<TaskId>,
    queries: Vec<TaskQuery<'a>>,
    /// Position of each task's parent among the tasks.
    parents: Vec<Option<usize>>,
    /// Weight of each task in the utility.
    weights: Vec<f64>,
}

impl<'a> DomainScoring<'a> {
    /// `None` if the surface and the domain have no task in common.
    fn new(scorer: &Scorer, query: &Query<'a>, domain: &'a IndexDomain, index: usize) -> Self {
        let plan = scorer.plan();
        let on_surface = scorer.outputs(Tower::Query, query.surface);
        let on_product = scorer.outputs(Tower::Item, index);
        let mut scoring = Self {
            rows: match domain.rows() {
                Rows::Float32(values) => StoredRows::Float32(values),
                Rows::Float16(values) => StoredRows::Float16(values),
                Rows::Int8(values, scales) => StoredRows::Int8 {
                    values,
                    scales,
                    tasks: domain.facts().tasks.len(),
                },
            },
            stride: domain.stride(),
            tasks: Vec::new(),
            queries: Vec::new(),
            parents: Vec::new(),
            weights: Vec::new(),
        };
        // By task, so that parents come before their children.
        for (task, head) in plan.heads.iter().enumerate() {
            let task = TaskId(task);
            let at = on_product.iter().position(|output| output.task == task);
            let (Some(at), true) = (at, on_surface.iter().any(|output| output.task == task)) else {
                continue;
            };
            let Some(facts) = domain.facts().tasks.get(at) else {
                bug!(
                    "task {at} of an index' row with {}",
                    domain.facts().tasks.len()
                );
            };
            let Some(part) = query.embedding.get(head.column..head.column + head.width) else {
                bug!("a query's embedding of {} numbers", query.embedding.len());
            };
            let parent = head.given.map(|parent| {
                let parent = scoring.tasks.iter().position(|task| *task == parent);
                match parent {
                    Some(parent) => parent,
                    None => bug!("a cell of a task is none of its parent's"),
                }
            });
            let weight = query.utility.iter().filter(|(of, _)| *of == task);
            scoring.weights.push(weight.map(|(_, weight)| weight).sum());
            scoring.parents.push(parent);
            scoring.tasks.push(task);
            scoring.queries.push(TaskQuery {
                query: part,
                start: facts.start,
                index: at,
                scale: head.scale,
                bias: scorer.bias(task),
            });
        }
        scoring
    }

    /// P of each task by its logits.
    fn probabilities(&self, logits: &[f64], to: &mut Vec<f64>) {
        to.clear();
        for (logit, parent) in zip_equal(logits, &self.parents) {
            let own = sigmoid(*logit);
            let above = parent.map_or(Some(1.0), |parent| to.get(parent).copied());
            to.push(own * above.unwrap_or(f64::NAN));
        }
    }

    /// Σ weight · P.
    fn utility(&self, probabilities: &[f64]) -> f64 {
        let terms = zip_equal(&self.weights, probabilities);
        terms.map(|(weight, p)| weight * p).sum()
    }

    /// Adds some rows, of which those that can be among the best stay.
    fn keep(&self, domain: usize, first: usize, logits: &[f64], best: &mut Best) {
        let mut probabilities = Vec::with_capacity(self.tasks.len());
        for (at, logits) in logits.chunks_exact(self.tasks.len()).enumerate() {
            self.probabilities(logits, &mut probabilities);
            let row = (first + at) as u32;
            best.add(self.utility(&probabilities), Place { domain, row });
        }
    }

    /// An item with all its scores.
    fn ranked(&self, scorer: &Scorer, place: Place, utility: f64) -> Ranked {
        let mut logits = vec![0.0; self.tasks.len()];
        gather(
            self.rows,
            self.stride,
            &[place.row],
            &self.queries,
            &mut logits,
        );
        let scored = chain(&logits, &self.parents);
        let mut scores = vec![None; scorer.plan().heads.len()];
        for (task, lp) in zip_equal(&self.tasks, scored) {
            if let Some(to) = scores.get_mut(task.0) {
                *to = Some(lp.exp()).filter(|p| p.is_finite());
            }
        }
        Ranked {
            place,
            utility,
            scores,
        }
    }
}

/// The best items of some domains, all their rows scored; the best first, of equals the first in the index.
///
/// # Errors
/// The deadline, if it passes.
pub fn rank_all(
    scorer: &Scorer,
    query: &Query<'_>,
    domains: &[(usize, &IndexDomain)],
) -> Result<Vec<Ranked>, TooLate> {
    let scorings: Vec<_> = domains
        .iter()
        .map(|(index, domain)| {
            (
                DomainScoring::new(scorer, query, domain, *index),
                *index,
                domain.facts().rows,
            )
        })
        .filter(|(scoring, ..)| !scoring.tasks.is_empty())
        .collect();
    let chunks: Vec<(usize, usize, usize)> = scorings
        .iter()
        .enumerate()
        .flat_map(|(at, (_, _, rows))| {
            let starts = (0..*rows).step_by(CHUNK);
            starts.map(move |start| (at, start, CHUNK.min(rows - start)))
        })
        .collect();
    let best = chunks
        .par_iter()
        .try_fold(
            || (Best::new(query.top), Vec::new()),
            |(mut best, mut logits), &(at, start, rows)| {
                if query
                    .deadline
                    .is_some_and(|deadline| Instant::now() > deadline)
                {
                    return Err(TooLate);
                }
                let Some((scoring, domain, _)) = scorings.get(at) else {
                    bug!("domain {at} of {}", scorings.len());
                };
                logits.resize(rows * scoring.tasks.len(), 0.0);
                scan(
                    scoring.rows,
                    scoring.stride,
                    start,
                    &scoring.queries,
                    &mut logits,
                );
                scoring.keep(*domain, start, &logits, &mut best);
                Ok((best, logits))
            },
        )
        .map(|found| found.map(|(best, _)| best))
        .try_reduce(|| Best::new(query.top), |one, other| Ok(one.and(other)))?;
    let scoring_of = |domain: usize| {
        let found = scorings.iter().find(|(_, index, _)| *index == domain);
        match found {
            Some((scoring, ..)) => scoring,
            None => bug!("an item of domain {domain}, which was not scored"),
        }
    };
    let best = best.sorted().into_iter();
    Ok(best
        .map(|(utility, place)| scoring_of(place.domain).ranked(scorer, place, utility))
        .collect())
}

/// Some items, the best first.
///
/// # Errors
/// The deadline, if it passes.
pub fn rank_some(
    scorer: &Scorer,
    query: &Query<'_>,
    domains: &[(usize, &IndexDomain)],
    places: &[Place],
) -> Result<Vec<Ranked>, TooLate> {
    let mut best = Best::new(query.top);
    let mut scorings = Vec::new();
    for (index, domain) in domains {
        let rows = places.iter().filter(|place| place.domain == *index);
        let rows: Vec<u32> = rows.map(|place| place.row).collect();
        let scoring = DomainScoring::new(scorer, query, domain, *index);
        let mut logits = vec![0.0; rows.len() * scoring.tasks.len()];
        let mut found = Vec::new();
        if scoring.tasks.is_empty() {
            // The surface has no task in common with them: they are there, without a score.
            let unscored = rows.iter().map(|row| Place {
                domain: *index,
                row: *row,
            });
            unscored.for_each(|place| best.add(0.0, place));
        } else {
            for (rows, logits) in rows
                .chunks(CHUNK)
                .zip(logits.chunks_mut(CHUNK * scoring.tasks.len()))
            {
                if query
                    .deadline
                    .is_some_and(|deadline| Instant::now() > deadline)
                {
                    return Err(TooLate);
                }
                gather(scoring.rows, scoring.stride, rows, &scoring.queries, logits);
            }
            for (row, logits) in zip_equal(&rows, logits.chunks_exact(scoring.tasks.len())) {
                scoring.probabilities(logits, &mut found);
                let place = Place {
                    domain: *index,
                    row: *row,
                };
                best.add(scoring.utility(&found), place);
            }
        }
        scorings.push((*index, scoring));
    }
    let best = best.sorted().into_iter();
    Ok(best
        .map(|(utility, place)| {
            let found = scorings.iter().find(|(index, _)| *index == place.domain);
            match found {
                Some((_, scoring)) => scoring.ranked(scorer, place, utility),
                None => bug!("an item of domain {}, which was not scored", place.domain),
            }
        })
        .collect())
}

/// The best so many of what is added.
#[derive(Debug)]
struct Best {
    top: usize,
    /// Twice as many at most, before the worse half goes.
    found: Vec<(f64, Place)>,
    /// What an item must be better than, once there are enough.
    bar: f64,
}

impl Best {
    fn new(top: usize) -> Self {
        Self {
            top,
            found: Vec::new(),
            bar: f64::NEG_INFINITY,
        }
    }

    fn add(&mut self, utility: f64, place: Place) {
        // A utility that is no number is below all others.
        let utility = if utility.is_nan() {
            f64::NEG_INFINITY
        } else {
            utility
        };
        if utility < self.bar || self.top == 0 {
            return;
        }
        self.found.push((utility, place));
        if self.found.len() >= self.top.saturating_mul(2).max(1024) {
            self.prune();
        }
    }

    /// Leaves the best.
    fn prune(&mut self) {
        if self.found.len() > self.top {
            self.found.select_nth_unstable_by(self.top - 1, order);
            self.found.truncate(self.top);
        }
        if self.found.len() == self.top
            && let Some(worst) = self.found.iter().max_by(|one, other| order(one, other))
        {
            self.bar = worst.0;
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.found.extend(other.found);
        if self.top > 0 {
            self.prune();
        }
        self
    }

    fn sorted(mut self) -> Vec<(f64, Place)> {
        if self.top > 0 {
            self.prune();
        }
        self.found.sort_unstable_by(order);
        self.found
    }
}

/// The best first; of equals the first in the index.
fn order(one: &(f64, Place), other: &(f64, Place)) -> std::cmp::Ordering {
    other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1))
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}
