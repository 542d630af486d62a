//! Scoring of rows by the networks of a model.

use std::sync::Arc;

use super::{AggregatePosterior, Score};
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::Layout;
use crate::model::{Encoded, Heads, Network, Row, Vae, Weights};
use crate::numerics::RandomStream;

/// The networks of a model. Scores are means over all; latents and reconstructions come from the first.
pub(crate) struct Scorer {
    members: Vec<Member>,
}

/// One network of a model, with its aggregate posterior and random stream for scores.
pub(crate) struct Member {
    pub(crate) vae: Arc<Vae>,
    pub(crate) heads: Heads,
    pub(crate) latents: AggregatePosterior,
    pub(super) noise: RandomStream,
}

/// A batch of rows, encoded by every member.
pub(crate) struct EncodedBatch<'a> {
    pub(super) views: Vec<MemberView<'a>>,
}

/// A batch of rows, encoded by one member.
pub(crate) struct MemberView<'a> {
    pub(crate) member: &'a Member,
    pub(crate) batch: &'a Batch,
    pub(crate) encoded: Encoded,
}

impl Member {
    /// # Panics
    /// If a parameter of a likelihood is missing; a model always has them.
    pub(crate) fn new(
        vae: Arc<Vae>,
        layout: &Layout,
        network: &Network,
        weights: &Weights,
        latents: AggregatePosterior,
        seed: u64,
    ) -> Self {
        Self { vae, heads: Heads::new(layout, network, weights), latents, noise: RandomStream::new(seed, "elbo_iw") }
    }
}

impl Scorer {
    /// # Panics
    /// If there is no member.
    pub(crate) fn new(members: Vec<Member>) -> Self {
        assert!(!members.is_empty(), "a model has a network");
        Self { members }
    }

    /// The first network, whose latents are the model's.
    pub(crate) fn first(&self) -> &Member {
        &self.members[0]
    }

    /// All networks.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Encodes a batch by every member.
    pub(crate) fn rows<'a>(&'a self, batch: &'a Batch) -> Result<EncodedBatch<'a>> {
        let view = |member: &'a Member| Ok(MemberView { member, batch, encoded: member.vae.encode(batch)? });
        Ok(EncodedBatch { views: self.members.iter().map(view).collect::<Result<_>>()? })
    }
}

impl<'a> EncodedBatch<'a> {
    /// The view of the first member.
    pub(crate) fn first(&self) -> &MemberView<'a> {
        &self.views[0]
    }

    /// Computes a score for every row, the mean over the members, and the surprise of the row if the score is a likelihood;
    /// `None` where no feature is known.
    pub(crate) fn score(&self, score: &Score) -> Result<Vec<Option<f32>>> {
        let mut sums = vec![0.0; self.first().batch.rows()];
        for view in &self.views {
            sums.iter_mut().zip((score.of)(view)?).for_each(|(sum, score)| *sum += f64::from(score));
        }
        let members = self.views.len() as f64;
        let surprise = |row| if score.is_likelihood { self.first().batch.surprise.nats(row) } else { 0.0 };
        let means = sums.into_iter().zip(&self.first().encoded.known).enumerate();
        Ok(means.map(|(row, (sum, &known))| (known > 0.0).then(|| (sum / members + surprise(row)) as f32)).collect())
    }
}

impl MemberView<'_> {
    /// Computes a number for every row.
    pub(super) fn each(&self, of: impl Fn(&Encoded, usize) -> f32) -> Result<Vec<f32>> {
        Ok((0..self.batch.rows()).map(|row| of(&self.encoded, row)).collect())
    }

    /// The Mahalanobis distance of every row's posterior mean.
    pub(super) fn latent_distances(&self) -> Vec<f32> {
        let means = self.encoded.mean.chunks_exact(self.encoded.latent_dim);
        means.map(|mean| self.member.latents.distance(mean)).collect()
    }

    /// One row; `ones` is the mask of rows without missing values.
    pub(crate) fn row<'b>(&'b self, row: usize, ones: &'b [f32]) -> Row<'b> {
        let slice = |all: &'b [f32], width: usize| &all[row * width..][..width];
        let (inputs, latent_dim) = (self.encoded.features, self.encoded.latent_dim);
        Row {
            x: slice(&self.batch.x, inputs),
            known: self.batch.known.as_deref().map_or(ones, |known| slice(known, inputs)),
            mean: slice(&self.encoded.mean, latent_dim),
            log_variance: slice(&self.encoded.log_variance, latent_dim),
        }
    }
}
