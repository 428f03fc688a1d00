//! A compiler from a declarative spec to a multi-task multi-domain (MTMD) ranking model.
//!
//! Floors, each importing only from those before it: [`reflect`], [`source`], [`diagnostics`],
//! [`syntax`], [`sema`], `program`, [`graph`], [`plan`], [`emit`], [`driver`], [`lsp`], [`cli`].

pub mod cli;
pub mod diagnostics;
pub mod driver;
pub mod emit;
pub mod graph;
pub mod lsp;
pub mod plan;
mod program;
pub mod reflect;
pub mod sema;
pub mod source;
pub mod syntax;
