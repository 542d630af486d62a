//! The options of the commands that decode latents: generate, reconstruct, traverse.

use super::{GivenValue, OrderConfig, OutputConfig, within};
use crate::error::Result;

/// How rows are drawn from a model.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
#[non_exhaustive]
pub struct GenerateConfig {
    /// Seed of the draws.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = 0))]
    pub seed: u64,
    /// Spread of the draws, 0 to 10: 1 is that of the data, less gives more typical rows, 0 the most likely row.
    ///
    /// Standard deviations are multiplied by it, and probabilities raised to 1 over it.
    #[cfg_attr(feature = "cli", arg(long, value_name = "T", default_value_t = 1.0))]
    pub temperature: f64,
    /// Draw sequences of N rows, 1 to 100000, in which each row follows from those before it. For a model of rows in order.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub steps: Option<u64>,
    /// Draw from the standard normal prior instead of the density fitted to the latents.
    #[cfg_attr(feature = "cli", arg(long))]
    pub prior: bool,
    /// Fix given columns, like device=7,site=north, or parts of given times, like hour=3 or ts.weekday=monday; other given columns are drawn from training rows.
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL=VALUE,...", value_delimiter = ','))]
    pub at: Vec<GivenValue>,
    /// Leave out values as often as the training data did.
    #[cfg_attr(feature = "cli", arg(long))]
    pub nulls: bool,
    /// How the output is written.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub output: OutputConfig,
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            temperature: 1.0,
            steps: None,
            prior: false,
            at: Vec::new(),
            nulls: false,
            output: OutputConfig::default(),
        }
    }
}

impl GenerateConfig {
    /// The longest sequence.
    pub const MOST_STEPS: u64 = 100_000;

    /// Rows as the data, without missing values, with seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        within("temperature", Some(self.temperature), "0 to 10", |v| (0.0..=10.0).contains(&v))?;
        within("steps", self.steps, "1 to 100000", |v| (1..=Self::MOST_STEPS).contains(&v))?;
        let alone = (self.prior && self.steps.is_some()).then_some(true);
        within("prior", alone, "left out, since sequences are drawn by the windows of training rows", |_| false)?;
        self.output.check()
    }
}

/// Options of a reconstruction.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
#[non_exhaustive]
pub struct ReconstructConfig {
    /// Take the latents from the columns z_0 ..., even if the learned columns exist.
    #[cfg_attr(feature = "cli", arg(long))]
    pub latents: bool,
    /// The prefix that the transform put before the names of these columns.
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", default_value = "", hide_default_value = true))]
    pub prefix: String,
    /// How rows in order are read.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub order: OrderConfig,
    /// How the output is written.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub output: OutputConfig,
}

impl ReconstructConfig {
    /// From the learned columns, if they exist.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Which places along the dimensions of the latent space are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(clap::Args), command(next_help_heading = "Output"))]
#[non_exhaustive]
pub struct TraverseConfig {
    /// Places along each dimension, 2 to 10,000.
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", default_value_t = Self::STEPS))]
    pub steps: usize,
    /// Fix given columns, like device=7,site=north, or parts of given times, like hour=3 or ts.weekday=monday; other given columns are those of a typical training row.
    #[cfg_attr(feature = "cli", arg(long, value_name = "COL=VALUE,...", value_delimiter = ','))]
    pub at: Vec<GivenValue>,
    /// Put this before the names of the columns `dimension` and `z`.
    #[cfg_attr(feature = "cli", arg(long, value_name = "NAME", default_value = "", hide_default_value = true))]
    pub prefix: String,
    /// How the output is written.
    #[cfg_attr(feature = "cli", arg(skip))]
    pub output: OutputConfig,
}

impl Default for TraverseConfig {
    fn default() -> Self {
        Self { steps: Self::STEPS, at: Vec::new(), prefix: String::new(), output: OutputConfig::default() }
    }
}

impl TraverseConfig {
    /// The default number of places along each dimension.
    pub const STEPS: usize = 13;

    /// The defaults: every half from -3 to 3.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        within("steps", Some(self.steps), "2 to 10000", |v| (2..=10_000).contains(&v))?;
        self.output.check()
    }
}
