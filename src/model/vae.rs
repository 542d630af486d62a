//! A network with fixed weights: rows in, what the model says of them out.

#![forbid(unsafe_code)]

use super::autograd::Graph;
use super::kernels::Encoder;
use super::network::Network;
use super::parameters::Weights;
use crate::batch::Batch;
use crate::error::Result;
use crate::layout::Layout;

/// What the model says of encoded rows. Vectors are a value a row unless a shape is given.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Encoded {
    /// Width of the latent space.
    pub latent_dim: usize,
    /// Elements of the row vector.
    pub features: usize,
    /// Posterior mean, `[rows, latent_dim]`.
    pub mean: Vec<f32>,
    /// Posterior log-variance, `[rows, latent_dim]`.
    pub log_variance: Vec<f32>,
    /// Squared error of the reconstruction at the posterior mean, summed over known elements, on the model's scale.
    pub squared_error: Vec<f32>,
    /// Negative log-likelihood of the row at the posterior mean, summed over known elements, in nats.
    pub nll: Vec<f32>,
    /// KL divergence of the posterior from the prior, in nats.
    pub kl: Vec<f32>,
    /// Number of known elements.
    pub known: Vec<f32>,
}

/// The network, ready to encode.
pub(crate) enum Vae {
    /// On the CPU.
    Kernels(Encoder),
    /// On another device.
    Autograd(Graph),
}

impl Vae {
    /// The network with weights of the names and shapes of [`parameters`](super::parameters()).
    pub(crate) fn new(
        layout: &Layout,
        network: &Network,
        weights: &Weights,
        device: &candle_core::Device,
    ) -> Result<Self> {
        Ok(if device.is_cpu() {
            Self::Kernels(Encoder::new(layout, network, weights))
        } else {
            Self::Autograd(Graph::frozen(layout, network, weights, device)?)
        })
    }

    /// Appends the decoder's output for latents, `[rows, latent_dim]`, to `into`: `[rows, outputs]`.
    pub(crate) fn decode(&self, z: &[f32], into: &mut Vec<f32>) -> Result<()> {
        match self {
            Self::Kernels(encoder) => encoder.decode(z, into),
            Self::Autograd(graph) => graph.decode_rows(z, into)?,
        }
        Ok(())
    }

    /// Encodes rows and scores their reconstruction at the posterior mean. Draws nothing.
    pub(crate) fn encode(&self, batch: &Batch) -> Result<Encoded> {
        match self {
            Self::Kernels(encoder) => Ok(encoder.encode(batch)),
            Self::Autograd(graph) => graph.encode(batch),
        }
    }
}
