//! The compiled model as static data: everything that generated code passes to the runtime. The
//! types of the spec and of the plan are those of the compiler.

use std::ops::Deref;

pub use mtmd_schema::*;

use plan::Plan;

/// A compiled model: what it is and how it runs.
#[derive(Debug)]
pub struct Compiled {
    /// What the model is.
    pub schema: Schema,
    /// How it runs.
    pub plan: Plan,
}

/// A compiled spec.
#[derive(Debug)]
pub struct Schema {
    /// The spec.
    pub spec: Spec,
    /// Hash of the spec's meaning: equal for two specs that differ only in order and comments.
    pub spec_hash: &'static str,
    /// Hash of what the weights mean: equal for two specs whose models take one another's weights as they
    /// are.
    pub weights_hash: &'static str,
    /// Hash of `graph`.
    pub graph_hash: &'static str,
    /// The Domain Expert graph, `graph.yaml` whole.
    pub graph: &'static str,
}

impl Deref for Schema {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        &self.spec
    }
}
