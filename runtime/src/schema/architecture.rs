//! What the Domain Experts and heads are made of.

use super::Tower;

/// The architecture of both towers.
#[derive(Debug)]
pub struct Architecture {
    /// Domain Experts that no override is for.
    pub expert: ExpertArchitecture,
    /// Domain Experts that differ from `expert`.
    pub overrides: &'static [Override],
    /// Width of emb_shallow.
    pub shallow_width: usize,
    /// Domain-shared experts of a tower.
    pub domain_shared: usize,
    /// Layers of a domain-shared expert.
    pub shared_deep: &'static [usize],
    /// What the dot product is multiplied by.
    pub logit_scale: LogitScale,
    /// Whether a task's logit has a learned bias.
    pub logit_bias: bool,
}

/// The architecture of one Domain Expert.
#[derive(Debug, Clone, Copy)]
pub struct ExpertArchitecture {
    /// Layers of the deep and the task-shared experts.
    pub deep: &'static [usize],
    /// Hidden layers of the routing.
    pub routing: &'static [usize],
    /// Hidden layers of the shallow expert.
    pub shallow: &'static [usize],
    /// Task-shared experts.
    pub task_shared: usize,
    /// How the weighted outputs of the experts become one vector.
    pub composition: Composition,
    /// What crosses the features of that vector.
    pub crossing: Crossing,
    /// Where LayerNorm stands.
    pub norm: Norm,
    /// Whether the numbers pass a BatchNorm of the domain's own.
    pub batch_norm: bool,
    /// Squeeze-and-Excitation: hidden size is max(1, fields / reduction); `None`: fields are not
    /// scaled.
    pub se_reduction: Option<usize>,
}

/// The architecture of some domains of a tower, where it is not that of the others.
#[derive(Debug)]
pub struct Override {
    /// Tower of the domains.
    pub tower: Tower,
    /// Indices of the domains.
    pub domains: &'static [usize],
    /// Their architecture, whole.
    pub expert: ExpertArchitecture,
}

/// How the weighted outputs of the experts become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Composition {
    /// Side by side.
    Concat,
    /// Added up; all experts have one width.
    Sum,
}

/// What crosses the features of the composed vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// Low-rank DCN V2.
    Dcn {
        /// Rank.
        rank: usize,
        /// Cross layers.
        depth: usize,
    },
    /// Nothing.
    None,
    /// An FFN of these widths.
    Mlp(&'static [usize]),
}

/// Where LayerNorm stands in a layer of an FFN, and at the crossing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// Before the activation; before the crossing.
    Pre,
    /// After the activation; after the crossing.
    Post,
    /// Nowhere.
    None,
}

/// What the dot product of two embeddings is multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogitScale {
    /// 1 / √width, of the embeddings.
    Dimension,
    /// 1.
    None,
}

impl Architecture {
    /// The paper's (§2.1).
    pub const PAPER: Self = Self {
        expert: ExpertArchitecture::PAPER,
        overrides: &[],
        shallow_width: 64,
        domain_shared: 1,
        shared_deep: ExpertArchitecture::PAPER.deep,
        logit_scale: LogitScale::Dimension,
        logit_bias: true,
    };

    /// The architecture of a domain.
    pub fn expert(&self, tower: Tower, domain: usize) -> &ExpertArchitecture {
        self.overrides
            .iter()
            .find(|other| other.tower == tower && other.domains.contains(&domain))
            .map_or(&self.expert, |other| &other.expert)
    }
}

impl ExpertArchitecture {
    /// The paper's (§2.1).
    pub const PAPER: Self = Self {
        deep: &[512, 256, 128, 128],
        routing: &[128, 64],
        shallow: &[128],
        task_shared: 1,
        composition: Composition::Concat,
        crossing: Crossing::Dcn { rank: 64, depth: 1 },
        norm: Norm::Pre,
        batch_norm: true,
        se_reduction: Some(2),
    };
}
