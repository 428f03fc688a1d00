//! Domain-shared expert (paper §2.1.4).

use std::ops::Range;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

use super::layout::field_width;
use super::{Adapted, Experts};
use crate::schema::{DomainId, Schema, Tower};

/// Outputs of the experts that the tasks of a Domain Expert share, each `[rows, width]`.
#[derive(Debug, Clone)]
pub struct SharedExperts {
    /// Task-shared experts.
    pub task: Vec<Tensor<2>>,
    /// Domain-shared experts.
    pub domain: Vec<Tensor<2>>,
}

/// The experts that all domains of a tower share, usually one. They read the adapted fields in the tower's
/// canonical order; a feature that the domain lacks is a learned vector, initially zero.
#[derive(Module, Debug)]
pub struct DomainShared {
    /// FFNs on the fields of the whole tower.
    pub expert: Experts,
    /// The learned vectors side by side, in canonical order; `None` if no domain lacks a feature,
    /// or if there is no expert to read them.
    pub missing: Option<Param<Tensor<1>>>,
    #[module(skip)]
    domains: Vec<Vec<Run>>,
}

/// Neighbouring columns of the tower that come from one place.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Run {
    /// Columns of x_d.
    Present(Range<usize>),
    /// Columns of `missing`.
    Missing(Range<usize>),
}

impl DomainShared {
    /// The domain-shared experts of a tower.
    pub fn new(schema: &Schema, tower: Tower, device: &Device) -> Self {
        let domains = schema.axis(tower).domains.len();
        let features = schema.features(tower);
        let width: usize = features.iter().map(|f| field_width(schema, f)).sum();
        let missing: usize = features
            .iter()
            .filter(|f| f.domains.len() < domains)
            .map(|f| field_width(schema, f))
            .sum();
        let architecture = &schema.architecture;
        let count = architecture.domain_shared;
        Self {
            expert: Experts::new(
                count,
                width,
                &architecture.shared_deep,
                architecture.expert.norm,
                device,
            ),
            missing: (missing > 0 && count > 0)
                .then(|| Param::from_tensor(Tensor::zeros([missing], device))),
            domains: (0..domains).map(|d| runs(schema, tower, d)).collect(),
        }
    }

    /// The adapted rows of any domain of the tower → `[rows, width]` of each expert.
    pub fn forward(&self, adapted: &Adapted) -> Vec<Tensor<2>> {
        match self.expert.copies.is_empty() {
            true => Vec::new(),
            false => {
                let x = self.canonical(adapted);
                self.expert.forward(&x, adapted.precision())
            }
        }
    }

    /// The domain's fields in the tower's canonical order, `[rows, tower width]`.
    fn canonical(&self, adapted: &Adapted) -> Tensor<2> {
        self.rearranged(adapted).unwrap_or_else(|| adapted.x())
    }

    /// The same; `None` if x_d is that already, or if there is no expert to read it.
    pub(super) fn rearranged(&self, adapted: &Adapted) -> Option<Tensor<2>> {
        let (missing, runs) = (self.missing.as_ref()?, self.domains.get(adapted.domain())?);
        if !runs.iter().any(|run| matches!(run, Run::Missing(_))) {
            return None;
        }
        let x = adapted.x();
        let [rows, _] = x.dims();
        let missing: Tensor<2> = missing.val().unsqueeze();
        let parts: Vec<Tensor<2>> = runs
            .iter()
            .map(|run| match run {
                Run::Present(columns) => x.clone().narrow(1, columns.start, columns.len()),
                Run::Missing(columns) => missing
                    .clone()
                    .narrow(1, columns.start, columns.len())
                    .expand([rows, columns.len()]),
            })
            .collect();
        Some(Tensor::cat(parts, 1))
    }
}

/// Where the tower's columns come from, for one domain.
fn runs(schema: &Schema, tower: Tower, domain: usize) -> Vec<Run> {
    let domains = schema.axis(tower).domains.len();
    let (mut present, mut missing) = (0, 0);
    let mut runs: Vec<Run> = Vec::new();
    for feature in schema.features(tower) {
        let width = field_width(schema, feature);
        let here = feature.domains.has(DomainId(domain));
        match runs.last_mut() {
            Some(Run::Present(columns)) if here => columns.end += width,
            Some(Run::Missing(columns)) if !here && columns.end == missing => columns.end += width,
            _ if here => runs.push(Run::Present(present..present + width)),
            _ => runs.push(Run::Missing(missing..missing + width)),
        }
        if here {
            present += width;
        }
        if feature.domains.len() < domains {
            missing += width;
        }
    }
    runs
}
