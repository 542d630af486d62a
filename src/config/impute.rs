//! Options of an imputation.

use super::{check_threads, within};
use crate::error::Result;

/// Options of an imputation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ImputeConfig {
    /// Draws from the posterior of a row, 1 to 100,000.
    pub samples: usize,
    /// Add `COL_draw_0` …, this many draws of every filled column from its distribution given the rest of the row.
    pub draws: usize,
    /// Add `COL_low` and `COL_high` for every filled number, an interval that holds the value with this probability.
    pub intervals: Option<f64>,
    /// Add `COL_imputed`, a Boolean, of every filled column.
    pub flag: bool,
    /// Prefix of the names of new columns.
    pub prefix: String,
    /// Replace an existing output.
    pub force: bool,
    /// Worker threads; `None` takes the machine's. Never changes a number.
    pub threads: Option<usize>,
}

impl Default for ImputeConfig {
    fn default() -> Self {
        let (draws, intervals, flag, prefix, force, threads) = (0, None, false, String::new(), false, None);
        Self { samples: Self::SAMPLES, draws, intervals, flag, prefix, force, threads }
    }
}

impl ImputeConfig {
    /// The default of [`samples`](Self::samples).
    pub const SAMPLES: usize = 256;

    /// The defaults: only the filled columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        within("samples", Some(self.samples), "1 to 100000", |v| (1..=100_000).contains(&v))?;
        within("draws", Some(self.draws), "0 to 1000", |v| v <= 1000)?;
        within("intervals", self.intervals, "between 0 and 1", |v| v > 0.0 && v < 1.0)?;
        check_threads(self.threads)
    }
}
