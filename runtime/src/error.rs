//! What can go wrong while a model runs: one type for every room, each message with its place, its
//! cause and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Result of the runtime's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failed run.
///
/// `Display` starts with the place, then gives the cause, and ends with a line `help: …`.
#[derive(Debug)]
pub enum Error {
    /// Columns that are missing or of another type, all of them at once.
    Columns(Vec<ColumnProblem>),
    /// Data that cannot be used as the spec says.
    Data(Message),
    /// Weights or a checkpoint that do not belong to this model.
    Weights(Message),
    /// A command line that makes no sense.
    Usage(Message),
    /// The operating system refused a file.
    File {
        /// File or folder.
        path: PathBuf,
        /// What was tried, as in "cannot `write the checkpoint`".
        action: &'static str,
        /// Answer of the system.
        source: io::Error,
    },
    /// The run itself failed: a device, a thread, a loss that is not finite.
    Run(Message),
    /// A signal stopped the run, which can be gone on with.
    Interrupted {
        /// Name of the signal.
        signal: &'static str,
        /// Exit code of a process that it ended.
        code: u8,
        /// Where the run stands.
        cause: String,
    },
}

/// Place, cause and fix of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where: a file with row and column, a weight, an option.
    pub place: String,
    /// What is wrong there.
    pub cause: String,
    /// What the reader of the message can do.
    pub fix: String,
}

/// A column that the spec needs and the data does not have as needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnProblem {
    /// Where the spec says so: `line 3`.
    pub place: &'static str,
    /// What needs the column: "query feature `user_id`".
    pub user: String,
    /// Name of the column.
    pub column: String,
    /// First file with the problem.
    pub file: PathBuf,
    /// How many files have it.
    pub files: usize,
    /// What is wrong.
    pub fault: ColumnFault,
}

/// What is wrong with a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnFault {
    /// There is none of this name.
    Missing {
        /// A column with a similar name.
        similar: Option<String>,
    },
    /// There are several of this name.
    Repeated {
        /// How many.
        times: usize,
    },
    /// It holds numbers in one file and strings in another.
    Kinds {
        /// What it holds in this file.
        found: &'static str,
        /// What it holds in the first.
        other: &'static str,
        /// The first file.
        first: PathBuf,
    },
    /// It holds something else.
    Type {
        /// Type in the file.
        found: String,
        /// Types that would do.
        accepted: &'static str,
    },
}

impl Error {
    /// Data that cannot be used.
    pub fn data(
        place: impl Into<String>,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Data(Message::new(place, cause, fix))
    }

    /// Weights or a checkpoint of another model, or damaged ones.
    pub fn weights(
        place: impl Into<String>,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Weights(Message::new(place, cause, fix))
    }

    /// A misused command line.
    pub fn usage(
        place: impl Into<String>,
        cause: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::Usage(Message::new(place, cause, fix))
    }

    /// A run that failed on a device, in a thread or in its numbers.
    pub fn run(place: impl Into<String>, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::Run(Message::new(place, cause, fix))
    }

    /// A run that a signal stopped.
    pub fn interrupted(signal: &'static str, code: u8, cause: impl Into<String>) -> Self {
        Self::Interrupted {
            signal,
            code,
            cause: cause.into(),
        }
    }

    /// A refused file; `action` completes "cannot …", as in `write the checkpoint`.
    pub fn file(path: impl AsRef<Path>, action: &'static str, source: io::Error) -> Self {
        Self::File {
            path: path.as_ref().to_owned(),
            action,
            source,
        }
    }

    /// Exit code of the process: 1 for the spec, the data or the weights, 2 for misuse, 3 for the
    /// environment or a run that failed, 130 and 143 for one that SIGINT or SIGTERM stopped.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Columns(_) | Self::Data(_) | Self::Weights(_) => 1,
            Self::Usage(_) => 2,
            Self::File { .. } | Self::Run(_) => 3,
            Self::Interrupted { code, .. } => *code,
        }
    }
}

impl Message {
    fn new(place: impl Into<String>, cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            cause: cause.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\nhelp: {}", self.place, self.cause, self.fix)
    }
}

