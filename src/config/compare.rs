//! Options of a comparison of two models on rows.

use super::{OrderConfig, within};
use crate::error::Result;

/// Options of a comparison of two models on rows.
///
/// ```
/// use vaepipe::CompareConfig;
/// let mut config = CompareConfig::new();
/// config.top = 50;
/// assert!(config.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
#[non_exhaustive]
pub struct CompareConfig {
    /// Rows to list, of those that differ most: other verdicts first, then p-values that differ by the largest factor.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 10))]
    pub top: usize,
    /// Columns to name for each score of a listed row, those that raise it most.
    #[cfg_attr(feature = "cli", arg(long, value_name = "K", default_value_t = 3))]
    pub explain: usize,
    /// How rows in order are read: a history by each model of such rows. Rows are sorted only if both models order them by the
    /// same column.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub order: OrderConfig,
}

impl Default for CompareConfig {
    fn default() -> Self {
        Self { top: 10, explain: 3, order: OrderConfig::default() }
    }
}

impl CompareConfig {
    /// The defaults: ten rows, with three columns each.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        within("top", Some(self.top), "0 to 1000", |v| v <= 1000)?;
        within("explain", Some(self.explain), "0 to 1000", |v| v <= 1000)
    }
}
