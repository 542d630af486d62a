//! Anomaly scores: one table defines them all.

#![forbid(unsafe_code)]

mod decision;
mod explain;
mod importance;
mod latents;
mod scorer;
mod tail;

pub(crate) use self::decision::AnomalyRule;
pub use self::decision::Scoring;
pub(crate) use self::latents::{AggregatePosterior, LatentSums};
use self::scorer::MemberView;
pub(crate) use self::scorer::{EncodedBatch, Member, Scorer};
pub use self::tail::Tail;
use crate::error::{Error, Result};

/// The column of the score by which a model ranks rows.
pub(crate) const ANOMALY_SCORE: &str = "anomaly_score";

/// An anomaly score; higher means more anomalous.
#[derive(Debug)]
#[non_exhaustive]
pub struct Score {
    /// Name of the score and of its output column.
    pub name: &'static str,
    /// Description in one line.
    pub about: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Whether it is a negative log-likelihood, to which the surprise of a row is added.
    is_likelihood: bool,
    of: fn(&MemberView<'_>) -> Result<Vec<f32>>,
}

/// All scores, in output order.
///
/// ```
/// assert!(vaepipe::SCORES.iter().any(|score| score.name == "elbo" && score.unit == "nats"));
/// ```
pub const SCORES: &[Score] = &[
    Score {
        name: "recon_error",
        about: "mean over the row's known values of the squared error of their reconstruction, on the model's scale",
        unit: "squared scaled units",
        is_likelihood: false,
        of: |view| view.each(|rows, row| rows.squared_error[row] / rows.known[row]),
    },
    Score {
        name: "recon_nll",
        about: "negative log-likelihood of the row's known values at the posterior mean, scaled by features / known features, plus the row's surprises",
        unit: "nats",
        is_likelihood: true,
        of: |view| view.each(|rows, row| rows.nll[row] * (rows.features as f32 / rows.known[row])),
    },
    Score {
        name: "kl",
        about: "KL divergence of the row's posterior from the prior",
        unit: "nats",
        is_likelihood: false,
        of: |view| view.each(|rows, row| rows.kl[row]),
    },
    Score {
        name: "elbo",
        about: "negative ELBO at the posterior mean: recon_nll + kl",
        unit: "nats",
        is_likelihood: true,
        of: |view| view.each(|rows, row| rows.nll[row] * (rows.features as f32 / rows.known[row]) + rows.kl[row]),
    },
    Score {
        name: "latent_distance",
        about: "Mahalanobis distance of the posterior mean from those of the training rows, under their aggregate posterior",
        unit: "standard deviations",
        is_likelihood: false,
        of: |view| Ok(view.latent_distances()),
    },
    Score {
        name: "elbo_iw",
        about: "negative importance-weighted bound of 64 draws from the row's posterior, a tighter elbo, plus the row's surprises; the draws depend on seed and row content alone",
        unit: "nats",
        is_likelihood: true,
        of: |view| view.importance_weighted(),
    },
];

impl Score {
    /// Finds a score by name.
    ///
    /// # Errors
    /// [`Error::UnknownScore`].
    pub(crate) fn named(option: &'static str, name: &str) -> Result<&'static Self> {
        SCORES.iter().find(|score| score.name == name).ok_or_else(|| Error::UnknownScore {
            option,
            name: name.to_owned(),
            known: SCORES.iter().map(|score| score.name).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
