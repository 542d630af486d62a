//! A fitted network applied to a sample of stored rows.

use std::sync::Arc;

use super::sampled_batches::each_batch;
use crate::batch::Batch;
use crate::error::Result;
use crate::feature::Layout;
use crate::fit::encoded_rows::EncodedRows;
use crate::model::{Heads, Network, Vae, Weights};
use crate::numerics::RandomStream;
use crate::pipeline::{Pool, Run, Stop};

/// A fitted network to measure.
pub(in crate::fit) struct FittedNetwork<'a> {
    pub(in crate::fit) layout: &'a Layout,
    pub(in crate::fit) vae: Arc<Vae>,
    pub(in crate::fit) heads: Heads,
    /// Width of the latent space.
    pub(in crate::fit) latent_dim: usize,
    /// Most training rows to measure.
    pub(in crate::fit) most_rows: usize,
    pub(in crate::fit) stop: &'a Stop,
    pub(in crate::fit) pool: Pool,
}

impl<'a> FittedNetwork<'a> {
    pub(in crate::fit) fn new(
        layout: &'a Layout,
        network: &Network,
        weights: &Weights,
        vae: Arc<Vae>,
        most_rows: usize,
        run: &'a Run<'_>,
    ) -> Result<Self> {
        let (heads, latent_dim) = (Heads::new(layout, network, weights), network.latent_dim);
        Ok(Self { layout, vae, heads, latent_dim, most_rows, stop: run.stopper(), pool: Pool::new(run.workers())? })
    }

    /// Runs `work` on batches of at most `most` rows of a store, evenly spread over it, a batch a thread, and gives the
    /// answers, in order, to `take`.
    ///
    /// # Errors
    /// Those of the store and of `work`, and [`Error::Interrupted`](crate::Error::Interrupted).
    pub(in crate::fit) fn each<T: Send>(
        &self,
        store: &EncodedRows,
        most: usize,
        work: impl Fn(Batch) -> Result<T> + Send + Sync,
        take: impl FnMut(T),
    ) -> Result<()> {
        each_batch(store, self.layout, most, (&self.pool, self.stop), work, take)
    }

    /// Draws from each row's posterior, its mean and log-variance, `[rows, latent_dim]`; a row draws from the child stream of its number.
    pub(in crate::fit) fn draw(
        &self,
        batch: &Batch,
        [mean, log_variance]: &[Vec<f32>; 2],
        noise: RandomStream,
    ) -> Vec<f32> {
        let mut z = vec![0.0; mean.len()];
        let posteriors = mean.chunks_exact(self.latent_dim).zip(log_variance.chunks_exact(self.latent_dim));
        for ((&id, z), (mean, log_variance)) in
            batch.ids.iter().zip(z.chunks_exact_mut(self.latent_dim)).zip(posteriors)
        {
            noise.child(id).normals(z);
            z.iter_mut().zip(mean.iter().zip(log_variance)).for_each(|(z, (mean, s))| *z = mean + *z * (s / 2.0).exp());
        }
        z
    }

    /// Decodes places of the latent space, with the given inputs of each, `[rows, outputs]`.
    pub(in crate::fit) fn decode(&self, z: &[f32], given: &[f32]) -> Result<Vec<f32>> {
        let mut outputs = Vec::new();
        self.vae.decode(z, given, &mut outputs)?;
        Ok(outputs)
    }

    /// The expectation of these outputs, `[rows, outputs]`: a mean, or the probability of a 1 or of a class.
    pub(in crate::fit) fn expected(&self, outputs: &[f32]) -> Vec<f32> {
        let (width, mut expected) = (self.layout.outputs(), vec![0.0; outputs.len()]);
        let rows = outputs.chunks_exact(width).zip(expected.chunks_exact_mut(width));
        rows.for_each(|(row, expected)| self.heads.means(row, expected));
        expected
    }

    /// The rows in the decoder's layout, `[rows, outputs]`.
    pub(in crate::fit) fn spread(&self, batch: &Batch) -> Vec<f32> {
        batch.spread(self.layout)
    }
}
