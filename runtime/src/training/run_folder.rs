//! The folder of a training run.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::checkpoint;
use super::folder;
use crate::error::{Error, Result};

const PREFIX: &str = "step-";
/// Suffix of a checkpoint that turned out to be damaged.
const DAMAGED: &str = ".damaged";
/// The file that a process locks while it works in the folder.
const LOCK: &str = ".lock";

/// `checkpoints/step-…/`, `model/`, `metrics.jsonl`, `tensorboard/`, `evaluation.json`, `profile.json` and the plan of
/// a warm start in one folder, which is this process's as long as the value lives.
#[derive(Debug)]
pub struct RunFolder {
    root: PathBuf,
    /// Locked. The system lets go of it when the process ends, however that happens.
    _lock: File,
}

/// What to do with a run that already stands in the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It is an error.
    Refuse,
    /// It is deleted.
    Replace,
    /// It is gone on with.
    Resume,
}

impl RunFolder {
    /// The folder, ready for a run.
    ///
    /// # Errors
    /// A run that is there and should not be, another process that works there, and what the system refuses.
    pub fn open(root: &Path, existing: Existing) -> Result<Self> {
        let folder = Self {
            root: root.to_owned(),
            _lock: lock(root)?,
        };
        folder::settle(&folder.model())?;
        folder.settle()?;
        let occupied =
            folder.latest()?.is_some() || folder.results().iter().any(|path| path.exists());
        match existing {
            Existing::Refuse if occupied => {
                return Err(Error::usage(
                    root.display().to_string(),
                    "a training run already stands there",
                    "go on with it by `--resume`, delete it by `--force`, or choose another folder by `--out`",
                ));
            }
            Existing::Replace => folder.clear()?,
            Existing::Refuse | Existing::Resume => {}
        }
        fs::create_dir_all(folder.checkpoints())
            .map_err(|source| Error::file(root, "create the run's folder", source))?;
        Ok(folder)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the final model lies.
    pub fn model(&self) -> PathBuf {
        self.root.join("model")
    }

    /// Where the training's figures are written, one JSON object a line.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.jsonl")
    }

    /// Where the same lies for TensorBoard.
    pub fn tensorboard(&self) -> PathBuf {
        self.root.join("tensorboard")
    }

    /// Where the final evaluation is written.
    pub fn evaluation(&self) -> PathBuf {
        self.root.join("evaluation.json")
    }

    /// Where the trace of a profile is written.
    pub fn profile(&self) -> PathBuf {
        self.root.join("profile.json")
    }

    /// Where the plan of a warm start is kept.
    pub fn warm_start(&self) -> PathBuf {
        self.root.join("warm_start.json")
    }

    /// Where the checkpoint after `step` steps lies.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("{PREFIX}{step:010}"))
    }

    /// The last whole checkpoint.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn latest(&self) -> Result<Option<PathBuf>> {
        Ok(self.list()?.pop())
    }

    /// The checkpoint that a run goes on from, the newest whole one, and what is wrong with those after it. They are
    /// set aside: the run will come to their steps again.
    ///
    /// # Errors
    /// No whole checkpoint, and what the system refuses.
    pub fn resume_from(&self) -> Result<(PathBuf, Vec<Error>)> {
        let mut damaged: Vec<(PathBuf, Error)> = Vec::new();
        for path in self.list()?.into_iter().rev() {
            match checkpoint::verify(&path) {
                Ok(()) => {
                    damaged.iter().try_for_each(|(path, _)| set_aside(path))?;
                    let causes = damaged.into_iter().map(|(_, cause)| cause);
                    return Ok((path, causes.collect()));
                }
                // What the system refuses to read may be sound.
                Err(cause @ Error::File { .. }) => return Err(cause),
                Err(cause) => damaged.push((path, cause)),
            }
        }
        Err(damaged.into_iter().next().map_or_else(
            || {
                Error::usage(
                    self.root.display().to_string(),
                    "no checkpoint to go on from",
                    "leave out `--resume` to start a run there, or give the run's folder by `--out`",
                )
            },
            |(_, cause)| cause,
        ))
    }

    /// Deletes all checkpoints but the last `keep` and that of step `best`, and what a kill left of one half-written.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn prune(&self, keep: usize, best: Option<u64>) -> Result<()> {
        let mut all = self.list()?;
        all.truncate(all.len().saturating_sub(keep.max(1)));
        all.retain(|path| best.is_none_or(|step| *path != self.checkpoint(step)));
        all.iter().try_for_each(|path| folder::remove(path))?;
        self.settle()
    }

    fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    fn results(&self) -> [PathBuf; 6] {
        [
            self.model(),
            self.metrics(),
            self.tensorboard(),
            self.evaluation(),
            self.profile(),
            self.warm_start(),
        ]
    }

    /// Deletes a run, and nothing else that may lie in the folder.
    fn clear(&self) -> Result<()> {
        folder::remove(&self.checkpoints())?;
        for path in self.results() {
            if path.is_dir() {
                folder::remove(&path)?;
            } else if path.exists() {
                fs::remove_file(&path).map_err(|source| Error::file(&path, "remove it", source))?;
            }
        }
        Ok(())
    }

    /// Ends what a kill left of writing checkpoints.
    fn settle(&self) -> Result<()> {
        for name in self.names()? {
            if let Some(name) = folder::unsettled(&name) {
                folder::settle(&self.checkpoints().join(name))?;
            }
        }
        Ok(())
    }

    /// Whole checkpoints, ascending.
    fn list(&self) -> Result<Vec<PathBuf>> {
        let names = self.names()?;
        let steps = names
            .iter()
            .filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok());
        let mut steps: Vec<u64> = steps.collect();
        steps.sort_unstable();
        Ok(steps
            .into_iter()
            .map(|step| self.checkpoint(step))
            .collect())
    }

    /// Names of the checkpoints' folders, whole or not; of other things that lie there none.
    fn names(&self) -> Result<Vec<String>> {
        let folder = self.checkpoints();
        let refused = |source| Error::file(&folder, "list the checkpoints", source);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(refused)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(refused)?.file_name();
            names.extend(
                name.to_str()
                    .filter(|name| name.starts_with(PREFIX))
                    .map(str::to_owned),
            );
        }
        Ok(names)
    }
}

