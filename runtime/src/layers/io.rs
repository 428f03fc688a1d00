//! What passes between tables, towers and heads.

use burn::tensor::Tensor;

use super::Precision;

/// The rows of one domain in one batch, in the order of their places.
#[derive(Debug, Clone)]
pub struct DomainInput {
    /// Embeddings, `[rows, embedded_width]`, side by side in canonical order: a leaf that requires
    /// a gradient in training. `None` if the domain has no embedded feature.
    pub embedded: Option<Tensor<2>>,
    /// Vector features, `[rows, vector_width]`; `None` if the domain has none.
    pub vectors: Option<Tensor<2>>,
    /// Numbers before BatchNorm, `[rows, numbers]`; `None` if the domain has none.
    pub numbers: Option<Tensor<2>>,
    /// How often each row stands for one of the batch; `None` if each does once.
    pub repeats: Option<Repeats>,
    /// Whether BatchNorm normalises by the statistics of these rows and updates the running ones.
    pub training: bool,
    /// Of the products that these rows go through.
    pub precision: Precision,
}

/// Rows that stand for several of the batch: those of one request.
#[derive(Debug, Clone)]
pub struct Repeats {
    /// Rows of the batch that all stand for together.
    pub rows: usize,
    /// The share of these that each stands for, `[rows, 1]`; their sum is 1.
    pub share: Tensor<2>,
}

/// Inputs of one tower by domain. A domain without rows in the batch has none.
#[derive(Debug, Clone)]
pub struct TowerInput {
    domains: Vec<Option<DomainInput>>,
}

impl TowerInput {
    /// `domains[d]` is the input of domain `d`.
    pub fn new(domains: Vec<Option<DomainInput>>) -> Self {
        Self { domains }
    }

    /// Moves the input of a domain out; `None` if it has no rows.
    pub fn take(&mut self, domain: usize) -> Option<DomainInput> {
        self.domains.get_mut(domain).and_then(Option::take)
    }
}

/// Embeddings of one domain's rows by task, each `[rows, N + shallow_width]`.
#[derive(Debug, Clone)]
pub struct TaskEmbeddings {
    tasks: Vec<Option<Tensor<2>>>,
}

impl TaskEmbeddings {
    /// Room for `tasks` tasks, none set.
    pub fn new(tasks: usize) -> Self {
        Self {
            tasks: vec![None; tasks],
        }
    }

    /// Sets the embedding of a task; ignored for a task that the schema does not have.
    pub fn set(&mut self, task: usize, embedding: Tensor<2>) {
        if let Some(slot) = self.tasks.get_mut(task) {
            *slot = Some(embedding);
        }
    }

    /// Embedding of a task; `None` if the task does not exist on the domain.
    pub fn get(&self, task: usize) -> Option<&Tensor<2>> {
        self.tasks.get(task).and_then(Option::as_ref)
    }
}

/// Output of one tower by domain. A domain without rows in the batch has none.
#[derive(Debug, Clone)]
pub struct TowerOutput {
    domains: Vec<Option<TaskEmbeddings>>,
}

impl TowerOutput {
    /// Room for `domains` domains, none set.
    pub fn new(domains: usize) -> Self {
        Self {
            domains: vec![None; domains],
        }
    }

    /// Sets the embeddings of a domain; ignored for a domain that the tower does not have.
    pub fn set(&mut self, domain: usize, embeddings: TaskEmbeddings) {
        if let Some(slot) = self.domains.get_mut(domain) {
            *slot = Some(embeddings);
        }
    }

    /// Embeddings of a domain; `None` if it had no rows.
    pub fn get(&self, domain: usize) -> Option<&TaskEmbeddings> {
        self.domains.get(domain).and_then(Option::as_ref)
    }
}
