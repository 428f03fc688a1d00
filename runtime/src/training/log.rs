//! Figures of a training run, one JSON object a line.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::params::write_atomically;

/// `metrics.jsonl`, open for writing.
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// The log of a run that has done `step` steps. Lines of later steps, which a resumed run
    /// writes again, are dropped.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn open(path: &Path, step: u64) -> Result<Self> {
        let refused = |source| Error::file(path, "write the metrics", source);
        let kept: String = match fs::read_to_string(path) {
            Ok(text) => text
                .lines()
                .filter(|line| is_up_to(line, step))
                .map(|line| format!("{line}\n"))
                .collect(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(refused(error)),
        };
        write_atomically(path, |file| file.write_all(kept.as_bytes())).map_err(refused)?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(refused)?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Writes one line.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn write(&mut self, entry: &impl Serialize) -> Result<()> {
        let refused = |source| Error::file(&self.path, "write the metrics", source);
        let mut line = serde_json::to_string(entry).map_err(|error| refused(error.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(refused)
    }
}

fn is_up_to(line: &str, step: u64) -> bool {
    let parsed: Option<Value> = serde_json::from_str(line).ok();
    parsed.is_some_and(|entry| {
        entry
            .get("step")
            .and_then(Value::as_u64)
            .is_some_and(|at| at <= step)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_resumed_run_writes_its_lines_once() {
        let root = tempfile::tempdir().expect("a folder");
        let path = root.path().join("metrics.jsonl");
        let mut log = MetricsLog::open(&path, 0).expect("opened");
        for step in [1, 2, 3] {
            log.write(&json!({"step": step})).expect("written");
        }
        fs::write(
            &path,
            format!(
                "{}{{\"step\":4,\"cut",
                fs::read_to_string(&path).expect("read")
            ),
        )
        .expect("cut");
        MetricsLog::open(&path, 2)
            .expect("opened")
            .write(&json!({"step": 3}))
            .expect("written");
        let text = fs::read_to_string(&path).expect("read");
        assert_eq!(text, "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
    }
}
