//! The result of a fit: the model, and figures of the run.

use std::path::{Path, PathBuf};

use crate::artifact::Model;
use crate::config::LogicalType;
use crate::error::{Error, Result};

/// The result of a fit: the model, and figures of the run.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fitted {
    /// The model.
    pub model: Model,
    /// Columns of strings that are all of another type: with it they would be learned as what they are.
    pub suggested_types: Vec<(String, LogicalType)>,
    /// Seconds of the statistics and of the encoding.
    pub statistics_seconds: f64,
    /// Training rows of all epochs of all networks, refits included.
    pub trained_rows: u64,
    /// Seconds of the epochs, validation included.
    pub train_seconds: f64,
    /// Bytes of the encoded training rows, which each epoch reads.
    pub rows_bytes: u64,
    /// Whether these were in memory; else in a scratch file.
    pub in_memory: bool,
    /// Whether the fit was asked to stop, so that the weights are the best until then.
    pub interrupted: bool,
    /// The checkpoint, which [`save`](Self::save) removes.
    pub(super) checkpoint: Option<PathBuf>,
}

impl Fitted {
    /// Writes the model file, as [`Model::save_new`], and then removes the checkpoint, unless the fit was interrupted.
    ///
    /// # Errors
    /// As [`Model::save_new`].
    pub fn save(&self, path: impl AsRef<Path>, force: bool) -> Result<()> {
        self.model.save_new(path, force)?;
        match self.checkpoint.as_deref().filter(|_| !self.interrupted) {
            Some(checkpoint) if checkpoint.exists() => {
                std::fs::remove_file(checkpoint).map_err(Error::io("remove", checkpoint))
            }
            _ => Ok(()),
        }
    }
}
