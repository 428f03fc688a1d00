//! What the Domain Experts and heads are made of; the defaults are the paper's (§2.1).

use super::{DomainId, Tower};

/// The architecture of both towers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    /// Domain Experts that no override is for.
    pub expert: ExpertArchitecture,
    /// Domain Experts that differ from `expert`, by tower and domain, ascending.
    pub overrides: Vec<Override>,
    /// Width of emb_shallow: 64.
    pub shallow_width: usize,
    /// Domain-shared experts of a tower: 1.
    pub domain_shared: usize,
    /// Layers of a domain-shared expert; `deep` of `expert` unless the spec says otherwise.
    pub shared_deep: Vec<usize>,
    /// What the dot product is multiplied by.
    pub logit_scale: LogitScale,
    /// Whether a task's logit has a learned bias (the default).
    pub logit_bias: bool,
}

/// The architecture of one Domain Expert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertArchitecture {
    /// Layers of the deep and the task-shared experts: 512, 256, 128, 128.
    pub deep: Vec<usize>,
    /// Hidden layers of the routing: 128, 64.
    pub routing: Vec<usize>,
    /// Hidden layers of the shallow expert: 128.
    pub shallow: Vec<usize>,
    /// Task-shared experts: 1.
    pub task_shared: usize,
    /// How the weighted outputs of the experts become one vector.
    pub composition: Composition,
    /// What crosses the features of that vector.
    pub crossing: Crossing,
    /// Where LayerNorm stands.
    pub norm: Norm,
    /// Whether the numbers pass a BatchNorm of the domain's own (the default).
    pub batch_norm: bool,
    /// Hidden size of the Squeeze-and-Excitation is max(1, fields / reduction): 2; `None`: fields
    /// are not scaled.
    pub se_reduction: Option<usize>,
}

/// The architecture of one domain, where it is not that of the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Tower of the domain.
    pub tower: Tower,
    /// Domain.
    pub domain: DomainId,
    /// Its architecture, whole.
    pub expert: ExpertArchitecture,
}

/// How the weighted outputs of the experts become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Composition {
    /// Side by side (the default).
    Concat,
    /// Added up; all experts have one width.
    Sum,
}

/// What crosses the features of the composed vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Crossing {
    /// Low-rank DCN V2: rank 64, depth 1.
    Dcn {
        /// Rank.
        rank: usize,
        /// Cross layers, at least one.
        depth: usize,
    },
    /// Nothing.
    None,
    /// An FFN of these widths.
    Mlp(Vec<usize>),
}

/// Where LayerNorm stands in a layer of an FFN, and at the crossing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Before the activation; before the crossing (the default).
    Pre,
    /// After the activation; after the crossing.
    Post,
    /// Nowhere.
    None,
}

/// What the dot product of two embeddings is multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogitScale {
    /// 1 / sqrt(width of the embeddings) (the default).
    Dimension,
    /// 1.
    None,
}

impl Default for Architecture {
    fn default() -> Self {
        let expert = ExpertArchitecture::default();
        Self {
            shared_deep: expert.deep.clone(),
            expert,
            overrides: Vec::new(),
            shallow_width: 64,
            domain_shared: 1,
            logit_scale: LogitScale::Dimension,
            logit_bias: true,
        }
    }
}

impl Default for ExpertArchitecture {
    fn default() -> Self {
        Self {
            deep: vec![512, 256, 128, 128],
            routing: vec![128, 64],
            shallow: vec![128],
            task_shared: 1,
            composition: Composition::Concat,
            crossing: Crossing::default(),
            norm: Norm::Pre,
            batch_norm: true,
            se_reduction: Some(2),
        }
    }
}

impl Default for Crossing {
    fn default() -> Self {
        Self::Dcn { rank: 64, depth: 1 }
    }
}

impl Architecture {
    /// The architecture of a domain.
    pub fn expert(&self, tower: Tower, domain: DomainId) -> &ExpertArchitecture {
        self.overrides
            .binary_search_by_key(&(tower, domain), |other| (other.tower, other.domain))
            .ok()
            .and_then(|place| self.overrides.get(place))
            .map_or(&self.expert, |other| &other.expert)
    }

    /// Experts that the routing of a task on a domain weighs: its deep expert, the task-shared
    /// ones and the domain-shared ones.
    pub fn experts(&self, tower: Tower, domain: DomainId) -> usize {
        1 + self.expert(tower, domain).task_shared + self.domain_shared
    }
}
