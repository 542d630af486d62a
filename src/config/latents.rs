//! What the user asks of a model's latents: rows drawn, rebuilt, or along its dimensions.

use super::within;
use crate::error::Result;

/// How rows are drawn.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GenerateConfig {
    /// Decides the draws.
    pub seed: u64,
    /// How far draws go from the middle, 0 to 10: standard deviations are multiplied by it, and probabilities raised to 1
    /// over it. 1 is as the data; 0 gives the most likely values of the density's centres.
    pub temperature: f64,
    /// Draw from the prior, also where a density fitted to the latents explained held-out rows better.
    pub prior: bool,
    /// Leave out values at the rate at which each column missed them at fit.
    pub nulls: bool,
    /// Replace an existing output.
    pub force: bool,
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self { seed: 0, temperature: 1.0, prior: false, nulls: false, force: false }
    }
}

impl GenerateConfig {
    /// Rows as the data, without missing values, of seed 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        within("temperature", Some(self.temperature), "0 to 10", |v| (0.0..=10.0).contains(&v))
    }
}

/// How rows are rebuilt from their latents.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ReconstructConfig {
    /// Take the latents from the columns `z_i`, also where the learned columns are there.
    pub latents: bool,
    /// What the names of these columns begin with.
    pub prefix: String,
    /// Replace an existing output.
    pub force: bool,
}

impl ReconstructConfig {
    /// From the learned columns, if they are there.
    pub fn new() -> Self {
        Self::default()
    }
}

/// Where walks through the latent space halt.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraverseConfig {
    /// Places along each dimension, 2 to 10,000.
    pub steps: usize,
    /// Put before the names of the columns that say where a row is.
    pub prefix: String,
    /// Replace an existing output.
    pub force: bool,
}

impl Default for TraverseConfig {
    fn default() -> Self {
        Self { steps: Self::STEPS, prefix: String::new(), force: false }
    }
}

impl TraverseConfig {
    /// Places along each dimension, unless more or fewer are asked for.
    pub const STEPS: usize = 13;

    /// Every half from -3 to 3.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        within("steps", Some(self.steps), "2 to 10000", |v| (2..=10_000).contains(&v))
    }
}
