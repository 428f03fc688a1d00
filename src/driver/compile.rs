//! Spec → crate.

use super::check::{Checked, check_files};
use super::load::{Read, no_files};
use crate::diagnostics::{Code, Diagnostic, Levels};
use crate::emit::{self, EmitError, File};
use crate::graph::{self, Graph};
use crate::plan;
use crate::sema::spec::Spec;
use crate::source::{Source, Span};
use mtmd_schema::plan::Plan;

/// What compiling a spec gives.
#[derive(Debug)]
pub struct Outcome {
    /// The spec's text, all its files.
    pub source: Source,
    /// Errors and warnings, by place.
    pub diagnostics: Vec<Diagnostic>,
    /// Names of the spec's variants.
    pub variants: Vec<String>,
    /// `None` if there is an error, or no variant of the name that was asked for.
    pub artefacts: Option<Artefacts>,
}

/// What a spec without errors is compiled to.
#[derive(Debug)]
pub struct Artefacts {
    /// The Domain Expert graph.
    pub graph: Graph,
    /// The spec's, as the generated files name it.
    file_name: String,
}

impl Artefacts {
    /// The checked spec.
    pub fn spec(&self) -> &Spec {
        &self.graph.spec
    }

    /// Files of the crate. Writing them takes longer than all the rest, and pictures, reports and
    /// diffs need none.
    ///
    /// # Errors
    ///
    /// Only for a mistake of the compiler's own, whatever the spec.
    pub fn files(&self) -> Result<Vec<File>, EmitError> {
        emit::emit(&self.graph, &self.plan(), &self.file_name)
    }

    /// How the model runs.
    pub fn plan(&self) -> Plan {
        plan::lower(&self.graph)
    }
}

/// Compiles a spec of one file. The generated files name the last component of the source's name.
pub fn compile(source: &Source) -> Outcome {
    compile_files(source.clone(), &no_files, &Levels::default(), None)
}

/// Compiles a spec, whose other files `read` reads, or a variant of it.
pub fn compile_files(
    root: Source,
    read: &Read<'_>,
    levels: &Levels,
    variant: Option<&str>,
) -> Outcome {
    let Checked {
        source,
        spec,
        graph,
        part,
        variants,
        mut diagnostics,
        ..
    } = check_files(root, read, levels);
    if part {
        diagnostics.push(
            Diagnostic::new(
                Code::E0301,
                "this file is a part: it has no `model`, `surfaces` and `products`",
                Span::at(0),
                "",
            )
            .help(format!(
                "build a spec that says `use \"{}\"`",
                source.name()
            )),
        );
    }
    let names = variants
        .iter()
        .map(|variant| variant.name.clone())
        .collect();
    let (spec, graph) = match variant {
        None => (spec, graph),
        // A variant of a spec with errors is not built, even if it removes them.
        Some(name) => {
            let mut variants = variants.into_iter().filter(|_| spec.is_some());
            let found = variants.find(|variant| variant.name == name);
            found.map_or((None, None), |variant| (variant.spec, variant.graph))
        }
    };
    let name = source.name();
    let file_name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let artefacts = spec.map(|spec| Artefacts {
        graph: graph.unwrap_or_else(|| graph::build(&spec)),
        file_name: file_name.to_owned(),
    });
    Outcome {
        diagnostics,
        variants: names,
        artefacts,
        source,
    }
}
