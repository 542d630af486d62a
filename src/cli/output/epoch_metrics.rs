//! `--metrics`: a JSON line an epoch, in a file that is only ever appended to.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use vaepipe::{Epoch, Error};

use crate::cli::failure::Failure;
use crate::cli::output::log;
use crate::cli::output::seconds;

/// The metrics of one fit.
pub(crate) struct Metrics {
    path: PathBuf,
    file: Option<File>,
    /// The first failure to write; training goes on without metrics, and ends with it.
    failed: Option<Error>,
    start: Instant,
}

impl Metrics {
    /// Metrics of a fit that begins now; the file is opened with the first epoch.
    ///
    /// # Errors
    /// If there is a file that does not hold JSON lines: it would be spoilt.
    pub(crate) fn new(path: PathBuf) -> Result<Self, Failure> {
        if !holds_json_lines(&path).map_err(|source| Error::Io { path: path.clone(), action: "read", source })? {
            return Err(Failure::Usage {
                fault: format!("{}: holds something else than JSON lines", path.display()),
                hint: Some("--metrics appends lines to a file; choose another".to_owned()),
            });
        }
        Ok(Self { path, file: None, failed: None, start: Instant::now() })
    }

    /// Writes down an epoch of `epochs`.
    pub(crate) fn epoch(&mut self, epoch: &Epoch, epochs: usize, lr: f64, beta: f64, rows_per_second: f64) {
        let line = json!({
            "run_id": log::run_id(),
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

    fn append(&mut self, line: &str) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(OpenOptions::new().append(true).create(true).open(&self.path)?),
        };
        // One write a line: whoever follows the file sees whole lines.
        file.write_all(line.as_bytes())
    }

    /// # Errors
    /// The first line's that could not be written.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.failed.map_or(Ok(()), Err)
    }
}

/// Whether a line may be appended to a file: it is not there, empty, or begins with a line that is a JSON object and
/// ends with a whole one.
pub(crate) fn holds_json_lines(path: &Path) -> io::Result<bool> {
    const LONGEST: u64 = 1 << 16;
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        file => file?,
    };
    let mut first = Vec::new();
    BufReader::new((&file).take(LONGEST)).read_until(b'\n', &mut first)?;
    if first.is_empty() {
        return Ok(true);
    }
    let mut last = [0];
    (&file).seek(SeekFrom::End(-1))?;
    (&file).read_exact(&mut last)?;
    // Of a line that is longer only the beginning is looked at.
    let is_long = first.len() as u64 == LONGEST && !first.ends_with(b"\n");
    let is_object = match is_long {
        true => first.starts_with(b"{"),
        false => serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&first).is_ok(),
    };
    Ok(is_object && last == *b"\n")
}
