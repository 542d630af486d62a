//! What can be wrong with a model file.

use super::Foreign;

/// What makes a model file unusable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFault {
    /// Not a safetensors file, truncated, or with a header that lies.
    #[error("{0}")]
    Format(Foreign),
    /// A directory, device or pipe.
    #[error("not a regular file")]
    NotFile,
    /// The file is larger than any model this version writes.
    #[error("{bytes} bytes are more than the {limit} a model may have")]
    Size {
        /// Bytes found.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A safetensors file of something else.
    #[error("a safetensors file without the metadata key \"vaepipe\"")]
    NotOurs,
    /// Written by a newer version.
    #[error("format version {found}, but this program reads up to {known}")]
    Version {
        /// Version found.
        found: u64,
        /// Newest version known.
        known: u64,
    },
    /// The metadata is not what the schema says.
    #[error("metadata: {0}")]
    Metadata(Foreign),
    /// The metadata contradicts itself.
    #[error("metadata: {0}")]
    Contradiction(String),
    /// A tensor is missing.
    #[error("tensor {name:?} is missing")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// A tensor nobody asked for.
    #[error("tensor {name:?} is not part of the network")]
    UnknownTensor {
        /// Its name.
        name: String,
    },
    /// A tensor of the wrong shape or type.
    #[error("tensor {name:?} is {found}, but the network needs {expected}")]
    Tensor {
        /// Its name.
        name: String,
        /// Type and shape found.
        found: String,
        /// Type and shape needed.
        expected: String,
    },
    /// A weight is NaN or infinite.
    #[error("tensor {name:?} holds a value that is not finite")]
    NotFinite {
        /// The tensor's name.
        name: String,
    },
}
