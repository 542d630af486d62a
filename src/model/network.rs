//! The shape of the network.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use crate::config::Activation;
use crate::feature::Layout;

/// Bounds of the posterior's log-variance: a smaller one would be more exact than the data, a larger one is far wider
/// than the prior.
pub(crate) const LOG_VARIANCE: (f32, f32) = (-8.0, 4.0);

/// The shape of the network between the row vector and the latents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Network {
    /// Widths of the encoder's hidden layers; the decoder mirrors them.
    pub hidden: Vec<usize>,
    /// Width of the latent space.
    pub latent_dim: usize,
    /// Nonlinearity after every hidden layer.
    pub activation: Activation,
    /// Lower bound of the learned log-variance of numbers, on the model's scale. Without it, a number that hardly
    /// varies would dominate the likelihood.
    pub noise_floor: f64,
}

impl Network {
    /// Number of weights and biases; saturates.
    pub(crate) fn parameters(&self, layout: &Layout) -> usize {
        let (inputs, outputs, given) = (layout.encoder_inputs(), layout.outputs(), layout.given().inputs());
        let layer = |inputs: usize, outputs: usize| inputs.saturating_add(1).saturating_mul(outputs);
        let stack =
            |widths: &[usize]| widths.windows(2).map(|pair| layer(pair[0], pair[1])).fold(0, usize::saturating_add);
        let last = self.hidden.last().copied().unwrap_or(inputs);
        let first = self.hidden.first().copied().unwrap_or(self.latent_dim + given);
        [
            stack(&self.encoder(inputs)),
            layer(last, self.latent_dim),
            layer(last, self.latent_dim),
            stack(&self.decoder(given)),
            layer(first, outputs),
        ]
        .into_iter()
        .fold(0, usize::saturating_add)
    }

    /// Widths from the row vector to the last hidden layer.
    pub(super) fn encoder(&self, inputs: usize) -> Vec<usize> {
        std::iter::once(inputs).chain(self.hidden.iter().copied()).collect()
    }

    /// Widths from the latents and so many given inputs to the last hidden layer.
    pub(super) fn decoder(&self, given: usize) -> Vec<usize> {
        std::iter::once(self.latent_dim + given).chain(self.hidden.iter().rev().copied()).collect()
    }
}
