//! Files of a directory that cannot be read, and are left out.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// A file of a directory that could not be read, and was left out
/// ([`SourceConfig::keep_going`](crate::SourceConfig::keep_going)).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadableFile {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub fault: String,
}

impl UnreadableFile {
    pub(super) fn new(path: &std::path::Path, error: &Error) -> Self {
        let fault = error.to_string();
        let fault = fault.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&fault).to_owned();
        Self { path: path.to_owned(), fault }
    }
}

/// Files with their errors.
pub(super) fn files(failed: &[(PathBuf, Error)]) -> Vec<UnreadableFile> {
    failed.iter().map(|(path, error)| UnreadableFile::new(path, error)).collect()
}

/// Checks that no file was left out of a run that wrote `done` files.
///
/// # Errors
/// [`Error::Unfinished`].
pub(crate) fn check(unreadable: &[UnreadableFile], done: u64) -> Result<()> {
    let Some(UnreadableFile { path, fault }) = unreadable.first() else { return Ok(()) };
    let source = Box::new(Error::io("read", path)(std::io::Error::other(fault.clone())));
    let rest = unreadable.iter().map(|file| file.path.clone()).collect();
    Err(Error::Unfinished { done: done as usize, rest, source })
}
