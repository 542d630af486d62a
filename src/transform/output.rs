//! The output of a transform: a file, a directory or a stream.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::sink::check_output_name;

/// The output of a transform.
#[non_exhaustive]
pub enum Output {
    /// One file: Arrow IPC if its name ends in `.arrow`, `.feather` or `.ipc`, CSV if in `.csv` or `.tsv`, NDJSON if in
    /// `.ndjson` or `.jsonl`, text compressed if `.gz` follows; else Parquet.
    File(PathBuf),
    /// A directory with one file for each file of the source, at the same relative path.
    Folder(PathBuf),
    /// A stream, flushed after each batch: Arrow IPC, unless [`Encoding::output_format`](crate::Encoding::output_format) names
    /// another format. After an error an Arrow stream has no end-of-stream marker.
    Stream(Box<dyn Write + Send>),
}

impl Output {
    /// Checks that the name of a file is not that of a format that is not written, such as `.json` or `.csv.zst`.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported).
    pub fn check_name(&self) -> Result<()> {
        match self {
            Self::File(path) => check_output_name(path),
            Self::Folder(_) | Self::Stream(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
            Self::Stream(_) => f.debug_tuple("Stream").finish_non_exhaustive(),
        }
    }
}

impl From<&Path> for Output {
    /// A directory if it is one or ends in a slash, else a file.
    fn from(path: &Path) -> Self {
        let is_folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if is_folder { Self::Folder(path.to_owned()) } else { Self::File(path.to_owned()) }
    }
}

impl From<PathBuf> for Output {
    fn from(path: PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&PathBuf> for Output {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

impl From<&str> for Output {
    fn from(path: &str) -> Self {
        Path::new(path).into()
    }
}
