//! The place of an error in the input.

use std::fmt;
use std::path::{Path, PathBuf};

use super::Error;

/// A place in the input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The row group within the file, from 0.
    pub row_group: Option<usize>,
    /// The first row of the batch, within the row group, from 0.
    pub row: Option<u64>,
    /// The column.
    pub column: Option<String>,
}

impl Place {
    /// A whole file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// A row group of a file.
    pub fn row_group(path: impl Into<PathBuf>, row_group: usize) -> Self {
        Self { row_group: Some(row_group), ..Self::file(path) }
    }

    /// A column of a file.
    pub fn column(path: impl Into<PathBuf>, column: impl Into<String>) -> Self {
        Self { column: Some(column.into()), ..Self::file(path) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(row_group) = self.row_group {
            write!(f, ", row group {row_group}")?;
        }
        if let Some(row) = self.row {
            write!(f, ", rows from {row} on")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column:?}")?;
        }
        Ok(())
    }
}

impl Error {
    /// For `map_err`: an I/O error at `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), action, source }
    }
}
