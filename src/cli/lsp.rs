//! `mtmdc lsp`: the language server, with the files of this machine.

use super::files;
use super::report::{Exit, Failure};
use crate::lsp;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Says what is done in any case: editors pass it
    #[arg(long)]
    stdio: bool,
}

pub(super) fn serve() -> Result<Exit, Failure> {
    match lsp::serve(&files::read_used) {
        Ok(()) => Ok(Exit::Fine),
        Err(error) => Err(Failure::new(Exit::Environment, error.to_string())),
    }
}
