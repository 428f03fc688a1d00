//! The language server: what `mtmdc check` knows, shown while a person types.
//!
//! Nothing is resolved here a second time. The server keeps the texts that the editor has open,
//! asks the driver what they mean, and translates: offsets to UTF-16 positions, diagnostics, names
//! and shapes to the words of the protocol. It reads no file itself: whoever serves hands in a
//! function from a path to a text, and open texts come before it.

mod actions;
mod analysis;
mod completion;
mod cursor;
mod diagnostics;
mod documents;
mod formatting;
mod help;
mod hints;
mod hover;
mod meaning;
mod names;
mod place;
mod quantity;
mod rename;
mod server;
mod symbols;
mod tokens;
mod uri;

pub use server::{ServeError, serve};
