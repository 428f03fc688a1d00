//! Declarations: reads the statements of a spec, with one file per construct.

pub(super) mod allow;
pub(super) mod architecture;
pub(super) mod budget;
pub(super) mod cells;
pub(super) mod derived;
pub(super) mod domains;
pub(super) mod embeddings;
pub(super) mod features;
pub(super) mod inputs;
pub(super) mod kinds;
pub(super) mod run_policy;
pub(super) mod split;
pub(super) mod tables;
pub(super) mod tasks;
pub(super) mod training;
pub(super) mod variants;
pub(super) mod vocabulary_file;
