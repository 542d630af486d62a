//! What comes out of the encoder, and what the decoder makes of it.

#![forbid(unsafe_code)]

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
