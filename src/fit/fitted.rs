//! What a fit gives.

use std::path::{Path, PathBuf};

use crate::artifact::Model;
use crate::error::{Error, Result};

/// A fitted model and what a run says of it beside the model.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fitted {
    /// The model.
    pub model: Model,
    /// Seconds the statistics took, and the encoding of the rows.
    pub statistics_seconds: f64,
    /// Rows that gave gradients: those of all epochs of all networks, those trained once more among them.
    pub trained_rows: u64,
    /// Seconds the epochs took, validation included.
    pub train_seconds: f64,
    /// Bytes of the encoded rows that were read in each epoch, and whether they were in memory.
    pub rows_bytes: u64,
    /// Whether these were in memory, or in a scratch file.
    pub in_memory: bool,
    /// Whether it was asked to stop, and the weights are the best until then.
    pub interrupted: bool,
    /// The checkpoint that [`save`](Self::save) makes superfluous.
    pub(super) checkpoint: Option<PathBuf>,
}

impl Fitted {
    /// Writes the model file, as [`Model::save_new`] does, and then removes the checkpoint of a fit that was not
    /// interrupted.
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
