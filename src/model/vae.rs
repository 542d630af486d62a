//! A network with fixed weights, on the CPU or on another device.

#![forbid(unsafe_code)]

use super::encoded::Encoded;
use super::kernels::Encoder;
use super::network::Network;
use super::parameters::Weights;
use super::tensors::TensorEncoder;
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::Layout;

/// The network, ready to encode.
pub(crate) enum Vae {
    /// On the CPU.
    Kernels(Box<Encoder>),
    /// On another device.
    Tensors(Box<TensorEncoder>),
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
            Self::Kernels(Box::new(Encoder::new(layout, network, weights)))
        } else {
            Self::Tensors(Box::new(TensorEncoder::new(layout, network, weights, device)?))
        })
    }

    /// Appends the decoder's output for latents, `[rows, latent_dim]`, and the given inputs of each, to `into`: `[rows, outputs]`.
    pub(crate) fn decode(&self, z: &[f32], given: &[f32], into: &mut Vec<f32>) -> Result<()> {
        match self {
            Self::Kernels(encoder) => encoder.decode(z, given, into),
            Self::Tensors(encoder) => encoder.decode(z, given, into)?,
        }
        Ok(())
    }

    /// Encodes rows and scores their reconstruction at the posterior mean. Draws nothing.
    pub(crate) fn encode(&self, batch: &Batch) -> Result<Encoded> {
        match self {
            Self::Kernels(encoder) => Ok(encoder.encode(batch, None)),
            Self::Tensors(encoder) => encoder.encode(batch, None),
        }
    }

    /// The same, with the decoder's output at the posterior means, `[rows, outputs]`.
    pub(crate) fn encode_and_decode(&self, batch: &Batch) -> Result<(Encoded, Vec<f32>)> {
        let mut outputs = Vec::new();
        let encoded = match self {
            Self::Kernels(encoder) => encoder.encode(batch, Some(&mut outputs)),
            Self::Tensors(encoder) => encoder.encode(batch, Some(&mut outputs))?,
        };
        Ok((encoded, outputs))
    }

    /// The posterior mean and log-variance alone, `[rows, latent_dim]` each: half the work.
    pub(crate) fn posterior(&self, batch: &Batch) -> Result<[Vec<f32>; 2]> {
        match self {
            Self::Kernels(encoder) => Ok(encoder.posterior(batch)),
            Self::Tensors(encoder) => encoder.posterior(batch),
        }
    }
}
