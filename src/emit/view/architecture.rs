//! The architecture as Rust literals.

use super::variants::Variants;
use crate::sema::spec::{
    Architecture, Composition, Crossing, DomainId, ExpertArchitecture, LogitScale, Norm, Override,
    Tower,
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct ArchitectureView {
    expert: String,
    overrides: Vec<OverrideView>,
    shallow_width: usize,
    domain_shared: usize,
    shared_deep: String,
    logit_scale: &'static str,
    logit_bias: String,
}

#[derive(Debug, Serialize)]
struct OverrideView {
    tower: &'static str,
    domains: String,
    expert: String,
}

impl ArchitectureView {
    pub(super) fn new(
        architecture: &Architecture,
        surfaces: Variants<'_>,
        products: Variants<'_>,
    ) -> Self {
        Self {
            expert: expert(&architecture.expert),
            overrides: overrides(&architecture.overrides, surfaces, products),
            shallow_width: architecture.shallow_width,
            domain_shared: architecture.domain_shared,
            shared_deep: widths(&architecture.shared_deep),
            logit_scale: match architecture.logit_scale {
                LogitScale::Dimension => "Dimension",
                LogitScale::None => "None",
            },
            logit_bias: architecture.logit_bias.to_string(),
        }
    }
}

/// Domains of one architecture stand together.
fn overrides(
    overrides: &[Override],
    surfaces: Variants<'_>,
    products: Variants<'_>,
) -> Vec<OverrideView> {
    let mut groups: Vec<(Vec<DomainId>, &Override)> = Vec::new();
    for one in overrides {
        let same = |(_, other): &&mut (Vec<DomainId>, &Override)| {
            other.tower == one.tower && other.expert == one.expert
        };
        match groups.iter_mut().find(same) {
            Some((domains, _)) => domains.push(one.domain),
            None => groups.push((vec![one.domain], one)),
        }
    }
    let view = |(domains, one): (Vec<DomainId>, &Override)| {
        let (tower, variants) = match one.tower {
            Tower::Query => ("Query", surfaces),
            Tower::Item => ("Item", products),
        };
        OverrideView {
            tower,
            domains: super::variants::domains(&domains, variants),
            expert: expert(&one.expert),
        }
    };
    groups.into_iter().map(view).collect()
}

fn expert(expert: &ExpertArchitecture) -> String {
    let composition = match expert.composition {
        Composition::Concat => "Concat",
        Composition::Sum => "Sum",
    };
    let crossing = match &expert.crossing {
        Crossing::Dcn { rank, depth } => format!("Dcn {{ rank: {rank}, depth: {depth} }}"),
        Crossing::None => "None".to_owned(),
        Crossing::Mlp(sizes) => format!("Mlp({})", widths(sizes)),
    };
    let norm = match expert.norm {
        Norm::Pre => "Pre",
        Norm::Post => "Post",
        Norm::None => "None",
    };
    format!(
        "ExpertArchitecture {{ deep: {}, routing: {}, shallow: {}, task_shared: {}, \
         composition: Composition::{composition}, crossing: Crossing::{crossing}, \
         norm: Norm::{norm}, batch_norm: {}, se_reduction: {:?} }}",
        widths(&expert.deep),
        widths(&expert.routing),
        widths(&expert.shallow),
        expert.task_shared,
        expert.batch_norm,
        expert.se_reduction,
    )
}

fn widths(widths: &[usize]) -> String {
    format!("&{widths:?}")
}
