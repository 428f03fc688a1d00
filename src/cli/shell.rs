//! `completions` and `man`: the command line told to shells and to readers.

use super::Cli;
use super::report::{self, Exit, Failure};
use clap::CommandFactory;

/// Prints the completions of a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "mtmdc", &mut text);
    print(text)
}

/// Prints the manual page, the commands' own pages after the first.
pub(super) fn man() -> Result<Exit, Failure> {
    let mut text = vec![];
    let mut command = Cli::command();
    command.build();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut text);
    let rendered = command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .fold(rendered, |rendered, command| {
            rendered.and_then(|()| clap_mangen::Man::new(command.clone()).render(&mut text))
        });
    rendered.map_err(|error| {
        let message = format!("cannot render the manual: {error}");
        Failure::new(Exit::Environment, message)
    })?;
    print(text)
}

fn print(text: Vec<u8>) -> Result<Exit, Failure> {
    report::print(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Fine)
}
