//! What the rest of a row says of the values it misses: a mixture of the decoder's answers to draws from the posterior,
//! each weighted by how well it explains what is known (Mattei & Frellsen 2019, "MIWAE: Deep generative modelling and
//! imputation of incomplete data sets", section 4).

use std::sync::Arc;

use super::likelihood::{Cells, Head, Known, RowLoss, head};
use super::network::Network;
use super::parameters::Weights;
use super::vae::Vae;
use crate::error::Result;
use crate::layout::{Group, Layout};
use crate::normal::normal_rank;
use crate::random::Stream;

/// Draws from the posterior of rows.
pub(crate) struct Sampler {
    vae: Arc<Vae>,
    layout: Layout,
    latent_dim: usize,
    /// A group, its head, and the head's own parameter.
    heads: Vec<(Group, Box<dyn Head>, Vec<f32>)>,
    /// Which head each element has, and where in its group it is.
    places: Vec<(usize, usize)>,
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
    losses: Vec<RowLoss>,
    scratch: Vec<f32>,
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

impl Sampler {
    /// # Panics
    /// If a parameter of a likelihood is missing, which a model's are not.
    pub(crate) fn new(vae: Arc<Vae>, layout: &Layout, network: &Network, weights: &Weights) -> Self {
        let with_head = |group: Group| {
            let head = head(&group, network.noise_floor);
            let parameter = head.parameter().map(|name| weights[&format!("likelihood.{name}")].values.clone());
            (group, head, parameter.unwrap_or_default())
        };
        let heads: Vec<_> = layout.groups().into_iter().map(with_head).collect();
        let of_group = |(n, (group, ..)): (usize, &(Group, _, _))| {
            let start = group.elements.start;
            group.elements.clone().map(move |element| (n, element - start)).collect::<Vec<_>>()
        };
        let places = heads.iter().enumerate().flat_map(of_group).collect();
        Self { vae, layout: layout.clone(), latent_dim: network.latent_dim, heads, places }
    }

    /// Width of the latent space.
    pub(crate) fn latent_dim(&self) -> usize {
        self.latent_dim
    }

    /// Draws `samples` times from the posterior of a row; the draws are the stream's.
    pub(crate) fn sample(&self, row: Row<'_>, samples: usize, noise: Stream, mixture: &mut Mixture) -> Result<()> {
        let Row { x, known, mean, log_variance } = row;
        let (inputs, outputs) = (self.layout.inputs(), self.layout.outputs());
        let Mixture { weights, outputs: output, noise: drawn, z, x: rows, known: rows_known, losses, scratch } =
            mixture;
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
        losses.clear();
        losses.resize(samples, RowLoss::default());
        for (group, head, parameter) in &self.heads {
            let known = Known::Some(rows_known);
            let cells = Cells { group, x: (rows, inputs), output: (output, outputs), known };
            head.add_losses(&cells, parameter, scratch, losses);
        }
        // ln p(known | z) + ln p(z) - ln q(z | known), but for what all samples share.
        let of_latents = z.chunks_exact(self.latent_dim).zip(drawn.chunks_exact(self.latent_dim));
        let ratio = |z: &[f32], drawn: &[f32]| -> f64 {
            z.iter().zip(drawn).map(|(z, noise)| 0.5 * (f64::from(*noise).powi(2) - f64::from(*z).powi(2))).sum()
        };
        weights.clear();
        weights.extend(of_latents.zip(&*losses).map(|((z, drawn), loss)| ratio(z, drawn) - f64::from(loss.nll)));
        let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        weights.iter_mut().for_each(|weight| *weight = (*weight - most).exp());
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        Ok(())
    }

    /// The value to put where an element is missing: what is expected of it, in a class that `reads` takes.
    pub(crate) fn fill(&self, mixture: &Mixture, element: usize, reads: &dyn Fn(usize) -> bool) -> f32 {
        let (_, head, _) = &self.heads[self.places[element].0];
        let range = self.layout.spans()[element].output.clone();
        let (mut each, mut sum) = (vec![0.0; range.len()], vec![0.0; range.len()]);
        for (weight, output) in mixture.weights.iter().zip(mixture.outputs.chunks_exact(self.layout.outputs())) {
            head.expected(&output[range.clone()], &mut each);
            sum.iter_mut().zip(&each).for_each(|(sum, each)| *sum += weight * f64::from(*each));
        }
        let expected: Vec<f32> = sum.into_iter().map(|sum| sum as f32).collect();
        head.fill(&expected, reads)
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
        let (head, place) = self.places[element];
        let (_, head, parameter) = &self.heads[head];
        let range = self.layout.spans()[element].output.clone();
        let mut expected = vec![0.0; range.len()];
        head.expected(&mixture.outputs[sample * self.layout.outputs()..][range], &mut expected);
        head.draw(&expected, parameter.get(place).copied().unwrap_or_default(), reads, noise)
    }

    /// Standard deviation of a number about its mean; `None` of anything else.
    pub(crate) fn deviation(&self, element: usize) -> Option<f32> {
        let (head, place) = self.places[element];
        let (_, head, parameter) = &self.heads[head];
        head.deviation(parameter.get(place).copied().unwrap_or_default())
    }

    /// The place of a number below which a share `p` of the mixture lies, where every answer is spread by `deviation`.
    pub(crate) fn quantile(&self, mixture: &Mixture, element: usize, deviation: f64, p: f64) -> f64 {
        let at = self.layout.spans()[element].output.start;
        let centers =
            || mixture.outputs.iter().skip(at).step_by(self.layout.outputs()).map(|&center| f64::from(center));
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
