//! The layout of `graph.yaml`: what of it is read.

use crate::sema::spec::{self, RawValue};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Document {
    pub mtmd: u32,
    pub model: String,
    pub spec_hash: String,
    pub weights_hash: String,
    pub surfaces: AxisText,
    pub products: AxisText,
    pub tasks: Vec<TaskText>,
    pub tables: Vec<TableText>,
    pub architecture: ArchitectureText,
    pub query: TowerText,
    pub item: TowerText,
}

#[derive(Deserialize)]
pub(super) struct AxisText {
    pub column: String,
    pub others: Others,
    pub domains: Vec<DomainText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Others {
    Skip,
    Error,
}

#[derive(Deserialize)]
pub(super) struct DomainText {
    pub name: String,
    #[serde(deserialize_with = "values")]
    pub values: Vec<RawValue>,
    pub like: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct TaskText {
    pub name: String,
    pub score: Option<String>,
    #[serde(default)]
    pub action: Vec<String>,
    pub given: Option<String>,
    pub weight: f64,
    pub sample_weight: Option<String>,
    #[serde(default)]
    pub mask: Vec<String>,
    pub embedding: usize,
    pub surfaces: Option<Vec<String>>,
    pub products: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(super) struct TableText {
    pub name: String,
    pub rows: usize,
    pub dim: usize,
    pub index: String,
    pub min_count: Option<u32>,
    #[serde(default, deserialize_with = "some_values")]
    pub values: Option<Vec<RawValue>>,
    pub file: Option<String>,
    pub sha256: Option<String>,
    #[serde(default)]
    pub oov: usize,
}

#[derive(Deserialize)]
pub(super) struct TowerText {
    pub features: Vec<FeatureText>,
}

#[derive(Deserialize)]
pub(super) struct FeatureText {
    pub name: String,
    pub kind: String,
    pub column: String,
    pub derive: Option<DeriveText>,
    pub domains: Option<Vec<String>>,
    pub table: Option<String>,
    pub pool: Option<Pool>,
    pub weights: Option<String>,
    pub last: Option<usize>,
    pub boundaries: Option<Vec<f64>>,
    pub default: Option<Scalar>,
    #[serde(default)]
    pub shallow: bool,
    pub width: Option<usize>,
    pub clip: Option<(f64, f64)>,
    #[serde(default)]
    pub log: bool,
    pub standardise: Option<Moments>,
}

#[derive(Deserialize)]
pub(super) struct DeriveText {
    pub part: String,
    pub unit: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Pool {
    Mean,
    Sum,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Moments {
    Given { mean: f64, std: f64 },
    Learned { moments: Learned },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Learned {
    Learned,
}

/// A number or a string.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Scalar {
    Int(i64),
    Float(f64),
    Text(String),
}

#[derive(Deserialize)]
pub(super) struct ArchitectureText {
    #[serde(flatten)]
    pub expert: ExpertText,
    pub shallow_width: usize,
    pub domain_shared: Option<usize>,
    pub shared_deep: Option<Vec<usize>>,
    pub logit_scale: Option<Nothing>,
    pub logit_bias: Option<Nothing>,
    #[serde(default)]
    pub overrides: Vec<OverrideText>,
}

#[derive(Deserialize)]
pub(super) struct OverrideText {
    pub surfaces: Option<Vec<String>>,
    pub products: Option<Vec<String>>,
    #[serde(flatten)]
    pub expert: ExpertText,
}

#[derive(Deserialize)]
pub(super) struct ExpertText {
    pub deep: Option<Vec<usize>>,
    pub routing: Option<Vec<usize>>,
    pub shallow: Option<Vec<usize>>,
    pub task_shared: Option<usize>,
    pub composition: Option<Composition>,
    pub cross: Option<Crossing>,
    pub norm: Option<Norm>,
    pub batch_norm: Option<BatchNorm>,
    pub se_reduction: Option<Reduction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Nothing {
    None,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Composition {
    Concat,
    Sum,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Crossing {
    Dcn { rank: usize, depth: usize },
    Mlp { mlp: Vec<usize> },
    No(Nothing),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Norm {
    Pre,
    Post,
    None,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum BatchNorm {
    Domain,
    None,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Reduction {
    Number(usize),
    No(Nothing),
}

impl Scalar {
    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Int(number) => *number as f64,
            Self::Float(number) => *number,
            // No number's default is a string: the hash of what was read will differ.
            Self::Text(_) => f64::NAN,
        }
    }

    pub(super) fn raw(&self) -> RawValue {
        match self {
            Self::Int(number) => RawValue::Int(*number),
            Self::Float(number) => RawValue::Text(number.to_string()),
            Self::Text(text) => RawValue::Text(text.clone()),
        }
    }
}

fn values<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<RawValue>, D::Error> {
    let list: Vec<Scalar> = Vec::deserialize(from)?;
    Ok(list.iter().map(Scalar::raw).collect())
}

fn some_values<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<Vec<RawValue>>, D::Error> {
    values(from).map(Some)
}

impl Nothing {
    pub(super) fn scale(self) -> spec::LogitScale {
        match self {
            Self::None => spec::LogitScale::None,
        }
    }
}

impl BatchNorm {
    pub(super) fn is_domain(&self) -> bool {
        matches!(self, Self::Domain)
    }
}

impl Reduction {
    pub(super) fn number(&self) -> Option<usize> {
        match self {
            Self::Number(number) => Some(*number),
            Self::No(Nothing::None) => None,
        }
    }
}

impl From<Others> for spec::Others {
    fn from(text: Others) -> Self {
        match text {
            Others::Skip => Self::Skip,
            Others::Error => Self::Error,
        }
    }
}

impl From<Pool> for spec::Pool {
    fn from(text: Pool) -> Self {
        match text {
            Pool::Mean => Self::Mean,
            Pool::Sum => Self::Sum,
        }
    }
}

impl From<Composition> for spec::Composition {
    fn from(text: Composition) -> Self {
        match text {
            Composition::Concat => Self::Concat,
            Composition::Sum => Self::Sum,
        }
    }
}

impl From<Crossing> for spec::Crossing {
    fn from(text: Crossing) -> Self {
        match text {
            Crossing::Dcn { rank, depth } => Self::Dcn { rank, depth },
            Crossing::Mlp { mlp } => Self::Mlp(mlp),
            Crossing::No(Nothing::None) => Self::None,
        }
    }
}

impl From<Norm> for spec::Norm {
    fn from(text: Norm) -> Self {
        match text {
            Norm::Pre => Self::Pre,
            Norm::Post => Self::Post,
            Norm::None => Self::None,
        }
    }
}
