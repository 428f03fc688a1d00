//! Spec → crate.

use super::check::check;
use crate::diagnostics::Diagnostic;
use crate::emit::{self, EmitError, File};
use crate::graph::{self, Graph};
use crate::plan;
use crate::sema::spec::Spec;
use crate::source::Source;

/// What compiling a spec gives.
#[derive(Debug)]
pub struct Outcome {
    /// Errors and warnings, by place.
    pub diagnostics: Vec<Diagnostic>,
    /// `None` if and only if there is an error.
    pub artefacts: Option<Artefacts>,
}

/// What a spec without errors is compiled to.
#[derive(Debug)]
pub struct Artefacts {
    /// The Domain Expert graph.
    pub graph: Graph,
    /// Files of the crate.
    pub files: Vec<File>,
}

impl Artefacts {
    /// The checked spec.
    pub fn spec(&self) -> &Spec {
        &self.graph.spec
    }
}

/// Compiles a spec. The generated files name the last component of the source's name.
///
/// # Errors
///
/// Only for a mistake of the compiler's own, whatever the spec.
pub fn compile(source: &Source) -> Result<Outcome, EmitError> {
    let checked = check(source);
    let artefacts = checked.spec.map(|spec| {
        let graph = graph::build(&spec);
        let plan = plan::plan(&graph);
        let name = source.name();
        let file_name = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let files = emit::emit(&graph, &plan, file_name)?;
        Ok(Artefacts { graph, files })
    });
    Ok(Outcome {
        diagnostics: checked.diagnostics,
        artefacts: artefacts.transpose()?,
    })
}
