//! A compiler from a declarative spec to a multi-task multi-domain (MTMD) ranking model.

pub mod emit;
pub mod graph;
pub mod plan;
pub mod sema {
    //! Meaning.
    pub mod spec;
}
