//! Missing values given the known ones: a mixture of the decoder's outputs at draws from the posterior, each weighted
//! by how well it explains the known values (Mattei & Frellsen 2019, "MIWAE: Deep generative modelling and imputation
//! of incomplete data sets", section 4).

#![forbid(unsafe_code)]

use std::sync::Arc;

use super::heads::{Heads, Losses};
use super::network::Network;
use super::parameters::Weights;
use super::vae::Vae;
use crate::error::Result;
use crate::feature::Layout;
use crate::numerics::{Mixture, RandomStream, hash, softmax};

/// Rows decoded together, about: a few blocks.
const DECODE_ROWS: usize = 1024;

/// Draws from the posterior of rows.
pub(crate) struct Sampler {
    vae: Arc<Vae>,
    latent_dim: usize,
    heads: Heads,
}

/// Draws for several rows and their decoder outputs, in buffers for reuse.
#[derive(Debug, Default)]
pub(crate) struct Draws {
    /// Draws per row.
    samples: usize,
    /// `[rows, samples]`; those of a row sum to 1.
    weights: Vec<f32>,
    /// `[rows, samples, outputs]`.
    outputs: Vec<f32>,
    /// `[rows, samples, latent_dim]`.
    noise: Vec<f32>,
    z: Vec<f32>,
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
    /// What the network is given.
    pub(crate) given: &'a [f32],
}

impl Row<'_> {
    /// A hash of the known and given values and of which are missing: the same in any batch.
    pub(crate) fn key(&self) -> u64 {
        let cells = self.x.iter().zip(self.known);
        let bits = cells.map(|(x, known)| if *known > 0.0 { u64::from(x.to_bits()) } else { u64::MAX });
        hash(bits.chain(self.given.iter().map(|given| u64::from(given.to_bits()))))
    }
}

impl Sampler {
    /// A sampler of a network.
    ///
    /// # Panics
    /// If a parameter of a likelihood is missing; a model has all.
    pub(crate) fn new(vae: Arc<Vae>, layout: &Layout, network: &Network, weights: &Weights) -> Self {
        Self { vae, latent_dim: network.latent_dim, heads: Heads::new(layout, network, weights) }
    }

    /// Width of the latent space.
    pub(crate) fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    /// Rows to draw for at once, so that few blocks of the decoder are padded.
    pub(crate) fn rows(samples: usize) -> usize {
        (DECODE_ROWS / samples).max(1)
    }

    /// Draws `samples` times from the posterior of each row, with the random numbers of its stream.
    pub(crate) fn sample(&self, rows: &[(Row<'_>, RandomStream)], samples: usize, draws: &mut Draws) -> Result<()> {
        let (k, outputs) = (self.latent_dim, self.heads.layout().outputs());
        let Draws { weights, outputs: output, noise, z, losses, .. } = draws;
        draws.samples = samples;
        noise.resize(rows.len() * samples * k, 0.0);
        z.clear();
        for ((row, stream), noise) in rows.iter().zip(noise.chunks_exact_mut(samples * k)) {
            stream.normals(noise);
            let deviation: Vec<f32> = row.log_variance.iter().map(|s| (s / 2.0).exp()).collect();
            for noise in noise.chunks_exact(k) {
                z.extend(noise.iter().zip(row.mean.iter().zip(&deviation)).map(|(noise, (mean, d))| mean + noise * d));
            }
        }
        output.clear();
        let given = rows.iter().flat_map(|(row, _)| std::iter::repeat_n(row.given, samples)).flatten().copied();
        self.vae.decode(z, &given.collect::<Vec<f32>>(), output)?;

        weights.clear();
        let of_rows = z.chunks_exact(samples * k).zip(noise.chunks_exact(samples * k));
        for ((row, _), ((z, noise), output)) in rows.iter().zip(of_rows.zip(output.chunks_exact(samples * outputs))) {
            self.heads.losses(row.x, row.known, output, losses);
            weights.extend(importance(z.chunks_exact(k).zip(noise.chunks_exact(k)), losses));
        }
        Ok(())
    }

    /// Writes the outputs for an element of the given row into `mixture`.
    pub(crate) fn answers(&self, draws: &Draws, row: usize, element: usize, mixture: &mut Mixture) {
        let (samples, outputs) = (draws.samples, self.heads.layout().outputs());
        let range = self.heads.layout().spans()[element].output.clone();
        mixture.weights.clear();
        mixture.weights.extend_from_slice(&draws.weights[row * samples..][..samples]);
        mixture.answers.clear();
        for output in draws.outputs[row * samples * outputs..].chunks_exact(outputs).take(samples) {
            mixture.answers.extend_from_slice(&output[range.clone()]);
        }
    }

    /// The value that fills a missing element: its expected value; of classes only those that `reads` accepts.
    pub(crate) fn fill(&self, mixture: &Mixture, element: usize, reads: &dyn Fn(usize) -> bool) -> f32 {
        let width = self.heads.layout().spans()[element].output.len();
        let (mut each, mut sum) = (vec![0.0; width], vec![0.0; width]);
        for (&weight, answer) in mixture.weights.iter().zip(mixture.answers.chunks_exact(width)) {
            self.heads.mean(element, answer, &mut each);
            sum.iter_mut().zip(&each).for_each(|(sum, each)| *sum += f64::from(weight) * f64::from(*each));
        }
        let expected: Vec<f32> = sum.into_iter().map(|sum| sum as f32).collect();
        self.heads.fill(element, &expected, reads)
    }

    /// A value drawn for an element from the component that `uniform` falls on.
    pub(crate) fn draw(
        &self,
        mixture: &Mixture,
        element: usize,
        uniform: f64,
        reads: &dyn Fn(usize) -> bool,
        noise: RandomStream,
    ) -> f32 {
        let width = self.heads.layout().spans()[element].output.len();
        let mut expected = vec![0.0; width];
        self.heads.mean(element, &mixture.answers[mixture.pick(uniform) * width..][..width], &mut expected);
        self.heads.draw(element, &expected, reads, noise)
    }

    /// Standard deviation of a number; `None` for anything else.
    pub(crate) fn deviation(&self, element: usize) -> Option<f32> {
        self.heads.deviation(element)
    }
}

/// The importance weights of draws, p(known | z) p(z) / q(z | known), normalized to a sum of 1.
fn importance<'a>(draws: impl Iterator<Item = (&'a [f32], &'a [f32])>, losses: &Losses) -> impl Iterator<Item = f32> {
    let ratio = |(z, noise): (&[f32], &[f32])| -> f64 {
        z.iter().zip(noise).map(|(z, noise)| 0.5 * (f64::from(*noise).powi(2) - f64::from(*z).powi(2))).sum()
    };
    let log: Vec<f64> = draws.map(ratio).zip(losses.nll()).map(|(ratio, nll)| ratio - f64::from(nll)).collect();
    softmax(&log).into_iter().map(|weight| weight as f32)
}
