//! The error of a fit that made its base model worse.

#![forbid(unsafe_code)]

use std::path::PathBuf;

/// The new model is worse than the base model on calibration rows.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{path}: the fit made it worse: {before:.4} nats a row before and {after:.4} after, on {rows} rows")]
#[non_exhaustive]
pub struct Worse {
    /// The base model.
    pub path: PathBuf,
    /// Loss of the base model, nats a row.
    pub before: f64,
    /// Loss of the new model, nats a row.
    pub after: f64,
    /// Number of calibration rows.
    pub rows: usize,
}
