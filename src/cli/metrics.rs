//! `--metrics`: a JSON line an epoch, in a file that is only ever appended to.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;
use vaepipe::{Epoch, Error};

use super::log;
use super::output::seconds;

/// The metrics of one fit.
pub(super) struct Metrics {
    path: PathBuf,
    /// When the fit began: what tells its lines from those of other runs.
    run: String,
    file: Option<File>,
    /// The first failure to write; training goes on without metrics, and ends with it.
    failed: Option<Error>,
    start: Instant,
}

impl Metrics {
    /// Metrics of a fit that begins now; the file is opened with the first epoch.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, run: log::now(), file: None, failed: None, start: Instant::now() }
    }

    /// Writes down an epoch of `epochs`.
    pub(super) fn epoch(&mut self, epoch: &Epoch, epochs: usize, lr: f64, beta: f64, rows_per_second: f64) {
        let line = json!({
            "run": self.run,
            "time": log::now(),
            "epoch": epoch.epoch,
            "epochs": epochs,
            "train_loss": epoch.train_loss,
            "validation_loss": epoch.validation_loss,
            "kl": epoch.kl,
            "lr": lr,
            "beta": beta,
            "seconds": seconds(self.start.elapsed().as_secs_f64()),
            "rows_per_second": rows_per_second.round(),
        });
        if self.failed.is_none()
            && let Err(error) = self.append(&format!("{line}\n"))
        {
            tracing::warn!("{}: cannot be written: {error}", self.path.display());
            self.failed = Some(Error::Io { path: self.path.clone(), action: "write", source: error });
        }
    }

    fn append(&mut self, line: &str) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(OpenOptions::new().append(true).create(true).open(&self.path)?),
        };
        // One write a line: whoever follows the file sees whole lines.
        file.write_all(line.as_bytes())
    }

    /// # Errors
    /// The first line's that could not be written.
    pub(super) fn finish(self) -> Result<(), Error> {
        self.failed.map_or(Ok(()), Err)
    }
}
