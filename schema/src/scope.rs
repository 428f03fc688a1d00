//! The part of a spec that each hash covers.
//!
//! Each projection sets everything that its hash does not cover to one value, the same for all
//! specs. A field that is not mentioned here is covered by both hashes.

use crate::{
    Axis, Budget, Domain, Evaluation, Feature, Index, List, Others, Request, Rows, Spec, Split,
    Table, Task, Training, text,
};

/// Applies a projection to every item of a list.
fn each<T: Clone>(items: &[T], project: impl Fn(&T) -> T) -> List<T> {
    List::Owned(items.iter().map(project).collect())
}

impl Spec {
    /// The meaning of the spec: all but docs, places, the paths of files and the budget. `spec_hash` is
    /// the hash of it.
    pub fn meaning(&self) -> Self {
        Self {
            doc: text(""),
            data: None,
            surfaces: self.surfaces.meaning(),
            products: self.products.meaning(),
            tasks: each(&self.tasks, Task::meaning),
            tables: each(&self.tables, Table::meaning),
            query: each(&self.query, Feature::meaning),
            item: each(&self.item, Feature::meaning),
            rows: self.rows.meaning(),
            budget: Budget::DEFAULT,
            ..self.clone()
        }
    }

    /// The meaning of the weights: the part of [`Self::meaning`] that determines the place of each
    /// number in the arrays and how the model computes with it. Weights fit every spec for which it
    /// is the same; `weights_hash` is the hash of it. How the model is trained and evaluated is not
    /// part of it, and neither is its name.
    pub fn weights(&self) -> Self {
        let meaning = self.meaning();
        Self {
            name: text(""),
            surfaces: meaning.surfaces.weights(),
            products: meaning.products.weights(),
            tasks: each(&meaning.tasks, Task::weights),
            tables: each(&meaning.tables, Table::weights),
            rows: Rows::DEFAULT,
            evaluation: Evaluation::DEFAULT,
            training: Training::DEFAULT,
            ..meaning
        }
    }
}

impl Axis {
    fn meaning(&self) -> Self {
        Self {
            place: text(""),
            domains: each(&self.domains, |domain| Domain {
                doc: text(""),
                ..domain.clone()
            }),
            ..self.clone()
        }
    }

    fn weights(&self) -> Self {
        Self {
            others: Others::DEFAULT,
            domains: each(&self.domains, |domain| Domain {
                like: None,
                ..domain.clone()
            }),
            ..self.clone()
        }
    }
}

impl Task {
    fn meaning(&self) -> Self {
        Self {
            doc: text(""),
            place: text(""),
            ..self.clone()
        }
    }

    fn weights(&self) -> Self {
        Self {
            weight: Self::WEIGHT,
            sample_weight: None,
            ..self.clone()
        }
    }
}

impl Table {
    fn meaning(&self) -> Self {
        let index = match &self.index {
            Index::Lines {
                file: _,
                whole,
                lines,
            } => Index::Lines {
                file: text(""),
                whole: *whole,
                lines: lines.clone(),
            },
            index => index.clone(),
        };
        Self {
            doc: text(""),
            index,
            ..self.clone()
        }
    }

    fn weights(&self) -> Self {
        let index = match &self.index {
            Index::Vocabulary { min_count: _ } => Index::Vocabulary {
                min_count: Index::MIN_COUNT,
            },
            index => index.clone(),
        };
        Self {
            shared: false,
            embeddings: None,
            index,
            ..self.clone()
        }
    }
}

impl Feature {
    fn meaning(&self) -> Self {
        Self {
            doc: text(""),
            place: text(""),
            ..self.clone()
        }
    }
}

impl Rows {
    fn meaning(&self) -> Self {
        let split = match &self.split {
            Split::Column {
                column,
                train,
                validate,
                test,
                place: _,
            } => Split::Column {
                column: column.clone(),
                train: train.clone(),
                validate: validate.clone(),
                test: test.clone(),
                place: text(""),
            },
            Split::Hash => Split::Hash,
        };
        Self {
            request: self.request.as_ref().map(|request| Request {
                place: text(""),
                column: request.column.clone(),
            }),
            split,
            bad: self.bad,
        }
    }
}
