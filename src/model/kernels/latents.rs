//! Posterior, draw and KL divergence of rows, forward and backward.

#![forbid(unsafe_code)]

use crate::model::network::LOG_VARIANCE;
use crate::numerics::{exp, vectorized};

/// The latent side of rows.
#[derive(Debug, Clone)]
pub(super) struct LatentBuffers {
    /// `[rows, latent_dim]`: standard normal numbers; z is the posterior mean while they are 0.
    pub(super) noise: Vec<f32>,
    /// `[rows, latent_dim + given]`: mean + noise · exp(log-variance / 2), then the given inputs.
    pub(super) z: Vec<f32>,
    /// Given inputs of a row.
    given: usize,
    /// `[rows, latent_dim]`: KL divergence from the prior, nats (Kingma & Welling 2014, appendix B).
    pub(super) kl: Vec<f32>,
}

impl LatentBuffers {
    /// Buffers for `rows` rows of so many `given` inputs.
    pub(super) fn new(rows: usize, latent_dim: usize, given: usize) -> Self {
        let room = |width: usize| vec![0.0; rows * width];
        Self { noise: room(latent_dim), z: room(latent_dim + given), kl: room(latent_dim), given }
    }

    /// Takes each row's mean and log-variance, `[rows, 2 latent_dim]`, bounds the latter in place, and draws; puts the rows'
    /// given inputs behind the draws.
    pub(super) fn draw(&mut self, posterior: &mut [f32], given: &[f32], latent_dim: usize) {
        let width = latent_dim + self.given;
        for (z, given) in self.z.chunks_exact_mut(width).zip(given.chunks_exact(self.given.max(1))) {
            z[latent_dim..].copy_from_slice(given);
        }
        let rows = posterior.chunks_exact_mut(2 * latent_dim);
        let draws = self.noise.chunks_exact(latent_dim).zip(self.z.chunks_exact_mut(width));
        let kls = self.kl.chunks_exact_mut(latent_dim);
        vectorized(
            #[inline(always)]
            || {
                for ((row, (noise, z)), kl) in rows.zip(draws).zip(kls) {
                    let (mean, log_variance) = row.split_at_mut(latent_dim);
                    let posterior = mean.iter().zip(log_variance);
                    for (((mean, s), noise), (z, kl)) in posterior.zip(noise).zip(z.iter_mut().zip(kl)) {
                        *s = s.clamp(LOG_VARIANCE.0, LOG_VARIANCE.1);
                        let deviation = exp(*s * 0.5);
                        *z = mean + noise * deviation;
                        *kl = 0.5 * ((mean * mean + deviation * deviation) - *s) - 0.5;
                    }
                }
            },
        );
    }

    /// Into `by_posterior`, `[rows, 2 latent_dim]`: the derivative by mean and log-variance of the loss, whose
    /// derivative by z is `by_z`, `[rows, latent_dim + given]`, plus each row's weight times the dimensions' KL, each times its own `paid`.
    pub(super) fn backward(
        &self,
        posterior: &[f32],
        by_z: &[f32],
        weights: &[f32],
        paid: &[f32],
        by_posterior: &mut [f32],
    ) {
        let latent_dim = paid.len();
        let rows = posterior.chunks_exact(2 * latent_dim).zip(by_posterior.chunks_exact_mut(2 * latent_dim));
        let draws = self.noise.chunks_exact(latent_dim).zip(by_z.chunks_exact(latent_dim + self.given));
        vectorized(
            #[inline(always)]
            || {
                for (((row, by_row), (noise, by_z)), weight) in rows.zip(draws).zip(weights) {
                    let (mean, log_variance) = row.split_at(latent_dim);
                    let (by_mean, by_s) = by_row.split_at_mut(latent_dim);
                    let posterior = mean.iter().zip(log_variance).zip(by_mean.iter_mut().zip(by_s));
                    for ((((mean, s), (by_mean, by_s)), paid), (noise, by_z)) in
                        posterior.zip(paid).zip(noise.iter().zip(by_z))
                    {
                        let deviation = exp(*s * 0.5);
                        let weight = weight * paid;
                        *by_mean = by_z + weight * mean;
                        let by = 0.5 * (by_z * noise * deviation + weight * (deviation * deviation - 1.0));
                        // At a bound, gradients that point outward are dropped.
                        let outward = (*s <= LOG_VARIANCE.0 && by > 0.0) || (*s >= LOG_VARIANCE.1 && by < 0.0);
                        *by_s = if outward { 0.0 } else { by };
                    }
                }
            },
        );
    }
}
