//! Graph and plan → the files of a crate. Everything is decided in `view`; the templates only loop
//! and print; what they print is parsed as Rust, so that no template can emit a file that does not
//! parse, and printed again where the compiler does not lay it out itself.

mod docs;
mod literal;
mod plan;
mod render;
mod view;

use crate::graph::Graph;
use mtmd_schema::plan::Plan;
use mtmd_schema::{Index, Spec};
use std::fmt;

/// A file of the generated crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path in the crate's folder, with `/`.
    pub path: String,
    /// Contents.
    pub text: String,
}

/// A mistake of the compiler's own: a template that does not fit its view, or that does not
/// print Rust.
#[derive(Debug)]
pub struct EmitError {
    /// Template.
    pub template: &'static str,
    /// What is wrong with what it printed.
    pub cause: String,
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the template `{}` failed: {}", self.template, self.cause)
    }
}

impl std::error::Error for EmitError {}

/// Emits the crate of a graph. `file_name` is the name of the spec's file, for the header of the
/// generated files.
///
/// # Errors
///
/// Only if a template is wrong, which no spec should bring about.
pub fn emit(graph: &Graph, plan: &Plan, file_name: &str) -> Result<Vec<File>, EmitError> {
    let render = render::Renderer::new()?;
    let view = view::View::new(graph, plan, file_name);
    let mut files = vec![
        File {
            path: "Cargo.toml".to_owned(),
            text: render.text("Cargo.toml", &view)?,
        },
        File {
            path: "graph.yaml".to_owned(),
            text: graph.to_yaml(),
        },
    ];
    for (path, template) in [
        ("src/lib.rs", "lib.rs"),
        ("src/main.rs", "main.rs"),
        ("src/names.rs", "names.rs"),
        ("src/plan.rs", "plan.rs"),
        ("src/schema.rs", "schema.rs"),
    ] {
        files.push(File {
            path: path.to_owned(),
            text: match template {
                // It is laid out already, and large: a test compiles the result.
                "plan.rs" => render.text(template, &view)?,
                _ => render.rust(template, &view)?,
            },
        });
    }
    for (table, lines) in vocabularies(&graph.spec) {
        files.push(File {
            path: format!("src/vocabularies/{table}.txt"),
            text: lines.to_owned(),
        });
    }
    Ok(files)
}

/// The vocabularies that are files: name of the table, and one value per line.
fn vocabularies(spec: &Spec) -> impl Iterator<Item = (&str, &str)> {
    spec.tables.iter().filter_map(|table| match &table.index {
        Index::Lines { lines, .. } => Some((&*table.name, &**lines)),
        Index::Hash | Index::Vocabulary { .. } | Index::Values(_) | Index::Buckets => None,
    })
}
