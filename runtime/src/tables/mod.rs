//! Embedding tables.
