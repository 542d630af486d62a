//! Why a model file is not usable.

use super::Foreign;

/// Why a model file is not usable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFault {
    /// It is not a safetensors file, or it is truncated or damaged.
    #[error("{0}")]
    Format(Foreign),
    /// It is a directory, device or pipe.
    #[error("not a regular file")]
    NotFile,
    /// It is larger than any model this version writes.
    #[error("it has {bytes} bytes, but a model has at most {limit}")]
    Size {
        /// Bytes of the file.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// It is a safetensors file of another program.
    #[error("a safetensors file without the metadata key \"vaepipe\"")]
    NotOurs,
    /// A newer version wrote it.
    #[error("format version {found}, but this program reads up to {known}")]
    Version {
        /// Version found.
        found: u64,
        /// Newest version known.
        known: u64,
    },
    /// The metadata does not follow the schema.
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
    /// A tensor is not part of the network.
    #[error("tensor {name:?} is not part of the network")]
    UnknownTensor {
        /// Its name.
        name: String,
    },
    /// A tensor has the wrong shape or type.
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
