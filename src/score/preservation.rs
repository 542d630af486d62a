//! How well latents keep the neighbours that rows have among the learned columns.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::numerics::{NeighborhoodSums, Points};
use crate::pipeline::{Pool, Stop};

/// How well the latents keep the nearest neighbours that rows have among the learned columns.
///
/// Distances among the columns are Euclidean on the model's scale: two classes of a category are as far apart as 0 and 1, and
/// a missing value is replaced by the mean. Distances among the latents are those of the posterior means. Rows as near as each
/// other share the first of their ranks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NeighborPreservation {
    /// Number of nearest neighbours, k.
    pub neighbors: usize,
    /// 1 if the k nearest in the latents are among the k nearest in the columns; lower, the farther off they are there (Venna &
    /// Kaski 2001).
    pub trustworthiness: f64,
    /// The same the other way round: 1 if the k nearest in the columns are among the k nearest in the latents.
    pub continuity: f64,
    /// The share of the k nearest that are so in both, 0 to 1.
    pub overlap: f64,
}

impl NeighborPreservation {
    /// Compares the same rows in the space of the columns and in that of the latents, for 5, 15 and 50 neighbours, as far as
    /// there are more than twice as many rows.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::Error::Interrupted).
    pub(crate) fn measure(columns: &Points, latents: &Points, pool: &Pool, stop: &Stop) -> Result<Vec<Self>> {
        let mut sums = NeighborhoodSums::default();
        let of_block = |block| {
            stop.check()?;
            Ok(NeighborhoodSums::of_block(columns, latents, block))
        };
        pool.each(columns.blocks(), of_block, |of_block| sums.add(&of_block))?;
        let measures = sums.measures(columns.len());
        Ok(measures
            .map(|(neighbors, [trustworthiness, continuity, overlap])| Self {
                neighbors,
                trustworthiness,
                continuity,
                overlap,
            })
            .collect())
    }

    /// Whether the numbers are in range.
    pub(crate) fn is_valid(&self) -> bool {
        let Self { neighbors, trustworthiness, continuity, overlap } = *self;
        // Trustworthiness is within 0 and 1 for neighbours of less than half of the rows.
        neighbors > 0 && [trustworthiness, continuity, overlap].iter().all(|share| (-1e-9..=1.0).contains(share))
    }
}
