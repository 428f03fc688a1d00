//! The numbers of each domain, and the statistics that its BatchNorm starts from.

use serde::{Deserialize, Serialize};

use crate::bug::{bug, zip_equal};
use crate::schema::{DomainId, Schema, Tower};
use crate::vocab::moments::{NumberFeature, NumberMoments, RunningMoments, numbers};
use crate::vocab::vocabularies::Vocabularies;

/// The numbers of a domain's training rows as they are before they are standardised: a missing one is its default; clipped, with
/// the logarithm taken. By number (both towers', in canonical order) and domain.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NumberStatistics(Vec<Vec<RunningMoments>>);

/// Mean and variance of what the BatchNorm of a domain reads, by column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StartingStatistics {
    /// Mean; 0 without rows.
    pub mean: Vec<f64>,
    /// Unbiased variance; 1 with fewer than two rows.
    pub variance: Vec<f64>,
}

impl NumberStatistics {
    pub(crate) fn new(schema: &Schema) -> Self {
        let domains = |tower| vec![RunningMoments::default(); schema.axis(tower).domains.len()];
        let numbers = numbers(schema);
        Self(numbers.map(|number| domains(number.tower)).collect())
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (to, from) in zip_equal(&mut self.0, &other.0) {
            zip_equal(to, from).for_each(|(to, from)| to.add(from));
        }
    }

    /// Those of every number, by domain.
    pub(crate) fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Vec<RunningMoments>> {
        self.0.iter_mut()
    }

    /// What the running statistics of a domain's BatchNorm start as: mean and variance over the domain's training rows, each
    /// impression one row, after all transforms. `vocabularies` are those that the model reads its rows with.
    pub fn starting_statistics(
        &self,
        schema: &Schema,
        vocabularies: &Vocabularies,
        tower: Tower,
        domain: usize,
    ) -> StartingStatistics {
        let mut starting = StartingStatistics::default();
        let all: Vec<NumberFeature<'_>> = numbers(schema).collect();
        for (number, domains) in zip_equal(&all, &self.0) {
            if number.tower != tower || !number.feature.domains.has(DomainId(domain)) {
                continue;
            }
            let Some(found) = domains.get(domain) else {
                bug!("numbers of domain {domain} of {}", domains.len());
            };
            let moments = vocabularies.standardising(tower, &number.feature.name, number.transform);
            let as_it_is = NumberMoments {
                mean: 0.0,
                std: 1.0,
            };
            let NumberMoments { mean, std } = moments.unwrap_or(as_it_is);
            let is_seen = found.count > 0;
            let variance = found.variance().map(|variance| variance / (std * std));
            starting.mean.push(if is_seen {
                (found.mean - mean) / std
            } else {
                0.0
            });
            starting.variance.push(variance.unwrap_or(1.0));
        }
        starting
    }
}
