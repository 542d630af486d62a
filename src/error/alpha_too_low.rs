//! The error of a decision that no row can meet.

#![forbid(unsafe_code)]

/// No p-value of the model is as low as the decision asks.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "no row can be an anomaly: p-values are {least:.2} at least, from {rows} calibration rows, and alpha is {alpha}"
)]
#[non_exhaustive]
pub struct AlphaTooLow {
    /// The p-value that an anomaly needs.
    pub alpha: f64,
    /// The lowest p-value of the model.
    pub least: f64,
    /// Number of calibration rows.
    pub rows: u64,
}
