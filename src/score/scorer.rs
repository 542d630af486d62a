//! A model as scores need it.

use std::sync::Arc;

use super::{AggregatePosterior, Score};
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::Layout;
use crate::model::{Encoded, Heads, Network, Row, Vae, Weights};
use crate::numerics::RandomStream;

/// The networks of a model. Scores are means over all of them; latents and reconstructions are the first one's.
pub(crate) struct Scorer {
    members: Vec<Member>,
}

/// One of a model's networks, and what it takes to score rows by it.
pub(crate) struct Member {
    pub(crate) vae: Arc<Vae>,
    pub(crate) heads: Heads,
    pub(crate) latents: AggregatePosterior,
    pub(super) noise: RandomStream,
}

/// Rows to be scored, encoded by every member.
pub(crate) struct EncodedBatch<'a> {
    pub(super) seen: Vec<MemberView<'a>>,
}

/// Rows as one member sees them.
pub(crate) struct MemberView<'a> {
    pub(crate) member: &'a Member,
    pub(crate) batch: &'a Batch,
    pub(crate) encoded: Encoded,
}

impl Member {
    /// # Panics
    /// If a parameter of a likelihood is missing, which a model's are not.
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

    /// The first network's latents are the model's.
    pub(crate) fn first(&self) -> &Member {
        &self.members[0]
    }

    /// All of them.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Encodes rows.
    pub(crate) fn rows<'a>(&'a self, batch: &'a Batch) -> Result<EncodedBatch<'a>> {
        let seen = |member: &'a Member| Ok(MemberView { member, batch, encoded: member.vae.encode(batch)? });
        Ok(EncodedBatch { seen: self.members.iter().map(seen).collect::<Result<_>>()? })
    }
}

impl<'a> EncodedBatch<'a> {
    /// As the first member sees them.
    pub(crate) fn first(&self) -> &MemberView<'a> {
        &self.seen[0]
    }

    /// A score of every row, the mean over the members; `None` where no feature is known.
    pub(crate) fn score(&self, score: &Score) -> Result<Vec<Option<f32>>> {
        let mut sums = vec![0.0; self.first().batch.rows()];
        for seen in &self.seen {
            sums.iter_mut().zip((score.of)(seen)?).for_each(|(sum, score)| *sum += f64::from(score));
        }
        let members = self.seen.len() as f64;
        let means = sums.into_iter().zip(&self.first().encoded.known);
        Ok(means.map(|(sum, &known)| (known > 0.0).then_some((sum / members) as f32)).collect())
    }
}

impl MemberView<'_> {
    /// A number of every row.
    pub(super) fn each(&self, of: impl Fn(&Encoded, usize) -> f32) -> Result<Vec<f32>> {
        Ok((0..self.batch.rows()).map(|row| of(&self.encoded, row)).collect())
    }

    /// Every row's distance in latent space.
    pub(super) fn latent_distances(&self) -> Vec<f32> {
        let means = self.encoded.mean.chunks_exact(self.encoded.latent_dim);
        means.map(|mean| self.member.latents.distance(mean)).collect()
    }

    /// One row; `ones` are for rows of which all is known.
    pub(crate) fn row<'b>(&'b self, row: usize, ones: &'b [f32]) -> Row<'b> {
        let of = |all: &'b [f32], width: usize| &all[row * width..][..width];
        let (inputs, latent_dim) = (self.encoded.features, self.encoded.latent_dim);
        Row {
            x: of(&self.batch.x, inputs),
            known: self.batch.known.as_deref().map_or(ones, |known| of(known, inputs)),
            mean: of(&self.encoded.mean, latent_dim),
            log_variance: of(&self.encoded.log_variance, latent_dim),
        }
    }
}
