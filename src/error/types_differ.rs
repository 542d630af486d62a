//! The error of a column whose types in two files do not meet.

#![forbid(unsafe_code)]

use super::Place;

/// Two files store a column with types that do not meet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: is {found}, but {expected}, and no type holds both")]
#[non_exhaustive]
pub struct TypesDiffer {
    /// The column in the file.
    pub place: Place,
    /// Its type there.
    pub found: String,
    /// Its type in another file, and that file.
    pub expected: String,
}
