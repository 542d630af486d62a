//! Where transformed rows go.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Where transformed rows go.
pub enum Output {
    /// One file: Arrow IPC if it is called `*.arrow`, `*.feather` or `*.ipc`, else Parquet.
    File(PathBuf),
    /// A directory with a file for each of the source's, in the same place below it.
    Folder(PathBuf),
    /// An Arrow IPC stream, flushed after each batch. After an error it has no end-of-stream marker.
    Stream(Box<dyn Write + Send>),
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
