//! Runs the `mtmdc` program.

use std::path::Path;
use std::process::Command;

/// The exit code, standard output and standard error of a command.
pub type Outcome = (i32, String, String);

/// A program. Cargo gives its path only to integration tests: `env!("CARGO_BIN_EXE_mtmdc")`.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Path of the executable.
    pub exe: &'static str,
}

impl Program {
    /// The program with arguments, to be run in a folder.
    pub fn command(self, folder: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.exe);
        command.current_dir(folder).args(arguments);
        command
    }

    /// Runs the program in a folder.
    pub fn run(self, folder: &Path, arguments: &[&str]) -> Outcome {
        outcome(&mut self.command(folder, arguments))
    }

    /// Runs the program in a folder, and returns its standard output. Panics unless it succeeds.
    pub fn ok(self, folder: &Path, arguments: &[&str]) -> String {
        let (code, stdout, stderr) = self.run(folder, arguments);
        assert_eq!(code, 0, "{arguments:?}\n{stdout}{stderr}");
        stdout
    }
}

/// Runs a command to its end. Panics if a signal ends it, or if it prints anything but UTF-8.
pub fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output
        .status
        .code()
        .unwrap_or_else(|| panic!("{command:?}: {}", output.status));
    (code, text(output.stdout), text(output.stderr))
}
