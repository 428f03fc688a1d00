//! The folder of a training run.

use std::fs;
use std::path::{Path, PathBuf};

use super::folder;
use crate::error::{Error, Result};

/// Checkpoints that are kept.
const KEPT: usize = 2;
const PREFIX: &str = "step-";

/// `checkpoints/step-…/`, `model/`, `metrics.jsonl` and `evaluation.json` in one folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    root: PathBuf,
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
    /// A run that is there and should not be, and what the system refuses.
    pub fn open(root: &Path, existing: Existing) -> Result<Self> {
        let folder = Self { root: root.to_owned() };
        let occupied = folder.latest()?.is_some() || folder.results().iter().any(|path| path.exists());
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

    /// Where the final evaluation is written.
    pub fn evaluation(&self) -> PathBuf {
        self.root.join("evaluation.json")
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

    /// The checkpoint that a run goes on from.
    ///
    /// # Errors
    /// No checkpoint, and what the system refuses.
    pub fn resume_from(&self) -> Result<PathBuf> {
        self.latest()?.ok_or_else(|| {
            Error::usage(
                self.root.display().to_string(),
                "no checkpoint to go on from",
                "leave out `--resume` to start a run there, or give the run's folder by `--out`",
            )
        })
    }

    /// Deletes all checkpoints but the last two, and what a kill left of one half-written.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn prune(&self) -> Result<()> {
        let mut all = self.list()?;
        all.truncate(all.len().saturating_sub(KEPT));
        all.iter().try_for_each(|path| folder::remove(path))?;
        folder::remove_temporary(&self.checkpoints())
    }

    fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    fn results(&self) -> [PathBuf; 3] {
        [self.model(), self.metrics(), self.evaluation()]
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

    /// Whole checkpoints, ascending.
    fn list(&self) -> Result<Vec<PathBuf>> {
        let folder = self.checkpoints();
        let refused = |source| Error::file(&folder, "list the checkpoints", source);
        let mut steps: Vec<u64> = Vec::new();
        match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error)),
            Ok(entries) => {
                for entry in entries {
                    let name = entry.map_err(refused)?.file_name();
                    let name = name.to_string_lossy();
                    steps.extend(name.strip_prefix(PREFIX).and_then(|step| step.parse::<u64>().ok()));
                }
            }
        }
        steps.sort_unstable();
        Ok(steps.into_iter().map(|step| self.checkpoint(step)).collect())
    }
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

        let error = RunFolder::open(&run, Existing::Refuse).expect_err("it is there");
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(["--resume", "--force", "--out"].iter().all(|option| text.contains(option)), "{text}");

        RunFolder::open(&run, Existing::Resume).expect("gone on with");
        assert_eq!(folder.latest().expect("listed"), Some(folder.checkpoint(3)));
        RunFolder::open(&run, Existing::Replace).expect("deleted");
        assert_eq!(folder.latest().expect("listed"), None);
        assert!(other.exists(), "what is no part of a run is left alone");
        assert!(folder.resume_from().is_err());
    }

    #[test]
    fn the_last_two_whole_checkpoints_are_kept() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = RunFolder::open(root.path(), Existing::Refuse).expect("a new run");
        for step in [9, 10, 100] {
            fs::create_dir(folder.checkpoint(step)).expect("made");
        }
        fs::create_dir(folder.checkpoints().join("step-0000000200.writing")).expect("made");
        folder.prune().expect("pruned");
        assert_eq!(folder.list().expect("listed"), [folder.checkpoint(10), folder.checkpoint(100)]);
        assert_eq!(fs::read_dir(folder.checkpoints()).expect("listed").count(), 2);
    }
}
