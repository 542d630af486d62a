//! The options a fit used, as the model stores them.

use serde::{Deserialize, Serialize};

use super::{Preset, Scale};
use crate::numerics::RandomStream;

/// The resolved options of a fit, as stored in the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Training {
    /// The set of defaults.
    pub preset: Preset,
    /// Scaling of numbers.
    pub scale: Scale,
    /// Whether the encoder has an indicator of missing values.
    pub missing_indicator: bool,
    /// Share of the known values that each step hides from the encoder.
    pub mask_rate: f64,
    /// Most passes over the training rows; the last one may be cut short.
    pub epochs: usize,
    /// Gradient steps of a full epoch.
    pub steps_per_epoch: usize,
    /// Gradient steps of all epochs: the horizon of the cosine decay.
    pub steps: usize,
    /// Most rows of a step.
    pub batch_size: usize,
    /// Rows of a gradient shard; shards are summed in order.
    pub shard_rows: usize,
    /// Highest learning rate.
    pub lr: f64,
    /// KL weight after the warm-up.
    pub beta: f64,
    /// Share of the step budget over which the KL weight rises.
    pub kl_warmup: f64,
    /// Free nats of KL per latent dimension.
    pub free_bits: f64,
    /// Largest global gradient norm; 0 is off.
    pub clip_norm: f64,
    /// Share of each batch left out of the gradient.
    pub trim: f64,
    /// Epochs without improvement before training stops; 0 is never.
    pub patience: usize,
    /// Share of rows asked to be held out.
    pub val_fraction: f64,
    /// Nearest neighbours of a training row that are kept near to it in the latents; 0 is none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub neighbors: usize,
    /// Weight of the loss that keeps them there, times the elements of the row vector.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub neighbor_weight: f64,
    /// Standard deviation of the noise on the numbers that the encoder sees in training, on the model's scale.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub input_noise: f64,
    /// Number of networks, whose scores are averaged.
    pub members: usize,
    /// The seed.
    pub seed: u64,
    /// Rows shuffled together.
    pub shuffle_rows: u64,
}

/// Whether an option is off, and left out of a model.
fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Training {
    /// Most networks.
    pub(crate) const MOST_MEMBERS: usize = 64;

    /// Most rows of a step on `rows` rows: those of a batch, and with neighbours as many more, which make pairs.
    pub(crate) fn step_rows(&self, rows: usize) -> usize {
        self.batch_size.min(rows) * if self.neighbors > 0 { 2 } else { 1 }
    }

    /// The seed of weights and noise of network `n`; the first network has the seed of the fit.
    pub(crate) fn member_seed(&self, n: usize) -> u64 {
        if n == 0 { self.seed } else { RandomStream::new(self.seed, "members").bits(n as u64) }
    }
}
