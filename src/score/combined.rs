//! Three scores in one: by how unusual each is among the training rows.

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
    /// Their `marginal_nll`; absent from a model that does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marginal_nll: Option<Tail>,
}

/// What decides a score of a row, or most of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    Networks,
    Distance,
    Marginals,
}

/// The exponent of the mean of two p-values: between the harmonic mean, at -1, and the lower of both, at -∞.
pub(crate) const EXPONENT: f64 = -3.0;

/// The part of -ln p of `marginal_nll` that counts beside -ln of this mean.
pub(crate) const OF_MARGINALS: f64 = 0.5;

impl ScoreComponents {
    /// Those of no rows.
    pub(crate) fn unmeasured() -> Self {
        let none = || Tail::of(Vec::new());
        Self { elbo: none(), neighbor_distance: none(), marginal_nll: None }
    }

    /// √(a² + b²), in nats: a is -ln of the mean of the p-values of `elbo` and `neighbor_distance`, their power mean (Vovk & Wang
    /// 2020, "Combining p-values via averaging"), or the row's surprise less the logarithm of the number of values, as one of them
    /// may be a surprise by chance, if that is more, since `elbo` has the noise of all values; and b a part of -ln of that of
    /// `marginal_nll`.
    pub(crate) fn combine(&self, [elbo, neighbor_distance, marginal_nll]: [f32; 3], surprise: f64) -> f64 {
        let (a, b) = (self.elbo.nats(elbo), self.neighbor_distance.nats(neighbor_distance));
        let other = (EXPONENT * (a - b).abs()).exp();
        let both = (a.max(b) - (0.5 + 0.5 * other).ln() / EXPONENT).max(surprise);
        self.marginal_nll.as_ref().map_or(both, |tail| both.hypot(OF_MARGINALS * tail.nats(marginal_nll)))
    }

    /// The score that makes the most of [`combine`](Self::combine).
    pub(super) fn ground(&self, [elbo, neighbor_distance, marginal_nll]: [f32; 3]) -> Ground {
        let (a, b) = (self.elbo.nats(elbo), self.neighbor_distance.nats(neighbor_distance));
        let marginal = self.marginal_nll.as_ref().map_or(0.0, |tail| tail.nats(marginal_nll));
        match a.max(b) {
            most if OF_MARGINALS * marginal > most => Ground::Marginals,
            _ if b > a => Ground::Distance,
            _ => Ground::Networks,
        }
    }

    /// Whether the fields are consistent.
    pub(crate) fn is_valid(&self) -> bool {
        [&self.elbo, &self.neighbor_distance]
            .into_iter()
            .chain(&self.marginal_nll)
            .all(|tail| tail.is_valid() && tail.rows() > 0)
    }
}