impl fmt::Display for ColumnProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} needs column `{}`: ",
            self.place, self.user, self.column
        )?;
        match &self.fault {
            ColumnFault::Missing { similar: None } => write!(f, "not in {}", self.file.display())?,
            ColumnFault::Missing {
                similar: Some(name),
            } => {
                write!(f, "not in {}, which has `{name}`", self.file.display())?;
            }
            ColumnFault::Repeated { times } => {
                write!(f, "{times} columns of this name in {}", self.file.display())?;
            }
            ColumnFault::Kinds {
                found,
                other,
                first,
            } => {
                let (file, first) = (self.file.display(), first.display());
                write!(
                    f,
                    "{found} in {file}, {other} in {first}; write it as one of them in all files"
                )?;
            }
            ColumnFault::Type { found, accepted } => {
                write!(
                    f,
                    "{found} in {}, where {accepted} would do",
                    self.file.display()
                )?;
            }
        }
        match self.files.saturating_sub(1) {
            0 => Ok(()),
            1 => write!(f, " (and 1 more file)"),
            more => write!(f, " (and {more} more files)"),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns(problems) => {
                let columns = if problems.len() == 1 {
                    "1 column"
                } else {
                    &format!("{} columns", problems.len())
                };
                writeln!(f, "the data does not fit the spec in {columns}:")?;
                for problem in problems {
                    writeln!(f, "  {problem}")?;
                }
                write!(
                    f,
                    "help: name the data's own columns with `from \"COLUMN\"`, or give the path of other data"
                )
            }
            Self::Data(message)
            | Self::Weights(message)
            | Self::Usage(message)
            | Self::Run(message) => message.fmt(f),
            Self::Interrupted { signal, cause, .. } => {
                write!(f, "{signal}: {cause}\nhelp: go on by `--resume`")
            }
            Self::File {
                path,
                action,
                source,
            } => {
                let fix = match source.kind() {
                    io::ErrorKind::NotFound => "check the path",
                    io::ErrorKind::PermissionDenied => {
                        "check the permissions of the path and its folder"
                    }
                    io::ErrorKind::StorageFull => "free some space on the disk, then run again",
                    _ => "check the path and the disk, then run again",
                };
                write!(
                    f,
                    "{}: cannot {action}: {source}\nhelp: {fix}",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Columns(_)
            | Self::Data(_)
            | Self::Weights(_)
            | Self::Usage(_)
            | Self::Run(_)
            | Self::Interrupted { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_design() {
        assert_eq!(Error::Columns(Vec::new()).exit_code(), 1);
        assert_eq!(Error::data("a", "b", "c").exit_code(), 1);
        assert_eq!(Error::weights("a", "b", "c").exit_code(), 1);
        assert_eq!(Error::usage("a", "b", "c").exit_code(), 2);
        assert_eq!(Error::run("a", "b", "c").exit_code(), 3);
        assert_eq!(
            Error::file("a", "read it", io::ErrorKind::StorageFull.into()).exit_code(),
            3
        );
    }

    #[test]
    fn a_message_has_place_cause_and_fix() {
        let error = Error::data("a.parquet, row 3", "the label is NaN", "repair the row");
        assert_eq!(
            error.to_string(),
            "a.parquet, row 3: the label is NaN\nhelp: repair the row"
        );
    }

    #[test]
    fn every_column_is_listed() {
        let problem = |files, fault| ColumnProblem {
            place: "line 7",
            user: "query feature `age`".to_owned(),
            column: "age".to_owned(),
            file: "a.parquet".into(),
            files,
            fault,
        };
        let error = Error::Columns(vec![
            problem(
                1,
                ColumnFault::Missing {
                    similar: Some("ages".to_owned()),
                },
            ),
            problem(
                3,
                ColumnFault::Type {
                    found: "Utf8".to_owned(),
                    accepted: "a number",
                },
            ),
        ]);
        assert_eq!(
            error.to_string(),
            "the data does not fit the spec in 2 columns:\n  \
             line 7: query feature `age` needs column `age`: not in a.parquet, which has `ages`\n  \
             line 7: query feature `age` needs column `age`: Utf8 in a.parquet, where a number would do (and 2 more files)\n\
             help: name the data's own columns with `from \"COLUMN\"`, or give the path of other data"
        );
    }
}
