//! The errors of rows that are not in the order of a column.

#![forbid(unsafe_code)]

use std::path::PathBuf;

use super::Error;

/// Rows are not in the order of the column that orders them. Rows are numbered within their file, from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrderFault {
    /// A row comes after one that it should be before.
    #[error(
        "{path}: the rows are not in the order of {column:?}: row {}{} has {}, and row {}, after it, {}",
        .rows[0], .earlier.as_ref().map_or(String::new(), |path| format!(" of {}", path.display())), .values[0],
        .rows[1], .values[1]
    )]
    Descending {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row before in its sequence, and this one.
        rows: [u64; 2],
        /// The values of both.
        values: [String; 2],
        /// Whether columns tell sequences apart.
        by: bool,
        /// The file of the row before, if it is another one.
        earlier: Option<PathBuf>,
    },
    /// A row has no place in the order.
    #[error("{path}: row {row} has no value in {column:?}, which orders the rows")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The row.
        row: u64,
    },
}

impl From<OrderFault> for Error {
    fn from(fault: OrderFault) -> Self {
        Self::Order(fault.into())
    }
}
