//! A model as scores need it.

use std::sync::Arc;

use super::{Latents, Score};
use crate::batch::Batch;
use crate::error::Result;
use crate::layout::Layout;
use crate::model::{Encoded, Heads, Network, Row, Vae, Weights};
use crate::random::Stream;

/// What it takes to score rows.
pub(crate) struct Scorer {
    pub(crate) vae: Arc<Vae>,
    pub(crate) heads: Heads,
    pub(crate) latents: Latents,
    pub(super) noise: Stream,
}

/// Rows to be scored, encoded.
pub(crate) struct Rows<'a> {
    pub(super) scorer: &'a Scorer,
    pub(crate) batch: &'a Batch,
    pub(crate) encoded: Encoded,
}

impl Scorer {
    /// # Panics
    /// If a parameter of a likelihood is missing, which a model's are not.
    pub(crate) fn new(
        vae: Arc<Vae>,
        layout: &Layout,
        network: &Network,
        weights: &Weights,
        latents: Latents,
        seed: u64,
    ) -> Self {
        Self { vae, heads: Heads::new(layout, network, weights), latents, noise: Stream::new(seed, "elbo_iw") }
    }

    /// Encodes rows.
    pub(crate) fn rows<'a>(&'a self, batch: &'a Batch) -> Result<Rows<'a>> {
        Ok(Rows { scorer: self, batch, encoded: self.vae.encode(batch)? })
    }
}

impl Rows<'_> {
    /// A score of every row; `None` where no feature is known.
    pub(crate) fn score(&self, score: &Score) -> Result<Vec<Option<f32>>> {
        let scores = (score.of)(self)?.into_iter().zip(&self.encoded.known);
        Ok(scores.map(|(score, &known)| (known > 0.0).then_some(score)).collect())
    }

    /// What scores them.
    pub(crate) fn scorer(&self) -> &Scorer {
        self.scorer
    }

    /// A number of every row.
    pub(super) fn each(&self, of: impl Fn(&Encoded, usize) -> f32) -> Result<Vec<f32>> {
        Ok((0..self.batch.rows()).map(|row| of(&self.encoded, row)).collect())
    }

    /// Every row's distance in latent space.
    pub(super) fn latent_distances(&self) -> Vec<f32> {
        let means = self.encoded.mean.chunks_exact(self.encoded.latent_dim);
        means.map(|mean| self.scorer.latents.distance(mean)).collect()
    }

    /// One row; `ones` are for rows of which all is known.
    pub(crate) fn row<'a>(&'a self, row: usize, ones: &'a [f32]) -> Row<'a> {
        let of = |all: &'a [f32], width: usize| &all[row * width..][..width];
        let (inputs, latent_dim) = (self.encoded.features, self.encoded.latent_dim);
        Row {
            x: of(&self.batch.x, inputs),
            known: self.batch.known.as_deref().map_or(ones, |known| of(known, inputs)),
            mean: of(&self.encoded.mean, latent_dim),
            log_variance: of(&self.encoded.log_variance, latent_dim),
        }
    }
}
