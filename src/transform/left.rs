//! Which outputs are left as they are.

use std::path::Path;
use std::time::SystemTime;

use crate::config::TransformConfig;

impl TransformConfig {
    /// Whether the output of these inputs is left: it is there, and either that is enough, or it is younger than what it is
    /// made from.
    pub fn leaves<'a>(&self, output: &Path, mut inputs: impl Iterator<Item = &'a Path>) -> bool {
        if !output.is_file() || !self.if_newer {
            return self.skip_existing && output.is_file();
        }
        // What has no time, as stdin, is made anew.
        let Some(made) = modified(output) else { return false };
        let older = |time: SystemTime| time < made;
        self.newer_than.is_none_or(older) && inputs.all(|input| modified(input).is_some_and(older))
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
