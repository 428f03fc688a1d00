//! The architecture of Domain Experts and heads.

use serde::{Deserialize, Serialize};

use crate::{DomainId, DomainSet, List, Tower, list, words::choices};

/// The architecture of both towers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Architecture of Domain Experts without an override.
    pub expert: ExpertArchitecture,
    /// Width of emb_shallow.
    pub shallow_width: usize,
    /// Domain-shared experts of a tower.
    pub domain_shared: usize,
    /// Layers of a domain-shared expert; by default `deep` of `expert`.
    pub shared_deep: List<usize>,
    /// Factor of the dot product.
    pub logit_scale: LogitScale,
    /// Whether a task's logit has a bias.
    pub logit_bias: LogitBias,
    /// Domain Experts that differ from `expert`, by tower and first domain. No domain is in two.
    pub overrides: List<Override>,
}

/// The architecture of one Domain Expert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpertArchitecture {
    /// Layers of the deep and the task-shared experts.
    pub deep: List<usize>,
    /// Hidden layers of the routing.
    pub routing: List<usize>,
    /// Hidden layers of the shallow expert.
    pub shallow: List<usize>,
    /// Task-shared experts.
    pub task_shared: usize,
    /// How the weighted outputs of the experts become one vector.
    pub composition: Composition,
    /// How the features of that vector are crossed.
    pub crossing: Crossing,
    /// Place of LayerNorm.
    pub norm: Norm,
    /// Whether the numbers pass through a BatchNorm.
    pub batch_norm: BatchNorm,
    /// Squeeze-and-Excitation: hidden size is max(1, fields / reduction); `None`: fields are not
    /// scaled.
    pub se_reduction: Option<usize>,
}

/// The architecture of some domains of a tower, if it differs from that of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Tower of the domains.
    pub tower: Tower,
    /// The domains.
    pub domains: DomainSet,
    /// Their complete architecture.
    pub expert: ExpertArchitecture,
}

/// How the features of the composed vector are crossed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crossing {
    /// Low-rank DCN V2.
    Dcn {
        /// Rank.
        rank: usize,
        /// Cross layers, at least one.
        depth: usize,
    },
    /// Nothing.
    None,
    /// An FFN of these widths.
    Mlp(List<usize>),
}

choices! {
    /// How the weighted outputs of the experts become one vector.
    pub enum Composition {
        /// Side by side.
        Concat = "concat",
        /// Added up; all experts have the same width.
        Sum = "sum",
    }

    /// Place of LayerNorm in a layer of an FFN, and at the crossing.
    pub enum Norm {
        /// Before the activation; before the crossing.
        Pre = "pre",
        /// After the activation; after the crossing.
        Post = "post",
        /// Nowhere.
        None = "none",
    }

    /// Normalisation of a domain's numbers.
    pub enum BatchNorm {
        /// BatchNorm with the domain's own statistics.
        Domain = "domain",
        /// None.
        None = "none",
    }

    /// What the dot product of two embeddings is multiplied by.
    pub enum LogitScale {
        /// 1 / √width, of the embeddings.
        Dimension = "dimension",
        /// 1.
        None = "none",
    }

    /// What is added to the dot product of two embeddings.
    pub enum LogitBias {
        /// A learned number per task.
        Learned = "learned",
        /// Nothing.
        None = "none",
    }
}

impl Architecture {
    /// The default architecture, which is the paper's (§2.1).
    pub const PAPER: Self = Self {
        expert: ExpertArchitecture::PAPER,
        shallow_width: 64,
        domain_shared: 1,
        shared_deep: ExpertArchitecture::PAPER_DEEP,
        logit_scale: LogitScale::Dimension,
        logit_bias: LogitBias::Learned,
        overrides: list(&[]),
    };

    /// The architecture of a domain.
    pub fn expert(&self, tower: Tower, domain: DomainId) -> &ExpertArchitecture {
        self.overrides
            .iter()
            .find(|other| other.tower == tower && other.domains.has(domain))
            .map_or(&self.expert, |other| &other.expert)
    }

    /// Experts that the routing of a task on a domain weighs: its deep expert, the task-shared
    /// ones and the domain-shared ones.
    pub fn experts(&self, tower: Tower, domain: DomainId) -> usize {
        1 + self.expert(tower, domain).task_shared + self.domain_shared
    }
}

impl ExpertArchitecture {
    const PAPER_DEEP: List<usize> = list(&[512, 256, 128, 128]);

    /// The default architecture, which is the paper's (§2.1).
    pub const PAPER: Self = Self {
        deep: Self::PAPER_DEEP,
        routing: list(&[128, 64]),
        shallow: list(&[128]),
        task_shared: 1,
        composition: Composition::Concat,
        crossing: Crossing::Dcn {
            rank: Crossing::RANK,
            depth: Crossing::DEPTH,
        },
        norm: Norm::Pre,
        batch_norm: BatchNorm::Domain,
        se_reduction: Some(2),
    };
}

impl Crossing {
    /// Default rank of the low-rank DCN V2.
    pub const RANK: usize = 64;
    /// Default number of its cross layers.
    pub const DEPTH: usize = 1;
}
