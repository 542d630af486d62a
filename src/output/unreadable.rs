//! Files of a directory that cannot be read, and are left out.

use std::error::Error as _;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::source::Source;

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
    pub(super) fn new(path: &Path, error: &Error) -> Self {
        let (mut fault, place) = (error.to_string(), path.display().to_string());
        let mut cause = error.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !fault.contains(&said) {
                fault += &format!(": {said}");
            }
            cause = error.source();
        }
        // The place goes on behind the name, as in ", row group 0: ".
        let rest = fault.strip_prefix(&place).map(|rest| rest.trim_start_matches([':', ',', ' ']).to_owned());
        Self { path: path.to_owned(), fault: rest.unwrap_or(fault) }
    }
}

/// Files with their errors.
pub(super) fn files(failed: &[(PathBuf, Error)]) -> Vec<UnreadableFile> {
    failed.iter().map(|(path, error)| UnreadableFile::new(path, error)).collect()
}

/// The files of a source that `look` can read, and those that it cannot.
///
/// # Errors
/// Those that are not about damaged files, and [`Error::Unfinished`] if no file can be read.
pub(crate) fn readable(
    source: &Source,
    mut look: impl FnMut(&Source) -> Result<()>,
) -> Result<(Source, Vec<UnreadableFile>)> {
    let (mut kept, mut unreadable) = (Vec::new(), Vec::new());
    for (file, _) in source.files_with_output_paths() {
        let looked = look(&file);
        kept.push(looked.is_ok());
        match looked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Data => {
                tracing::warn!("{error}; the file is skipped");
                unreadable.push(UnreadableFile::new(file.path(), &error));
            }
            Err(error) => return Err(error),
        }
    }
    if !kept.contains(&true) {
        check(&[files(source.unreadable()), unreadable.clone()].concat(), 0)?;
    }
    Ok((source.retain(&kept), unreadable))
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
