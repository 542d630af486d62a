//! The posterior of rows, and the errors of their reconstruction.

#![forbid(unsafe_code)]

/// Encoded rows. Vectors have one value per row unless a shape is given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Encoded {
    /// Width of the latent space.
    pub(crate) latent_dim: usize,
    /// Elements of the row vector.
    pub(crate) features: usize,
    /// Posterior mean, `[rows, latent_dim]`.
    pub(crate) mean: Vec<f32>,
    /// Posterior log-variance, `[rows, latent_dim]`.
    pub(crate) log_variance: Vec<f32>,
    /// Squared error of the reconstruction at the posterior mean, summed over known elements, on the model's scale.
    pub(crate) squared_error: Vec<f32>,
    /// Negative log-likelihood of the row at the posterior mean, summed over known elements, in nats.
    pub(crate) nll: Vec<f32>,
    /// KL divergence of the posterior from the prior, in nats.
    pub(crate) kl: Vec<f32>,
    /// Number of known elements.
    pub(crate) known: Vec<f32>,
}
