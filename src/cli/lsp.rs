//! `mtmdc lsp`: the language server, with the files of this machine.

use super::files;
use super::report::{Exit, Failure};
use crate::lsp;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Use standard input and output, which is the default; editors pass it
    #[arg(long)]
    stdio: bool,
}

pub(super) fn serve() -> Result<Exit, Failure> {
    match lsp::serve(&files::read_used) {
        Ok(()) => Ok(Exit::Fine),
        Err(error) => Err(Failure::new(Exit::Environment, error.to_string())),
    }
}
