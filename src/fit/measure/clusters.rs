//! The clusters of the training rows' latents.

use super::FittedNetwork;
use crate::artifact::Clusters;
use crate::batch::Batch;
use crate::config::ClusterCount;
use crate::error::Result;
use crate::fit::rows::FitRows;
use crate::numerics::{MixtureClusters, RandomStream};

/// Most rows, fewest of them however many dimensions, and most products of latents in a step of the fit of the mixture.
const MOST_ROWS: usize = 8192;
const FEWEST_ROWS: usize = 256;
const MOST_PRODUCTS: usize = 1 << 26;

/// Finds clusters in the posterior means of a sample of the training rows.
///
/// # Errors
/// The store's, and [`Error::Interrupted`](crate::Error::Interrupted).
pub(in crate::fit) fn measure(
    look: &FittedNetwork<'_>,
    rows: &FitRows,
    asked: ClusterCount,
    seed: u64,
) -> Result<(MixtureClusters, Clusters)> {
    let k = look.latent_dim;
    let most = (MOST_PRODUCTS / (k * k)).clamp(FEWEST_ROWS, MOST_ROWS);
    let mut means = Vec::new();
    let of_batch = |batch: Batch| {
        let [mean, _] = look.vae.posterior(&batch)?;
        Ok(mean)
    };
    look.each(&rows.training, most, of_batch, |of_batch| means.extend(of_batch))?;
    let noise = RandomStream::new(seed, "clusters");
    let (clusters, sizes) = MixtureClusters::fit(&means, k, asked.number(), noise, (&look.pool, look.stop))?;
    if let ClusterCount::Of(asked) = asked
        && sizes.len() < asked
    {
        tracing::warn!("{} clusters, not {asked}: the latents of the rows differ too little for more", sizes.len());
    }
    let about = Clusters::new(asked, &clusters, sizes);
    Ok((clusters, about))
}
