//! The options of an imputation.

use super::{OrderConfig, OutputConfig, within};
use crate::error::Result;

/// How missing values are filled, and which columns are added.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
#[non_exhaustive]
pub struct ImputeConfig {
    /// Fill only these columns: names, globs, or re:REGEX [default: all that the model learned]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL,...", value_delimiter = ',', help_heading = "Columns"))]
    pub columns: Vec<String>,
    /// Draws to average for each filled value; more are slower and steadier.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::SAMPLES))]
    pub samples: usize,
    /// Add COL_draw_0 ...: N draws of every filled column.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 0))]
    pub draws: usize,
    /// Add COL_low and COL_high for every filled number: an interval that holds its value with this probability [default:
    /// none]
    #[cfg_attr(feature = "cli", arg(long, value_name = "LEVEL"))]
    pub intervals: Option<f64>,
    /// Add COL_imputed, true where a value was filled.
    #[cfg_attr(feature = "cli", arg(long))]
    pub flag: bool,
    /// Put this before the name of every new column.
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", default_value = "", hide_default_value = true))]
    pub prefix: String,
    /// How rows in order are read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub order: OrderConfig,
    /// How the output is written.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub output: OutputConfig,
}

impl Default for ImputeConfig {
    fn default() -> Self {
        Self {
            columns: Vec::new(),
            samples: Self::SAMPLES,
            draws: 0,
            intervals: None,
            flag: false,
            prefix: String::new(),
            order: OrderConfig::default(),
            output: OutputConfig::default(),
        }
    }
}

impl ImputeConfig {
    /// The default number of draws from the posterior of a row.
    pub const SAMPLES: usize = 256;

    /// Fills missing values and adds no column.
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
        self.output.check()
    }
}
