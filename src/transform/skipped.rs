//! Which outputs are skipped because they exist.

use std::path::Path;
use std::time::SystemTime;

use crate::config::OutputConfig;
use crate::error::Result;
use crate::storage::output_exists;

impl OutputConfig {
    /// Whether an output is skipped: with [`skip_existing`](Self::skip_existing) if it exists, with
    /// [`if_newer`](Self::if_newer) if it is newer than these inputs.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the store of the output cannot be asked.
    pub fn skips<'a>(&self, output: &Path, mut inputs: impl Iterator<Item = &'a Path>) -> Result<bool> {
        if !self.if_newer {
            return Ok(self.skip_existing && output_exists(output)?);
        }
        // Inputs without a time, such as stdin or objects, count as newer.
        let Some(made) = modified(output) else { return Ok(false) };
        let older = |time: SystemTime| time < made;
        Ok(self.newer_than.is_none_or(older) && inputs.all(|input| modified(input).is_some_and(older)))
    }

    /// Whether an existing output that is not skipped is replaced.
    pub(super) fn replaces(&self) -> bool {
        self.force || self.if_newer
    }
}

/// When a file was last written.
fn modified(path: &Path) -> Option<SystemTime> {
    let about = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    about.modified().ok()
}
