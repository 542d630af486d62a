//! What the rest of a row says of the values it misses: a mixture of the decoder's answers to draws from the posterior,
//! each weighted by how well it explains what is known (Mattei & Frellsen 2019, "MIWAE: Deep generative modelling and
//! imputation of incomplete data sets", section 4).

use std::sync::Arc;

use super::heads::{Heads, Losses};
use super::network::Network;
use super::parameters::Weights;
use super::vae::Vae;
use crate::error::Result;
use crate::layout::Layout;
use crate::normal::normal_rank;
use crate::random::{Stream, mix};

/// Draws from the posterior of rows.
pub(crate) struct Sampler {
    vae: Arc<Vae>,
    latent_dim: usize,
    heads: Heads,
}

/// The weighted answers for one row, in buffers that are kept from row to row.
#[derive(Debug, Default)]
pub(crate) struct Mixture {
    /// `[samples]`; they sum to 1.
    pub(crate) weights: Vec<f64>,
    /// `[samples, outputs]`.
    outputs: Vec<f32>,
    noise: Vec<f32>,
    z: Vec<f32>,
    /// The row, once a sample.
    x: Vec<f32>,
    known: Vec<f32>,
    losses: Losses,
}

/// A row as a batch and its encoding have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    /// `[inputs]`.
    pub(crate) x: &'a [f32],
    /// `[inputs]`: 1 where known.
    pub(crate) known: &'a [f32],
    /// Posterior mean, `[latent_dim]`.
    pub(crate) mean: &'a [f32],
    /// Posterior log-variance, `[latent_dim]`.
    pub(crate) log_variance: &'a [f32],
}

impl Row<'_> {
    /// A number for what is known of the row, and what is not: the same wherever the row is met.
    pub(crate) fn key(&self) -> u64 {
        let cells = self.x.iter().zip(self.known);
        let bits = cells.map(|(x, known)| if *known > 0.0 { u64::from(x.to_bits()) } else { u64::MAX });
        bits.fold(0, |key, bits| mix(key.rotate_left(7) ^ bits))
    }
}

impl Sampler {
    /// # Panics
    /// If a parameter of a likelihood is missing, which a model's are not.
    pub(crate) fn new(vae: Arc<Vae>, layout: &Layout, network: &Network, weights: &Weights) -> Self {
        Self { vae, latent_dim: network.latent_dim, heads: Heads::new(layout, network, weights) }
    }

    /// Width of the latent space.
    pub(crate) fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    /// Draws `samples` times from the posterior of a row; the draws are the stream's.
    pub(crate) fn sample(&self, row: Row<'_>, samples: usize, noise: Stream, mixture: &mut Mixture) -> Result<()> {
        let Row { x, known, mean, log_variance } = row;
        let Mixture { weights, outputs: output, noise: drawn, z, x: rows, known: rows_known, losses } = mixture;
        drawn.resize(samples * self.latent_dim, 0.0);
        noise.normals(drawn);
        z.clear();
        for drawn in drawn.chunks_exact(self.latent_dim) {
            let posterior = mean.iter().zip(log_variance);
            z.extend(drawn.iter().zip(posterior).map(|(noise, (mean, s))| mean + noise * (s / 2.0).exp()));
        }
        output.clear();
        self.vae.decode(z, output)?;

        rows.clear();
        rows_known.clear();
        for _ in 0..samples {
            rows.extend_from_slice(x);
            rows_known.extend_from_slice(known);
        }
        self.heads.losses(rows, rows_known, output, losses);
        // ln p(known | z) + ln p(z) - ln q(z | known), but for what all samples share.
        let of_latents = z.chunks_exact(self.latent_dim).zip(drawn.chunks_exact(self.latent_dim));
        let ratio = |z: &[f32], drawn: &[f32]| -> f64 {
            z.iter().zip(drawn).map(|(z, noise)| 0.5 * (f64::from(*noise).powi(2) - f64::from(*z).powi(2))).sum()
        };
        weights.clear();
        weights.extend(of_latents.zip(losses.nll()).map(|((z, drawn), nll)| ratio(z, drawn) - f64::from(nll)));
        let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        weights.iter_mut().for_each(|weight| *weight = (*weight - most).exp());
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Ok(())
    }

    /// The value to put where an element is missing: what is expected of it, in a class that `reads` takes.
    pub(crate) fn fill(&self, mixture: &Mixture, element: usize, reads: &dyn Fn(usize) -> bool) -> f32 {
        let (mut each, mut sum) = (Vec::new(), Vec::new());
        for (weight, output) in mixture.weights.iter().zip(mixture.outputs.chunks_exact(self.outputs())) {
            self.heads.probabilities(element, output, &mut each);
            sum.resize(each.len(), 0.0);
            sum.iter_mut().zip(&each).for_each(|(sum, each)| *sum += weight * f64::from(*each));
        }
        let expected: Vec<f32> = sum.into_iter().map(|sum| sum as f32).collect();
        self.heads.fill(element, &expected, reads)
    }

    /// A value drawn for an element, given one sample.
    pub(crate) fn draw(
        &self,
        mixture: &Mixture,
        element: usize,
        sample: usize,
        reads: &dyn Fn(usize) -> bool,
        noise: Stream,
    ) -> f32 {
        let mut expected = Vec::new();
        self.heads.probabilities(element, &mixture.outputs[sample * self.outputs()..], &mut expected);
        self.heads.draw(element, &expected, reads, noise)
    }

    /// Standard deviation of a number about its mean; `None` of anything else.
    pub(crate) fn deviation(&self, element: usize) -> Option<f32> {
        self.heads.deviation(element)
    }

    /// Width of the decoder's output.
    fn outputs(&self) -> usize {
        self.heads.layout().outputs()
    }

    /// The place of a number below which a share `p` of the mixture lies, where every answer is spread by `deviation`.
    pub(crate) fn quantile(&self, mixture: &Mixture, element: usize, deviation: f64, p: f64) -> f64 {
        let at = self.heads.layout().spans()[element].output.start;
        let centers = || mixture.outputs.iter().skip(at).step_by(self.outputs()).map(|&center| f64::from(center));
        let below = |x: f64| -> f64 {
            mixture.weights.iter().zip(centers()).map(|(w, center)| w * normal_rank((x - center) / deviation)).sum()
        };
        let (mut low, mut high) = centers().fold((f64::MAX, f64::MIN), |(low, high), c| (low.min(c), high.max(c)));
        (low, high) = (low - 6.0 * deviation, high + 6.0 * deviation);
        for _ in 0..40 {
            let middle = (low + high) / 2.0;
            if below(middle) < p { low = middle } else { high = middle }
        }
        (low + high) / 2.0
    }

    /// The sample a uniform number falls on.
    pub(crate) fn pick(mixture: &Mixture, uniform: f64) -> usize {
        let mut left = uniform;
        let falls = |weight: &f64| {
            left -= weight;
            left < 0.0
        };
        mixture.weights.iter().position(falls).unwrap_or(mixture.weights.len().saturating_sub(1))
    }
}