/// Creates a run's folder and makes it this process's alone.
fn lock(root: &Path) -> Result<File> {
    let refused = |source| Error::file(root, "create the run's folder", source);
    fs::create_dir_all(root).map_err(refused)?;
    let file = File::options()
        .create(true)
        .append(true)
        .open(root.join(LOCK))
        .map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        // A file system without locks: there, no process hears of another.
        Err(TryLockError::Error(_)) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::usage(
            root.display().to_string(),
            "another process is training there",
            "let it end or stop it first, or choose another folder by `--out`",
        )),
    }
}

/// Takes a damaged checkpoint out of the row, for whoever wants to look at it.
fn set_aside(path: &Path) -> Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(DAMAGED);
    let aside = PathBuf::from(aside);
    folder::remove(&aside)?;
    fs::rename(path, &aside)
        .map_err(|source| Error::file(path, "set the damaged checkpoint aside", source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_not_overwritten_unless_told() {
        let root = tempfile::tempdir().expect("a folder");
        let run = root.path().join("run");
        let folder = RunFolder::open(&run, Existing::Refuse).expect("a new run");
        fs::create_dir(folder.checkpoint(3)).expect("made");
        let other = run.join("notes.txt");
        fs::write(&other, "mine").expect("written");
        for mine in ["mine", "mine.old", "checkpoints/mine.old"] {
            fs::create_dir(run.join(mine)).expect("made");
        }

        let error = RunFolder::open(&run, Existing::Resume).expect_err("it is locked");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("another process"), "{error}");
        drop(folder);
        let error = RunFolder::open(&run, Existing::Refuse).expect_err("it is there");
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(
            ["--resume", "--force", "--out"]
                .iter()
                .all(|option| text.contains(option)),
            "{text}"
        );

        let folder = RunFolder::open(&run, Existing::Resume).expect("gone on with");
        assert_eq!(folder.latest().expect("listed"), Some(folder.checkpoint(3)));
        drop(folder);
        assert!(run.join("checkpoints/mine.old").exists());
        let folder = RunFolder::open(&run, Existing::Replace).expect("deleted");
        assert_eq!(folder.latest().expect("listed"), None);
        assert!(other.exists(), "what is no part of a run is left alone");
        assert!(run.join("mine.old").exists(), "nor is this");
        assert!(folder.resume_from().is_err());
    }

    #[test]
    fn the_last_checkpoints_and_the_best_are_kept() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::open(root.path(), Existing::Refuse).expect("a new run");
        for step in [4, 9, 10, 100] {
            fs::create_dir(folder.checkpoint(step)).expect("made");
        }
        fs::create_dir(folder.checkpoints().join("step-0000000200.writing")).expect("made");
        folder.prune(2, Some(4)).expect("pruned");
        let kept = [4, 10, 100].map(|step| folder.checkpoint(step));
        assert_eq!(folder.list().expect("listed"), kept);
        let left = fs::read_dir(folder.checkpoints()).expect("listed");
        assert_eq!(left.count(), 3);
        folder.prune(1, Some(100)).expect("pruned");
        assert_eq!(folder.list().expect("listed"), [folder.checkpoint(100)]);
    }
}
