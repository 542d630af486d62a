//! Which outputs are left as they are.

use std::path::Path;
use std::time::SystemTime;

use crate::config::TransformConfig;
use crate::error::Result;
use crate::storage::output_exists;

impl TransformConfig {
    /// Whether the output of these inputs is left: it is there, and either that is enough, or it is younger than what it is
    /// made from.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the output's store does not say.
    pub fn leaves<'a>(&self, output: &Path, mut inputs: impl Iterator<Item = &'a Path>) -> Result<bool> {
        if !self.if_newer {
            return Ok(self.skip_existing && output_exists(output)?);
        }
        // What has no time, as stdin or an object of a store, is made anew.
        let Some(made) = modified(output) else { return Ok(false) };
        let older = |time: SystemTime| time < made;
        Ok(self.newer_than.is_none_or(older) && inputs.all(|input| modified(input).is_some_and(older)))
    }

    /// Whether an output that is there and not left is replaced.
    pub(super) fn replaces(&self) -> bool {
        self.force || self.if_newer
    }
}

/// When a file was last written.
fn modified(path: &Path) -> Option<SystemTime> {
    let about = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    about.modified().ok()
}
