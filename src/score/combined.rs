//! Two scores in one: by how unusual each is among the training rows.

use serde::{Deserialize, Serialize};

use super::Tail;

/// The scores of training rows that `combined` compares with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ScoreComponents {
    /// Their `elbo`.
    pub elbo: Tail,
    /// Their `neighbor_distance`.
    pub neighbor_distance: Tail,
}

/// The exponent of the mean of two p-values: between the harmonic mean, at -1, and the lower of both, at -∞.
pub(crate) const EXPONENT: f64 = -3.0;

impl ScoreComponents {
    /// Those of no rows.
    pub(crate) fn unmeasured() -> Self {
        Self { elbo: Tail::of(Vec::new()), neighbor_distance: Tail::of(Vec::new()) }
    }

    /// -ln of the mean of the p-values of both scores, in nats: their power mean (Vovk & Wang 2020, "Combining p-values via
    /// averaging").
    pub(crate) fn combine(&self, elbo: f32, neighbor_distance: f32) -> f64 {
        let (a, b) = (self.elbo.nats(elbo), self.neighbor_distance.nats(neighbor_distance));
        let other = (EXPONENT * (a - b).abs()).exp();
        a.max(b) - (0.5 + 0.5 * other).ln() / EXPONENT
    }

    /// Whether the distance from the neighbors is the more unusual score of the two.
    pub(crate) fn is_by_distance(&self, elbo: f32, neighbor_distance: f32) -> bool {
        self.neighbor_distance.nats(neighbor_distance) > self.elbo.nats(elbo)
    }

    /// Whether the fields are consistent.
    pub(crate) fn is_valid(&self) -> bool {
        [&self.elbo, &self.neighbor_distance].into_iter().all(|tail| tail.is_valid() && tail.rows() > 0)
    }
}
