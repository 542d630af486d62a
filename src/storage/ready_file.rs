//! Outputs that are whole, and only lack their names: two of them appear together.

use std::fs::{self, File};

use super::commit::{Target, TemporaryFile};
use super::owner::keep_access;
use super::{is_url, upload};
use crate::error::{Error, Result};

/// A synced file that is to get the name of its target. Dropping it removes it.
#[derive(Debug)]
pub(crate) struct ReadyFile {
    target: Target,
    file: TemporaryFile,
}

impl ReadyFile {
    /// Syncs the temporary file of a target.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub(crate) fn new(target: Target, file: TemporaryFile) -> Result<Self> {
        if !is_url(target.path()) {
            if let Ok(replaced) = fs::metadata(&target.resolved) {
                keep_access(file.file(), &replaced).map_err(Error::io("write", target.path()))?;
            }
            file.file().sync_all().map_err(Error::io("write", target.path()))?;
        }
        Ok(Self { target, file })
    }

    /// Gives it its name; an object is uploaded.
    ///
    /// # Errors
    /// [`Error::TargetExists`] if that file appeared meanwhile, and [`Error::Io`].
    pub(crate) fn publish(self) -> Result<()> {
        let Self { target, file: TemporaryFile(file) } = self;
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::TargetExists { path: target.path().to_owned() },
            _ => Error::io("write", target.path())(error),
        };
        if is_url(target.path()) {
            return upload(target.path(), file.as_file(), target.force).map_err(failed);
        }
        let named =
            if target.force { file.persist(&target.resolved) } else { file.persist_noclobber(&target.resolved) };
        named.map_err(|error| failed(error.error))?;
        // The new name is durable once the folder is synced, which some file systems do not support.
        if let Ok(folder) = File::open(target.folder()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// Gives it its name together with `other`: if one of them cannot get it, neither has it.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub(crate) fn publish_with(self, other: Self) -> Result<()> {
        let first = self.target.clone();
        self.publish()?;
        other.publish().inspect_err(|_| first.retract())
    }
}

impl Target {
    /// Syncs the temporary file and gives it its name.
    pub(crate) fn commit(&self, file: TemporaryFile) -> Result<()> {
        ReadyFile::new(self.clone(), file)?.publish()
    }

    /// Removes the output again, as far as its store lets it.
    pub(crate) fn retract(&self) {
        if !is_url(self.path()) {
            let _ = fs::remove_file(&self.resolved);
        }
    }
}
