//! Options of generation, reconstruction and traversal.

use super::{check_threads, within};
use crate::error::Result;

/// Options of generation.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GenerateConfig {
    /// Decides the draws.
    pub seed: u64,
    /// Temperature of the draws, 0 to 10: standard deviations are multiplied by it, and probabilities raised to 1 over it. 1
    /// is like the data; 0 gives the most likely values of the density's centres.
    pub temperature: f64,
    /// Draw from the prior, even if the model has a density fitted to the latents.
    pub prior: bool,
    /// Leave out values at the rate of missing values that each column had at fit.
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
    /// The defaults: rows like the data, without missing values, of seed 0.
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

/// Options of a reconstruction.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ReconstructConfig {
    /// Take the latents from the columns `z_i`, even if the learned columns exist.
    pub latents: bool,
    /// Prefix of the names of these columns.
    pub prefix: String,
    /// Replace an existing output.
    pub force: bool,
    /// Worker threads; `None` takes the machine's. Never changes a number.
    pub threads: Option<usize>,
}

impl ReconstructConfig {
    /// The defaults: from the learned columns, if they exist.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks every option against its range.
    ///
    /// # Errors
    /// [`Error::OptionRange`](crate::Error::OptionRange) for the first option outside it.
    pub fn check(&self) -> Result<()> {
        check_threads(self.threads)
    }
}

/// Options of a traversal of the latent space.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraverseConfig {
    /// Places along each dimension, 2 to 10,000.
    pub steps: usize,
    /// Prefix of the names of the columns with a row's place.
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
    /// The default of [`steps`](Self::steps).
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
        within("steps", Some(self.steps), "2 to 10000", |v| (2..=10_000).contains(&v))
    }
}
